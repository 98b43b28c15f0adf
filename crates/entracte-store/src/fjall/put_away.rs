//! Journals that have become too long are put away by an opening.
//!
//! While a store is open, its keeper sees to it that journals go. But tables that are still to be
//! written when a store is closed are not written, and fjall begins a new journal file only
//! together with a table: where every opening is soon over, the journals would become longer with
//! each of them. So an opening that finds too much has all of it written to tables, and waits.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use fjall::Database;

use super::database::{Keyspaces, wait_for_tables};
use super::errors;
use super::look::{self, Findings};
use super::options::FjallOptions;
use crate::error::StoreError;

/// How long a journal file becomes before fjall begins the next one, in bytes.
const JOURNAL_FILE_BYTES: u64 = 64_000_000;

/// Whether the journals hold more than the options allow.
pub(super) fn is_due(findings: &Findings, options: &FjallOptions) -> bool {
    findings.journal_bytes > options.journal_bytes_max.saturating_add(JOURNAL_FILE_BYTES)
}

/// Has every commit up to the last one written to tables, closes the database, and empties the
/// journal that fjall has not deleted: the newest one.
pub(super) fn put_away(
    directory: &Path,
    (database, keyspaces): (Database, Keyspaces),
    last: u64,
) -> Result<(), StoreError> {
    const DOING: &str = "write the journals to tables";
    let failed = |error| errors::name(DOING, Some(directory), error);
    for keyspace in keyspaces.iter() {
        keyspace.rotate_memtable().map_err(failed)?;
    }
    let is_waiting = |keyspace: &fjall::Keyspace| keyspace.sealed_memtable_count() > 0;
    wait_for_tables(&database, &keyspaces, is_waiting)
        .map_err(|error| error.named(DOING, directory))?;
    drop((keyspaces, database));
    let found = look::look(directory, 0)?.findings;
    if found.in_tables != last {
        return Ok(());
    }
    let Some((journal, _)) = look::journal_files(directory)?.pop() else { return Ok(()) };
    tracing::info!(path = %journal.display(), last, "the journal is in the tables and is emptied");
    // What is written into it next must not stand in front of what it holds now.
    let empty = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&journal)?;
        file.set_len(0)?;
        file.sync_all()
    };
    empty().map_err(|error| StoreError::from_io("empty a journal", Some(&journal), error))
}
