//! What can go wrong with a store.

use std::fmt::{self, Write};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entracte_model::CodecError;

use crate::store::{KEY_BYTES_MAX, Space};

/// Says why a store could not do what it was asked for.
///
/// Cheap to clone: one failed group commit is the answer to many.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another store has the directory open, in this process or another one.
    #[error("the store at {} is open already", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// There is something at the path, and it is not a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory does not exist and cannot be created.
    #[error("the directory {} cannot be created: {source}", path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The directory lies on a file system that is mounted read-only.
    #[error("{} is on a read-only file system", path.display())]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
    },
    /// The process may not do what a store has to do there.
    #[error("permission denied at {}", path.display())]
    PermissionDenied {
        /// What was to be read or written.
        path: PathBuf,
    },
    /// The store was written by newer code.
    #[error(
        "the store at {} has the format {found}, newer than {supported}, the newest known here",
        path.display()
    )]
    NewerFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format of the store.
        found: u32,
        /// The newest format that this code reads.
        supported: u32,
    },
    /// The directory holds something, and it is not a store. Nothing was written into it.
    #[error("the directory {} is not empty and holds no store", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// An option has a value that cannot be used.
    #[error("invalid store option {option}: {reason}")]
    InvalidOption {
        /// The name of the option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A batch holds an operation that no store takes. Nothing of it was written.
    #[error(
        "a batch holds a key of {key_bytes} bytes and a value of {value_bytes} bytes for the space {space}; keys have 1 to {KEY_BYTES_MAX} bytes, values less than 4 GiB"
    )]
    InvalidBatch {
        /// Where the operation was to happen.
        space: Space,
        /// The length of its key.
        key_bytes: usize,
        /// The length of its value.
        value_bytes: usize,
    },
    /// A batch holds an operation on a key that the store keeps for itself. Nothing of it was
    /// written.
    #[error("a batch writes to a key of the space {space} that is reserved for the store")]
    ReservedKey {
        /// Where the operation was to happen.
        space: Space,
    },
    /// There is no room left: the disk is full, or a quota is used up.
    #[error("no space left to {doing}: {source}")]
    Full {
        /// What the store was doing.
        doing: &'static str,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The operating system refused something.
    #[error("cannot {doing}{}: {source}", At(path.as_deref()))]
    Io {
        /// What the store was doing.
        doing: &'static str,
        /// Where, if the store knows.
        path: Option<PathBuf>,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The store was written by older code, in a format that is not read any more.
    #[error(
        "the store at {} has the format {found}; the oldest that is read here is {supported}",
        path.display()
    )]
    OlderFormat {
        /// The store's directory.
        path: PathBuf,
        /// The format of the store.
        found: u32,
        /// The oldest format that this code reads.
        supported: u32,
    },
    /// A file of the store is damaged, in a place that was known to be synced. Nothing was
    /// changed.
    #[error("{}{} is damaged: {reason}{}", path.display(), AtOffset(*offset), Missing(missing.as_ref()))]
    Corrupt {
        /// The file, or the directory if no single file is to blame.
        path: PathBuf,
        /// Where in the file the damage begins, in bytes, if it is known.
        offset: Option<u64>,
        /// The numbers of the commits that cannot be read, as far as they are known.
        missing: Option<RangeInclusive<u64>>,
        /// What is wrong.
        reason: String,
    },
    /// The store ends before a commit that was known to be synced. Nothing was changed.
    #[error(
        "the store at {} ends with commit {last}, and commit {synced} had been synced",
        path.display()
    )]
    Truncated {
        /// The store's directory.
        path: PathBuf,
        /// The number of the last commit that is there; 0 if there is none.
        last: u64,
        /// The highest number that was known to be synced.
        synced: u64,
    },
    /// A row is stored that cannot have been written by a healthy store.
    #[error("corrupt row {key} in the space {space}: {reason}")]
    CorruptRow {
        /// The space of the row.
        space: Space,
        /// The key of the row, in hexadecimal.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The payloads of the store cannot be decoded with the codec that is set. Nothing was
    /// changed.
    #[error("the codec of the payloads does not fit the store: {reason}")]
    WrongCodec {
        /// What is wrong.
        reason: String,
    },
    /// A payload of a row could not be encoded or decoded. Nothing of a commit was written.
    #[error("a payload of the row {key} in the space {space} cannot be coded: {reason}")]
    Codec {
        /// The space of the row.
        space: Space,
        /// The key of the row, in hexadecimal.
        key: String,
        /// What the codec said.
        reason: String,
    },
    /// An earlier commit or sync failed; the store takes no more writes until it is reopened.
    #[error("the store takes no more writes until it is opened again: {reason}")]
    Poisoned {
        /// How the earlier one failed.
        reason: Arc<str>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The storage engine below failed in a way of its own.
    #[error("the storage engine failed: {reason}")]
    Backend {
        /// What it said.
        reason: String,
    },
}

impl StoreError {
    /// Names an error of the operating system, met while doing something at some path.
    #[must_use]
    pub fn from_io(doing: &'static str, path: Option<&Path>, source: io::Error) -> Self {
        let path = path.map(Path::to_path_buf);
        match (source.kind(), path) {
            (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
                Self::Full { doing, source: Arc::new(source) }
            }
            (io::ErrorKind::ReadOnlyFilesystem, Some(path)) => Self::ReadOnly { path },
            (io::ErrorKind::PermissionDenied, Some(path)) => Self::PermissionDenied { path },
            (_, path) => Self::Io { doing, path, source: Arc::new(source) },
        }
    }

    /// Names a row that cannot be what was written.
    #[must_use]
    pub fn corrupt(space: Space, key: &[u8], reason: impl fmt::Display) -> Self {
        Self::CorruptRow { space, key: hex(key), reason: reason.to_string() }
    }

    /// Names a row with a payload that a codec refuses.
    pub(crate) fn codec(space: Space, key: &[u8], error: CodecError) -> Self {
        Self::Codec { space, key: hex(key), reason: error.reason }
    }
}

/// Shows a path that may be unknown.
struct At<'a>(Option<&'a Path>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |path| write!(f, " at {}", path.display()))
    }
}

