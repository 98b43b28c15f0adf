//! The read-only look at a store before fjall opens it.
//!
//! fjall takes many kinds of damage for the end of its journal and cuts it off there, whatever
//! had been synced. So nothing is opened that was not looked through: this decides what is
//! damage, what is merely the torn end of something that was never acknowledged, and what is
//! missing. It changes nothing.

mod batch;
mod journals;
mod trees;
mod walk;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use self::trees::Persisted;
pub(super) use self::trees::{check_tables, tables_of};
use self::walk::Walk;
pub(super) use self::walk::{Findings, Place};
use super::layout::JOURNAL_DIRECTORY;
use super::numbers::Tail;
use super::tail;
use crate::error::StoreError;

/// Where a journal file is to be cut off: nothing behind it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) path: PathBuf,
    /// Where the torn part begins, in bytes.
    pub(super) offset: u64,
}

/// Looks at everything that fjall would read when it opens a store.
///
/// # Errors
/// [`StoreError`] if something cannot be read, or is damaged so that the commits cannot be
/// counted. What the commits themselves tell is in the [`Findings`].
pub(super) fn look(directory: &Path) -> Result<Findings, StoreError> {
    let tail = tail::read(directory)?;
    let persisted = trees::look(&directory.join(JOURNAL_DIRECTORY), tail.store_id)?;
    look_at_journals(directory, tail, persisted)
}

/// Looks as far as damage allows: what cannot be read is told, and taken for empty.
///
/// # Errors
/// [`StoreError`] if not even the journals can be read.
pub(super) fn look_anyway(directory: &Path) -> Result<(Findings, Vec<StoreError>), StoreError> {
    let mut damage = Vec::new();
    let journal = directory.join(JOURNAL_DIRECTORY);
    let tail = match tail::read(directory) {
        Ok(tail) => tail,
        Err(error) => {
            damage.push(error);
            let store_id = journals::store_id(&journal)?.unwrap_or_default();
            Tail { store_id, synced: 0 }
        }
    };
    let persisted = trees::look(&journal, tail.store_id).unwrap_or_else(|error| {
        damage.push(error);
        Persisted::default()
    });
    let findings = look_at_journals(directory, tail, persisted)?;
    damage.extend(findings.refusal.clone());
    Ok((findings, damage))
}

fn look_at_journals(
    directory: &Path,
    tail: Tail,
    persisted: Persisted,
) -> Result<Findings, StoreError> {
    let mut walk = Walk::new(tail, persisted.all(), persisted.some());
    for file in journals::list(&directory.join(JOURNAL_DIRECTORY))? {
        walk.file(&file.path, &file.read()?);
    }
    Ok(walk.finish(directory))
}

/// The journal files of a store with their lengths, from the oldest to the newest.
pub(super) fn journal_files(directory: &Path) -> Result<Vec<(PathBuf, u64)>, StoreError> {
    let files = journals::list(&directory.join(JOURNAL_DIRECTORY))?;
    let length = |path: PathBuf| match fs::metadata(&path) {
        Ok(metadata) => Ok((path, metadata.len())),
        Err(error) => Err(StoreError::from_io("look at a journal", Some(&path), error)),
    };
    files.into_iter().map(|file| length(file.path)).collect()
}
