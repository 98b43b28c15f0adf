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

use std::path::{Path, PathBuf};

pub(super) use self::trees::check_tables;
use self::walk::Walk;
pub(super) use self::walk::{Findings, Verdict};
use super::layout::JOURNAL_DIRECTORY;
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
/// [`StoreError`] if something cannot be read or is damaged in a way that leaves no commits to
/// be counted. What the commits themselves tell is in the [`Findings`].
pub(super) fn look(directory: &Path) -> Result<Findings, StoreError> {
    let tail = tail::read(directory)?;
    let journal = directory.join(JOURNAL_DIRECTORY);
    let persisted = trees::look(&journal, tail.store_id)?;
    let files = journals::list(&journal)?;
    let mut walk = Walk::new(tail, persisted.all(), persisted.some());
    for file in &files {
        let failed = |error| StoreError::from_io("read a journal", Some(&file.path), error);
        let bytes = journals::read(&file.path).map_err(failed)?;
        walk.file(&file.path, &bytes);
    }
    Ok(walk.finish(directory))
}
