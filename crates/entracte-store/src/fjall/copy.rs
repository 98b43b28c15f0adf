//! The readable part of a damaged store, as a store of its own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::database::Opened;
use super::inspect::existing_store;
use super::keeper::Poison;
use super::layout::{self, JOURNAL_DIRECTORY};
use super::lock::DirectoryLock;
use super::look::{self, Cut, Findings};
use super::numbers::Tail;
use super::open::{guarded, open_database};
use super::options::FjallOptions;
use super::progress::Progress;
use super::shared::Shared;
use super::{FjallStore, tail};
use crate::error::StoreError;
use crate::store::Space;

/// Makes a store out of the readable part of another one, which is not changed.
///
/// The copy holds every commit up to the first one that is missing, and of later ones what the
/// tables have. Unless there is such a rest it can be opened like any store;
/// [`open_readable`] opens it in any case. A table that is damaged shows itself when it is
/// read. Tables are linked where the file system allows it and copied otherwise, journals
/// are copied. Spaces whose list of tables is damaged are left out; they are given.
///
/// # Errors
/// [`StoreError`] if there is no store of a known format at the path, if it is open, or if the
/// operating system refuses; the target must be a directory that is missing or empty.
pub fn copy_readable(path: &Path, target: &Path) -> Result<Vec<Space>, StoreError> {
    let _lock = existing_store(path)?;
    let check_bytes_max = FjallOptions::default().check_bytes_max;
    let (findings, _) = guarded(path, || look::look_anyway(path, check_bytes_max))?;
    layout::create_directory(target)?;
    if layout::inspect(target)? == layout::Found::Store {
        return Err(StoreError::NotAStore { path: target.to_path_buf() });
    }
    let mut left_out = Vec::new();
    let copied = copy(path, target, &findings, &mut left_out);
    copied.map_err(|error| StoreError::from_io("copy the store", Some(target), error))?;
    let tail = Tail { store_id: findings.tail.store_id, synced: findings.last };
    tail::create(target, tail)?;
    layout::write_format(target)?;
    layout::sync_tree(target)
        .map_err(|error| StoreError::from_io("sync the copy", Some(target), error))?;
    Ok(left_out)
}

/// Opens a copy that [`copy_readable`] has made, for reading: commits are
/// [`StoreError::Poisoned`].
///
/// # Errors
/// [`StoreError`] if the copy is open already, or if fjall cannot open it.
pub fn open_readable(copy: &Path, options: &FjallOptions) -> Result<FjallStore, StoreError> {
    let lock = Arc::new(DirectoryLock::take(copy)?);
    let database = open_database(copy, JOURNAL_DIRECTORY, options)?;
    let progress = Arc::new(Progress::new(0, 0, usize::MAX));
    let poison = Poison::default();
    // A new cell can be set.
    let _ = poison.set("it is a copy for reading".into());
    let opened = Opened::new(copy, database, progress, 0, lock);
    Ok(FjallStore { shared: Arc::new(Shared::new(copy.to_path_buf(), opened, poison)) })
}

fn copy(
    path: &Path,
    target: &Path,
    findings: &Findings,
    left_out: &mut Vec<Space>,
) -> io::Result<()> {
    let journal = path.join(JOURNAL_DIRECTORY);
    let new = target.join(JOURNAL_DIRECTORY);
    fs::create_dir_all(new.join("keyspaces"))?;
    for name in ["version", "lock"] {
        copy_if_there(&journal.join(name), &new.join(name))?;
    }
    for entry in fs::read_dir(&journal)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "jnl") {
            copy_journal(&file, &new, &findings.cuts)?;
        }
    }
    for id in 0..=Space::ALL.len() {
        let name = id.to_string();
        let (from, to) = (journal.join("keyspaces").join(&name), new.join("keyspaces").join(&name));
        match look::tables_of(&from) {
            Ok(tables) => copy_keyspace(&from, &to, &tables)?,
            Err(error) => {
                tracing::warn!(%error, "a space is left out of the copy");
                left_out.extend(id.checked_sub(1).and_then(|index| Space::ALL.get(index)));
            }
        }
    }
    Ok(())
}

/// Copies what of a journal file is in order.
fn copy_journal(file: &Path, target: &Path, cuts: &[Cut]) -> io::Result<()> {
    let cut = cuts.iter().find(|cut| cut.path == file).map_or(u64::MAX, |cut| cut.offset);
    let Some(name) = file.file_name() else { return Ok(()) };
    let mut copy = File::create(target.join(name))?;
    io::copy(&mut File::open(file)?.take(cut), &mut copy).map(drop)
}

fn copy_keyspace(from: &Path, to: &Path, tables: &[PathBuf]) -> io::Result<()> {
    fs::create_dir_all(to.join("tables"))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    for table in tables {
        let Some(name) = table.file_name() else { continue };
        let target = to.join("tables").join(name);
        // Tables are never written again, only deleted, and a link is not the last one.
        if fs::hard_link(table, &target).is_err() {
            fs::copy(table, &target)?;
        }
    }
    Ok(())
}

fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map(drop),
    }
}