/// Shows an offset that may be unknown.
struct AtOffset(Option<u64>);

impl fmt::Display for AtOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, " at byte {offset}"))
    }
}

/// Shows which commits are missing, if that is known.
struct Missing<'a>(Option<&'a RangeInclusive<u64>>);

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(range) if range.start() == range.end() => {
                write!(f, "; commit {} is missing", range.start())
            }
            Some(range) => {
                write!(f, "; commits {} to {} are missing", range.start(), range.end())
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: io::ErrorKind) -> StoreError {
        StoreError::from_io("open the lock", Some(Path::new("/data/LOCK")), kind.into())
    }

    #[test]
    fn errors_of_the_operating_system_get_their_own_names() {
        use io::ErrorKind as K;
        assert!(matches!(named(K::StorageFull), StoreError::Full { .. }));
        assert!(matches!(named(K::QuotaExceeded), StoreError::Full { .. }));
        assert!(matches!(named(K::ReadOnlyFilesystem), StoreError::ReadOnly { .. }));
        assert!(matches!(named(K::PermissionDenied), StoreError::PermissionDenied { .. }));
        assert!(matches!(named(K::TimedOut), StoreError::Io { .. }));
    }

    #[test]
    fn errors_read_with_what_identifies_them() {
        assert_eq!(
            named(io::ErrorKind::TimedOut).to_string(),
            "cannot open the lock at /data/LOCK: timed out"
        );
        assert_eq!(
            StoreError::corrupt(Space::State, &[1, 0xab], "too short").to_string(),
            "corrupt row 01ab in the space state: too short"
        );
        let damaged = |offset, missing| StoreError::Corrupt {
            path: "/data/journal/0.jnl".into(),
            offset,
            missing,
            reason: "the checksum differs".to_owned(),
        };
        assert_eq!(
            damaged(Some(77), Some(4..=6)).to_string(),
            "/data/journal/0.jnl at byte 77 is damaged: the checksum differs; commits 4 to 6 are missing"
        );
        assert_eq!(
            damaged(None, Some(4..=4)).to_string(),
            "/data/journal/0.jnl is damaged: the checksum differs; commit 4 is missing"
        );
        let pathless = StoreError::from_io("sync", None, io::ErrorKind::PermissionDenied.into());
        assert_eq!(pathless.to_string(), "cannot sync: permission denied");
    }
}
