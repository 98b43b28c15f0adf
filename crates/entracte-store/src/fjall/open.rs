//! How a store on disk is opened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::layout::{self, FORMAT_SUPPORTED, Found, JOURNAL_DIRECTORY};
use super::lock::DirectoryLock;
use super::options::FjallOptions;
use super::{errors, shared::Opened};
use crate::error::StoreError;
use crate::keys::FORMAT_KEY;
use crate::rows::InvalidRow;
use crate::store::Space;

/// Opens the store in a directory, or makes one in an empty directory.
///
/// A directory is only touched once it is known to be empty or a store. That is asked twice:
/// at first to touch nothing, then again under the lock, because another opening may have
/// made a store of it in between.
pub(super) fn open(directory: &Path, options: &FjallOptions) -> Result<Opened, StoreError> {
    options.validate()?;
    layout::create_directory(directory)?;
    layout::inspect(directory)?;
    let lock = DirectoryLock::take(directory)?;
    if layout::inspect(directory)? == Found::Empty {
        layout::write_format(directory)?;
    }
    let (database, keyspaces) = open_database(directory, options)?;
    let opened = Opened::new(keyspaces, database, lock);
    check_format(directory, &opened)?;
    Ok(opened)
}

/// Opens fjall's database; its panics become errors, because damaged files can cause them.
fn open_database(
    directory: &Path,
    options: &FjallOptions,
) -> Result<(Database, [Keyspace; 3]), StoreError> {
    let path = directory.join(JOURNAL_DIRECTORY);
    let open = || -> fjall::Result<(Database, [Keyspace; 3])> {
        let database = Database::builder(&path)
            .cache_size(options.cache_bytes)
            .max_journaling_size(options.journal_bytes_max)
            .worker_threads(options.worker_threads)
            // Every commit says itself how far it goes.
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |space: Space| {
            database.keyspace(space.name(), || {
                KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes_max)
            })
        };
        let keyspaces =
            [keyspace(Space::Meta)?, keyspace(Space::History)?, keyspace(Space::State)?];
        Ok((database, keyspaces))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(fjall::Error::Locked)) => Err(StoreError::Locked { path: directory.to_path_buf() }),
        Ok(Err(error)) => Err(errors::name("open the journal", Some(&path), error)),
        Err(panic) => {
            let text = errors::panic_text(&*panic);
            let reason = format!("opening {} panicked: {text}", path.display());
            Err(StoreError::Backend { reason })
        }
    }
}

/// Checks the format row, or writes it into a store that has just been made.
fn check_format(directory: &Path, opened: &Opened) -> Result<(), StoreError> {
    let meta = opened.keyspace(Space::Meta);
    let failed = |error| errors::name("read the format", Some(directory), error);
    if let Some(bytes) = opened.get(Space::Meta, FORMAT_KEY).map_err(failed)? {
        let number = bytes.as_ref().try_into().map_err(|_| {
            InvalidRow::Length { expected: 4, found: bytes.len() }.at(Space::Meta, FORMAT_KEY)
        })?;
        return layout::check_number(directory, u32::from_be_bytes(number));
    }
    for space in Space::ALL {
        // The format row is part of the first commit: a store without it holds nothing else.
        if !opened.scan(space, &[], None, 1).map_err(failed)?.is_empty() {
            let reason = format!("it is missing, and the space {space} is not empty");
            return Err(StoreError::corrupt(Space::Meta, FORMAT_KEY, reason));
        }
    }
    let mut batch = opened.database().batch().durability(Some(PersistMode::SyncAll));
    batch.insert(meta, FORMAT_KEY, FORMAT_SUPPORTED.to_be_bytes());
    batch.commit().map_err(|error| errors::name("write the format", Some(directory), error))
}
