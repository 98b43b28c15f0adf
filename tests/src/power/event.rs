//! What happened in a directory, in the order in which it happened.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A file or directory, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Inode(pub u64);

impl Inode {
    /// The directory that is watched.
    pub const ROOT: Self = Self(0);
}

/// A sync that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyncId(pub u64);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A new file or directory got a name.
    Create {
        /// In which directory.
        directory: Inode,
        /// Its name there.
        name: String,
        /// Which one it is.
        inode: Inode,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// A file or directory got another name, in place of what had that name.
    Rename {
        /// Which one.
        inode: Inode,
        /// Where its name was.
        from: (Inode, String),
        /// Where its name is.
        to: (Inode, String),
    },
    /// A name went away.
    Remove {
        /// From which directory.
        directory: Inode,
        /// The name.
        name: String,
    },
    /// Bytes were written.
    Write {
        /// To which file.
        inode: Inode,
        /// Where.
        offset: u64,
        /// Which.
        data: Bytes,
    },
    /// A file was cut or made longer.
    SetLength {
        /// Which file.
        inode: Inode,
        /// How long it is now.
        length: u64,
    },
    /// A sync of a file or directory began: it is about what happened before.
    SyncBegin {
        /// Which sync.
        sync: SyncId,
        /// What is synced.
        inode: Inode,
    },
    /// A sync has succeeded.
    SyncEnd {
        /// Which sync.
        sync: SyncId,
    },
    /// Something was told to the outside.
    Told {
        /// What, in lines.
        text: String,
    },
    /// Enough time has passed for all to be on the disk.
    AllSynced,
    /// The process ended and the next thing is done by another one.
    Ended {
        /// Whether it was killed.
        is_killed: bool,
    },
}

/// What happened in a directory from its beginning on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// What it is a recording of.
    pub name: String,
    /// What happened.
    pub events: Vec<Event>,
    /// After how many events the first cut may be made: what happened before is known from
    /// another recording.
    pub cuts_from: usize,
}

impl Recording {
    /// Writes the recording to a file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        rmp_serde::encode::write(&mut file, self).map_err(io::Error::other)?;
        io::Write::flush(&mut file)
    }

    /// Reads a recording from a file.
    ///
    /// # Errors
    /// Those of the operating system, and if the file is no recording.
    pub fn load(path: &Path) -> io::Result<Self> {
        rmp_serde::from_read(BufReader::new(File::open(path)?)).map_err(io::Error::other)
    }

    /// What happens up to a place, where the process is killed.
    #[must_use]
    pub fn killed_at(&self, place: usize) -> Self {
        let events = self.events[..place].to_vec();
        Self { name: self.name.clone(), events, cuts_from: 0 }
    }

    /// What was told before a place.
    #[must_use]
    pub fn told_before(&self, place: usize) -> String {
        let told = self.events[..place].iter().filter_map(|event| match event {
            Event::Told { text } => Some(text.as_str()),
            _ => None,
        });
        told.collect()
    }
}
