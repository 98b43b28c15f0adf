//! How a store is made.
//!
//! The journal is made under another name, synced, and comes into its place by one rename: a
//! directory without it is one in which nothing was made yet, however far the making had come.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use fjall::PersistMode;

use super::database::Opened;
use super::layout::{self, FORMAT_SUPPORTED, JOURNAL_DIRECTORY, JOURNAL_DIRECTORY_NEW};
use super::lock::DirectoryLock;
use super::numbers::Tail;
use super::open::open_database;
use super::options::FjallOptions;
use super::progress::Progress;
use super::tail;
use crate::batch::Batch;
use crate::error::StoreError;

/// Makes a store in a directory that holds at most the rests of a making that broke off.
pub(super) fn create(
    directory: &Path,
    options: &FjallOptions,
    lock: &Arc<DirectoryLock>,
) -> Result<(), StoreError> {
    sync_ancestors(directory)?;
    let new = directory.join(JOURNAL_DIRECTORY_NEW);
    let failed = |doing| move |error| StoreError::from_io(doing, Some(directory), error);
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove a half-made journal")(error));
        }
        _ => {}
    }
    let store_id = rand::random();
    tail::create(directory, Tail { store_id, synced: 0 })?;
    layout::write_format(directory)?;
    make_journal(directory, options, store_id, lock)?;
    layout::sync_tree(&new).map_err(failed("sync the new journal"))?;
    fs::rename(&new, directory.join(JOURNAL_DIRECTORY))
        .map_err(failed("put the new journal into its place"))?;
    layout::sync_directory(directory)
}

/// Makes a journal with one commit: the format's row.
pub(super) fn make_journal(
    directory: &Path,
    options: &FjallOptions,
    store_id: u64,
    lock: &Arc<DirectoryLock>,
) -> Result<(), StoreError> {
    let database = open_database(directory, JOURNAL_DIRECTORY_NEW, options)?;
    let progress = Arc::new(Progress::new(0, 0, usize::MAX));
    let opened = Opened::new(directory, database, progress, store_id, lock.clone());
    let mut batch = Batch::new();
    batch.put_format(FORMAT_SUPPORTED);
    opened.commit(&batch, PersistMode::SyncAll)
}

/// Makes the directory itself survive a power loss: an opening that broke off may have made it,
/// with the directories above it, without syncing them.
fn sync_ancestors(directory: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_io("sync the directory", Some(directory), error);
    let directory = fs::canonicalize(directory).map_err(failed)?;
    for ancestor in directory.ancestors().skip(1) {
        match layout::sync(ancestor) {
            // What may not be read was not made by an opening.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            // Not every file system syncs its directories.
            Err(_) if ancestor.parent().is_none() => break,
            result => result.map_err(failed)?,
        }
    }
    Ok(())
}
