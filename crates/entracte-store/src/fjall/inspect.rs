//! What is there: a look at a store on disk that changes nothing.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::layout::{self, Found, JOURNAL_DIRECTORY};
use super::lock::DirectoryLock;
use super::look::{self, Place};
use super::open::guarded;
use super::options::FjallOptions;
use super::torn::TORN_DIRECTORY;
use crate::error::StoreError;

/// What a look at a store on disk has found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The store's directory.
    pub path: PathBuf,
    /// The last commit before which nothing is missing; 0 if there is none.
    pub last: u64,
    /// The highest number that is known to be synced: by the file `TAIL`, by a later commit, or
    /// by a table.
    pub synced: u64,
    /// What the file `TAIL` says of that; 0 if it cannot be read.
    pub tail: u64,
    /// Every commit up to this number is in the tables of all spaces.
    pub in_tables: u64,
    /// The commits that the journals hold, up to the first one that is missing.
    pub in_journals: Option<RangeInclusive<u64>>,
    /// The journal files, from the oldest to the newest.
    pub journals: Vec<JournalSize>,
    /// The places in the journals where something else stands than the next commit; at most
    /// 100 are told.
    pub places: Vec<DamagedPlace>,
    /// What stands in the way of opening the store, in words; empty if it can be opened. Then
    /// what the places tell is torn, and an opening cuts it off.
    pub damage: Vec<String>,
    /// Torn ends that earlier openings have kept aside.
    pub torn: Vec<PathBuf>,
}

/// A journal file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalSize {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes; a part of it may be free.
    pub bytes: u64,
}

/// A place in a journal file where something else stands than the next commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedPlace {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// Looks at a store on disk without changing anything, however damaged it is.
///
/// The store must not be open. The journals are read in full; of the tables as much is compared
/// with its checksum as an opening does by default: [`check_tables`] compares them all.
///
/// # Errors
/// [`StoreError`] if there is no store of a known format at the path, if it is open, or if the
/// operating system refuses to read it.
pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
    let _lock = existing_store(path)?;
    let check_bytes_max = FjallOptions::default().check_bytes_max;
    let (findings, damage) = guarded(path, || look::look_anyway(path, check_bytes_max))?;
    let journals = look::journal_files(path)?;
    Ok(Inspection {
        path: path.to_path_buf(),
        last: findings.last,
        synced: findings.synced,
        tail: findings.tail.synced,
        in_tables: findings.in_tables,
        in_journals: findings.in_journals,
        journals: journals.into_iter().map(|(path, bytes)| JournalSize { path, bytes }).collect(),
        places: findings.places.into_iter().map(DamagedPlace::from).collect(),
        damage: damage.iter().map(ToString::to_string).collect(),
        torn: torn(path)?,
    })
}

/// Reads every table of a store in full, compares its checksum, and gives what is damaged.
///
/// The store must not be open.
///
/// # Errors
/// As [`inspect`].
pub fn check_tables(path: &Path) -> Result<Vec<StoreError>, StoreError> {
    let _lock = existing_store(path)?;
    guarded(path, || Ok(look::check_tables(&path.join(JOURNAL_DIRECTORY))))
}

/// Takes the lock of a store that is there, without making one.
pub(super) fn existing_store(path: &Path) -> Result<Option<DirectoryLock>, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(StoreError::NotADirectory { path: path.to_path_buf() });
        }
        Ok(_) => {}
        Err(error) => return Err(StoreError::from_io("open the directory", Some(path), error)),
    }
    match layout::inspect(path)? {
        Found::Store => DirectoryLock::take_existing(path),
        Found::Empty => Err(StoreError::NotAStore { path: path.to_path_buf() }),
    }
}

fn torn(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let torn = path.join(TORN_DIRECTORY);
    let failed = |error| StoreError::from_io("list the torn ends", Some(&torn), error);
    let entries = match fs::read_dir(&torn) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

impl From<Place> for DamagedPlace {
    fn from(Place { path, offset, reason }: Place) -> Self {
        Self { path, offset, reason }
    }
}
