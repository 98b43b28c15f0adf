//! Events in a word or two, to see where cuts were made.

use std::collections::HashMap;

use crate::power::event::{Event, Inode, SyncId};

/// A label for each event: what happened, and to what kind of file.
pub(super) fn labels(events: &[Event]) -> Vec<&'static str> {
    let mut files: HashMap<Inode, File> = HashMap::new();
    let mut syncs: HashMap<SyncId, File> = HashMap::new();
    let label = |event: &Event| match event {
        Event::Create { inode, name, is_directory, .. } => {
            files.insert(*inode, if *is_directory { File::Directory } else { File::of(name) });
            "create"
        }
        Event::Rename { .. } => "rename",
        Event::Remove { .. } => "remove",
        Event::Write { inode, .. } => match files.get(inode) {
            Some(File::Journal) => "write journal",
            Some(File::Table) => "write table",
            Some(File::Tail) => "write TAIL",
            _ => "write other",
        },
        Event::SetLength { .. } => "set length",
        Event::SyncBegin { sync, inode } => {
            let file = files.get(inode).copied().unwrap_or(File::Directory);
            syncs.insert(*sync, file);
            match file {
                File::Journal => "journal syncing",
                File::Directory => "names syncing",
                _ => "other syncing",
            }
        }
        Event::SyncEnd { sync } => match syncs.get(sync) {
            Some(File::Journal) => "journal synced",
            Some(File::Directory) => "names synced",
            _ => "other synced",
        },
        Event::Told { .. } => "told",
        Event::AllSynced | Event::Ended { .. } => "ended",
    };
    events.iter().map(label).collect()
}

/// The kind of a file, by the name with which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Directory,
    Journal,
    Table,
    Tail,
    Other,
}

impl File {
    fn of(name: &str) -> Self {
        if name.ends_with(".jnl") {
            Self::Journal
        } else if name.starts_with("TAIL") {
            Self::Tail
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Table
        } else {
            Self::Other
        }
    }
}
