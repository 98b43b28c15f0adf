//! The read-only look at a store before fjall opens it.
//!
//! fjall takes many kinds of damage for the end of its journal and cuts it off there, whatever
//! had been synced. So nothing is opened that was not looked through: this decides what is
//! damage, what is merely the torn end of something that was never acknowledged, and what is
//! missing. It changes nothing.

mod batch;
mod contents;
mod journals;
mod trees;
mod walk;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

pub(super) use self::contents::find_damaged;
use self::trees::{Persisted, Trees};
pub(super) use self::trees::{TableFile, check_tables, tables_of};
use self::walk::Walk;
pub(super) use self::walk::{Findings, Place};
use super::layout::JOURNAL_DIRECTORY;
use super::numbers::Tail;
use super::{scrub, tail};
use crate::error::StoreError;

/// Where a journal file is to be cut off: nothing behind it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) path: PathBuf,
    /// Where the torn part begins, in bytes.
    pub(super) offset: u64,
}

/// What a look has found, and what it has left.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) findings: Findings,
    /// Tables that were not compared with their checksums.
    pub(super) unchecked: Vec<TableFile>,
}

/// Looks at everything that fjall would read when it opens a store, and compares tables of so
/// many bytes with their checksums.
///
/// # Errors
/// [`StoreError`] if something cannot be read, or is damaged so that the commits cannot be
/// counted. What the commits themselves tell is in the [`Findings`].
pub(super) fn look(directory: &Path, table_bytes_max: u64) -> Result<Looked, StoreError> {
    let tail = tail::read(directory)?;
    let journal = directory.join(JOURNAL_DIRECTORY);
    check_that_there_are_journals(&journal)?;
    let trees = trees::look(&journal, tail.store_id)?;
    let findings = look_at_journals(directory, tail, trees.persisted)?;
    let suspect = scrub::suspect(directory)?;
    let unchecked = contents::check_some(trees.tables, suspect.as_deref(), table_bytes_max)?;
    Ok(Looked { findings, unchecked })
}

/// Looks as far as damage allows: what cannot be read is told, and taken for empty.
///
/// # Errors
/// [`StoreError`] if not even the journals can be read.
pub(super) fn look_anyway(
    directory: &Path,
    table_bytes_max: u64,
) -> Result<(Findings, Vec<StoreError>), StoreError> {
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
    damage.extend(check_that_there_are_journals(&journal).err());
    let trees = trees::look(&journal, tail.store_id).unwrap_or_else(|error| {
        damage.push(error);
        Trees::default()
    });
    let findings = look_at_journals(directory, tail, trees.persisted)?;
    damage.extend(findings.refusal.clone());
    let suspect = scrub::suspect(directory)?;
    let checked = contents::check_some(trees.tables, suspect.as_deref(), table_bytes_max);
    damage.extend(checked.err());
    Ok((findings, damage))
}

/// What to say of a table that is not what was written.
pub(super) fn corrupt_table(table: &TableFile) -> StoreError {
    trees::corrupt(&table.path, contents::DIFFERS)
}

/// The next journal is always there before the last one goes.
fn check_that_there_are_journals(journal: &Path) -> Result<(), StoreError> {
    let is_none = journals::list(journal)?.is_empty();
    if is_none { Err(trees::corrupt(journal, "there is no journal file")) } else { Ok(()) }
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
