//! How a store on disk is opened.
//!
//! fjall sees its files only after they were looked through and found to be what was written,
//! and after the torn end of a journal was cut off.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use fjall::{CompressionType, Database, KeyspaceCreateOptions};

use super::create::create;
use super::database::{Keyspaces, Opened};
use super::keeper::{self, Keeper, Poison};
use super::layout::{self, Found, JOURNAL_DIRECTORY};
use super::lock::DirectoryLock;
use super::look::{self, Findings};
use super::options::FjallOptions;
use super::progress::Progress;
use super::scrub::Scrub;
use super::tail::TailFile;
use super::{errors, put_away, torn};
use crate::error::StoreError;
use crate::keys::FORMAT_KEY;
use crate::rows::InvalidRow;
use crate::store::Space;

/// Opens the store in a directory, or makes one in an empty directory.
///
/// A directory is only touched once it is known to be empty or a store. That is asked twice:
/// at first to touch nothing, then again under the lock, because another opening may have
/// made a store of it in between.
pub(super) fn open(
    directory: &Path,
    options: &FjallOptions,
    poison: Poison,
) -> Result<Opened, StoreError> {
    options.validate()?;
    layout::create_directory(directory)?;
    layout::inspect(directory)?;
    let lock = Arc::new(DirectoryLock::take(directory)?);
    if layout::inspect(directory)? == Found::Empty {
        create(directory, options, &lock)?;
    }
    let looked = guarded(directory, || look::look(directory, options.check_bytes_max))?;
    let findings = looked.findings;
    if let Some(refusal) = &findings.refusal {
        return Err(refusal.clone());
    }
    torn::cut_off(directory, &findings.cuts)?;
    layout::restore_journal_lock(directory)?;
    layout::sync_names(directory)?;
    let mut tail = TailFile::open(directory)?;
    let mut database = open_database(directory, JOURNAL_DIRECTORY, options)?;
    let mut bytes = findings.beyond_tables_bytes;
    if put_away::is_due(&findings, options) {
        bytes = 0;
        guarded(directory, || put_away::put_away(directory, database, findings.last))?;
        database = open_database(directory, JOURNAL_DIRECTORY, options)?;
    }
    // fjall syncs the journal before it reads it, so what was found is durable by now.
    if findings.last > tail.synced() {
        tail.write(findings.last)?;
    }
    let progress = Progress::new(findings.last, bytes, keeper::look_after_bytes(options));
    let progress = Arc::new(progress);
    let store_id = findings.tail.store_id;
    let mut opened = Opened::new(directory, database, progress.clone(), store_id, lock);
    guarded(directory, || check(directory, &opened, &findings))?;
    let (database, keyspaces) = (opened.database(), opened.keyspaces());
    let keeper = Keeper::start(database, keyspaces, progress, tail, options, poison.clone())?;
    opened.keep_with(keeper, Scrub::start(directory, looked.unchecked, poison)?);
    Ok(opened)
}

/// Opens fjall's database; its panics become errors, because damaged files can cause them.
pub(super) fn open_database(
    directory: &Path,
    journal: &'static str,
    options: &FjallOptions,
) -> Result<(Database, Keyspaces), StoreError> {
    let path = directory.join(journal);
    let open = || -> fjall::Result<(Database, Keyspaces)> {
        let database = Database::builder(&path)
            .cache_size(options.cache_bytes)
            .worker_threads(options.worker_threads)
            // A value is in the journal as it was committed.
            .journal_compression(CompressionType::None)
            // The keeper decides when memtables are written for the journals' sake.
            .max_journaling_size(u64::MAX)
            // Every commit says itself how far it goes.
            .manual_journal_persist(true)
            .open()?;
        let keyspace = |space: Space| {
            // The keeper decides when a memtable is full.
            let options = || KeyspaceCreateOptions::default().max_memtable_size(u64::MAX);
            database.keyspace(space.name(), options)
        };
        let keyspaces =
            [keyspace(Space::Meta)?, keyspace(Space::History)?, keyspace(Space::State)?];
        Ok((database, Keyspaces::new(keyspaces)))
    };
    let locked = || StoreError::Locked { path: directory.to_path_buf() };
    guarded(directory, || {
        open().map_err(|error| match error {
            fjall::Error::Locked => locked(),
            error => errors::name("open the journal", Some(&path), error),
        })
    })
}

/// Does something during which damaged files may make the storage crates panic.
pub(super) fn guarded<T>(
    directory: &Path,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = errors::panic_text(&*panic);
        let reason = format!("opening {} panicked: {text}", directory.display());
        Err(StoreError::Backend { reason })
    })
}

/// Checks that the database holds what was found: the last commit in every space, and the
/// format's row.
fn check(directory: &Path, opened: &Opened, findings: &Findings) -> Result<(), StoreError> {
    let failed = |error| errors::name("read the last commit", Some(directory), error);
    for space in Space::ALL {
        let row = opened.commit_row(space).map_err(failed)?;
        let number = row.map_or(0, |row| row.number);
        if number != findings.last {
            let last = findings.last;
            return Err(StoreError::Corrupt {
                path: directory.join(JOURNAL_DIRECTORY),
                offset: None,
                missing: (number < last).then_some(number + 1..=last),
                reason: format!("the space {space} ends with commit {number} instead of {last}"),
            });
        }
    }
    let Some(bytes) = opened.get(Space::Meta, FORMAT_KEY).map_err(failed)? else {
        return Err(StoreError::corrupt(Space::Meta, FORMAT_KEY, "it is missing"));
    };
    let number = bytes.as_ref().try_into().map_err(|_| {
        InvalidRow::Length { expected: 4, found: bytes.len() }.at(Space::Meta, FORMAT_KEY)
    })?;
    layout::check_number(directory, u32::from_be_bytes(number))
}
