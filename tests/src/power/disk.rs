//! A model of a disk with a page cache, to cut its power.
//!
//! A change is *pending* until a sync covers it that began after the change and has ended.
//! What is pending when the power is cut may be on the disk, or not, or in part:
//!
//! * pages of 4096 bytes hold what any prefix of the writes to them has left, each page for
//!   itself; a page that was being written is torn between two of these at sectors of 512 bytes;
//! * the length of a file is that after any prefix of the changes of it; where it has grown without
//!   its data, there are zeros;
//! * the names in a directory are those after some of their changes: see [`Metadata`].
//!   A renaming is there in both of its places or in none.
//!
//! A sync of a file covers its data and its length, whether it is `fsync` or `fdatasync`, and
//! not its name, unless the rules say so; a sync of a directory covers the names in it.

mod content;
mod cut;
mod directory;
mod file;

use std::collections::{BTreeMap, HashMap};

pub use self::content::{Content, PAGE_BYTES, Page};
use self::directory::{Change, Directory};
use self::file::FileState;
use super::event::{Event, Inode, SyncId};
use super::image::Image;

/// The number of a change: later ones have larger numbers.
pub(super) type Sequence = u64;

/// Which pending changes of names can survive together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Metadata {
    /// The first of all, up to any point, together with the changes of lengths up to there, as
    /// with the journals of ext4 and xfs. Every sync covers all names and lengths there are.
    Journaled,
    /// In each directory the first of its changes, up to any point.
    PerDirectory,
    /// Any of them.
    AnySubset,
}

/// What a disk promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Which pending changes of names can survive together.
    pub metadata: Metadata,
    /// Whether the sync of a file makes its name durable as well. POSIX does not say so; ext4
    /// and xfs do.
    pub sync_covers_name: bool,
}

impl Rules {
    /// What POSIX promises, with ordered metadata.
    pub const POSIX: Self = Self { metadata: Metadata::PerDirectory, sync_covers_name: false };
    /// What ext4 does with the default options.
    pub const EXT4: Self = Self { metadata: Metadata::Journaled, sync_covers_name: true };
    /// The least that can be promised.
    pub const HARSH: Self = Self { metadata: Metadata::AnySubset, sync_covers_name: false };
}

/// A disk with what is on it, and what is pending.
#[derive(Debug, Clone)]
pub struct Disk {
    rules: Rules,
    directories: HashMap<Inode, Directory>,
    files: HashMap<Inode, FileState>,
    /// Where the name of each file and directory is, or was last.
    parents: HashMap<Inode, Inode>,
    /// Syncs under way: what each is about, and which changes came before it.
    syncs: HashMap<SyncId, (Inode, Sequence)>,
    sequence: Sequence,
}

impl Disk {
    /// A disk with an empty directory.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            directories: HashMap::from([(Inode::ROOT, Directory::default())]),
            files: HashMap::new(),
            parents: HashMap::new(),
            syncs: HashMap::new(),
            sequence: 0,
        }
    }

    /// Lets something happen.
    pub fn apply(&mut self, event: &Event) {
        self.sequence += 1;
        let sequence = self.sequence;
        match event {
            Event::Create { directory, name, inode, is_directory } => {
                if *is_directory {
                    self.directories.insert(*inode, Directory::default());
                } else {
                    self.files.insert(*inode, FileState::default());
                }
                self.parents.insert(*inode, *directory);
                let change = Change::Add { name: name.clone(), inode: *inode };
                self.change(*directory, change);
            }
            Event::Rename { inode, from, to } => {
                self.parents.insert(*inode, to.0);
                self.rename(*inode, from, to);
            }
            Event::Remove { directory, name } => {
                self.change(*directory, Change::Remove { name: name.clone() });
            }
            Event::Write { inode, offset, data } => {
                self.file(*inode).write(sequence, *offset, data.clone());
            }
            Event::SetLength { inode, length } => self.file(*inode).set_length(sequence, *length),
            Event::SyncBegin { sync, inode } => {
                self.syncs.insert(*sync, (*inode, sequence));
            }
            Event::SyncEnd { sync } => {
                if let Some((inode, until)) = self.syncs.remove(sync) {
                    self.sync(inode, until);
                }
            }
            Event::AllSynced => self.sync_all(),
            Event::Ended { .. } => self.syncs.clear(),
            Event::Told { .. } => {}
        }
    }

    /// Makes everything durable.
    fn sync_all(&mut self) {
        for directory in self.directories.values_mut() {
            directory.sync(Sequence::MAX);
        }
        for file in self.files.values_mut() {
            file.sync_data(Sequence::MAX);
        }
    }

    /// What all programs see: all changes, in order.
    #[must_use]
    pub fn now(&self) -> Image {
        let names = self.directories.iter().map(|(inode, directory)| (*inode, directory.now()));
        self.image(&names.collect(), |inode| self.files[&inode].now())
    }

    fn file(&mut self, inode: Inode) -> &mut FileState {
        self.files.entry(inode).or_default()
    }

    fn change(&mut self, directory: Inode, change: Change) {
        let sequence = self.sequence;
        self.directories.entry(directory).or_default().change(sequence, change);
    }

    fn rename(&mut self, inode: Inode, from: &(Inode, String), to: &(Inode, String)) {
        if from.0 == to.0 {
            let (from, name) = (from.1.clone(), to.1.clone());
            self.change(to.0, Change::Rename { from, to: name, inode });
        } else {
            self.change(from.0, Change::MoveOut { name: from.1.clone(), inode, to: to.0 });
            self.change(to.0, Change::MoveIn { name: to.1.clone(), inode, from: from.0 });
        }
    }

    /// A sync has ended that was about everything up to a number.
    fn sync(&mut self, inode: Inode, until: Sequence) {
        if self.rules.metadata == Metadata::Journaled {
            let directories: Vec<Inode> = self.directories.keys().copied().collect();
            directories.into_iter().for_each(|directory| self.sync_names(directory, until));
            self.files.values_mut().for_each(|file| file.sync_lengths(until));
        }
        if let Some(file) = self.files.get_mut(&inode) {
            file.sync_data(until);
        } else {
            self.sync_names(inode, until);
        }
        if self.rules.sync_covers_name {
            let mut child = inode;
            while let Some(parent) = self.parents.get(&child).copied() {
                self.sync_names(parent, until);
                child = parent;
            }
        }
    }

    /// Makes the names in a directory durable, and in those directories from or to which
    /// something was renamed.
    fn sync_names(&mut self, directory: Inode, until: Sequence) {
        let mut waiting = vec![(directory, until)];
        while let Some((directory, until)) = waiting.pop() {
            if let Some(entries) = self.directories.get_mut(&directory) {
                waiting.extend(entries.sync(until));
            }
        }
    }

    /// The tree below the root, with the names and the contents that were chosen.
    fn image(
        &self,
        names: &HashMap<Inode, BTreeMap<String, Inode>>,
        mut content: impl FnMut(Inode) -> Content,
    ) -> Image {
        let mut image = Image::default();
        let mut waiting = vec![(std::path::PathBuf::new(), Inode::ROOT)];
        while let Some((path, directory)) = waiting.pop() {
            for (name, inode) in names.get(&directory).into_iter().flatten() {
                let path = path.join(name);
                if self.files.contains_key(inode) {
                    image.files.insert(path, content(*inode));
                } else if image.directories.insert(path.clone()) {
                    waiting.push((path, *inode));
                }
            }
        }
        image
    }
}

#[cfg(test)]
mod tests;
