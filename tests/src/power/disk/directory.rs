//! The names in a directory.

use std::collections::BTreeMap;

use super::Sequence;
use crate::power::event::Inode;

/// The names of a directory, and what they stand for.
pub(super) type Names = BTreeMap<String, Inode>;

/// A change of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Add {
        name: String,
        inode: Inode,
    },
    Remove {
        name: String,
    },
    Rename {
        from: String,
        to: String,
        inode: Inode,
    },
    /// The one half of a renaming between two directories.
    MoveOut {
        name: String,
        inode: Inode,
        to: Inode,
    },
    /// The other half, with the same number.
    MoveIn {
        name: String,
        inode: Inode,
        from: Inode,
    },
}

impl Change {
    /// The other directory that the change is about.
    pub(super) fn other(&self) -> Option<Inode> {
        match self {
            Self::MoveOut { to: other, .. } | Self::MoveIn { from: other, .. } => Some(*other),
            _ => None,
        }
    }

    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Add { name, inode } | Self::MoveIn { name, inode, .. } => {
                names.insert(name.clone(), *inode);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
            Self::Rename { from, to, inode } => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
            Self::MoveOut { name, inode, .. } => {
                if names.get(name) == Some(inode) {
                    names.remove(name);
                }
            }
        }
    }
}

/// A directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    durable: Names,
    pending: Vec<(Sequence, Change)>,
}

impl Directory {
    pub(super) fn change(&mut self, sequence: Sequence, change: Change) {
        self.pending.push((sequence, change));
    }

    pub(super) fn pending(&self) -> &[(Sequence, Change)] {
        &self.pending
    }

    pub(super) fn now(&self) -> Names {
        self.with(|_, _| true)
    }

    /// The names with some of the pending changes.
    pub(super) fn with(&self, mut survives: impl FnMut(Sequence, &Change) -> bool) -> Names {
        let mut names = self.durable.clone();
        for (sequence, change) in &self.pending {
            if survives(*sequence, change) {
                change.apply(&mut names);
            }
        }
        names
    }

    /// Makes the changes up to a number durable; tells which other directories must be synced
    /// up to which numbers, because something was renamed between them and this one.
    pub(super) fn sync(&mut self, until: Sequence) -> Vec<(Inode, Sequence)> {
        let mut others = Vec::new();
        self.pending.retain(|(sequence, change)| {
            if *sequence > until {
                return true;
            }
            change.apply(&mut self.durable);
            others.extend(change.other().map(|other| (other, *sequence)));
            false
        });
        others
    }
}
