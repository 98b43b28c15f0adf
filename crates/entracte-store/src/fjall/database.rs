//! The open database: reads through snapshots, and commits with numbers.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode, Readable};
use lsm_tree::AbstractTree;

use super::errors;
use super::keeper::Keeper;
use super::lock::DirectoryLock;
use super::numbers::CommitRow;
use super::progress::{Guard, Progress};
use super::scrub::Scrub;
use crate::batch::{Batch, Op};
use crate::error::StoreError;
use crate::keys::RESERVED_KEY;
use crate::store::{Row, Space};

/// How many full memtables of a space may wait for being written to tables.
///
/// One less than what makes fjall itself wait.
const SEALED_MEMTABLES_MAX: usize = 3;
/// How many unsorted runs of tables a space may have. fjall waits at 30, without an end if its
/// threads have stopped.
const UNSORTED_RUNS_MAX: usize = 29;
/// How long a commit waits before it looks again whether there is room in memory.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(2);
/// How long nothing at all may get done in the background before a commit gives up. A thread
/// of fjall's that panics ends without a word.
const STALL_MAX: Duration = Duration::from_secs(60);

/// What a commit takes in the journal without its operations: its own rows, start and end.
const COMMIT_OVERHEAD_BYTES: usize = 240;
/// What an operation takes in the journal beyond its size in the batch.
const OP_OVERHEAD_BYTES: usize = 8;

/// The keyspaces of a database, one for each space, in the order of [`Space::ALL`].
#[derive(Clone)]
pub(super) struct Keyspaces([Keyspace; Space::ALL.len()]);

impl Keyspaces {
    pub(super) fn new(keyspaces: [Keyspace; Space::ALL.len()]) -> Self {
        Self(keyspaces)
    }

    pub(super) fn of(&self, space: Space) -> &Keyspace {
        let [meta, history, state] = &self.0;
        match space {
            Space::Meta => meta,
            Space::History => history,
            Space::State => state,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Keyspace> {
        self.0.iter()
    }
}

/// An open database. The order of the fields is the order in which they are let go: the
/// directory's lock is given back last.
pub(super) struct Opened {
    /// None while a store is being made.
    keeper: Option<Keeper>,
    /// None while a store is being made.
    scrub: Option<Scrub>,
    keyspaces: Keyspaces,
    database: Database,
    progress: Arc<Progress>,
    store_id: u64,
    /// The store's directory.
    path: PathBuf,
    _lock: Arc<DirectoryLock>,
}

impl Opened {
    pub(super) fn new(
        directory: &Path,
        (database, keyspaces): (Database, Keyspaces),
        progress: Arc<Progress>,
        store_id: u64,
        lock: Arc<DirectoryLock>,
    ) -> Self {
        let path = directory.to_path_buf();
        Self {
            keeper: None,
            scrub: None,
            keyspaces,
            database,
            progress,
            store_id,
            path,
            _lock: lock,
        }
    }

    pub(super) fn keep_with(&mut self, keeper: Keeper, scrub: Scrub) {
        self.keeper = Some(keeper);
        self.scrub = Some(scrub);
    }

    pub(super) fn keyspaces(&self) -> &Keyspaces {
        &self.keyspaces
    }

    #[cfg(test)]
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Reads through a snapshot: a keyspace read directly also shows the part of a batch that
    /// is being applied at the moment.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> fjall::Result<Option<Bytes>> {
        if key.is_empty() || key == RESERVED_KEY {
            return Ok(None);
        }
        self.get_any(space, key)
    }

    fn get_any(&self, space: Space, key: &[u8]) -> fjall::Result<Option<Bytes>> {
        let value = self.database.snapshot().get(self.keyspaces.of(space), key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// Reads what a space says about the last commit.
    pub(super) fn commit_row(&self, space: Space) -> fjall::Result<Option<CommitRow>> {
        let value = self.get_any(space, RESERVED_KEY)?;
        Ok(value.and_then(|value| CommitRow::decode(&value)))
    }

    /// Scans through a snapshot, like [`get`](Self::get).
    pub(super) fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> fjall::Result<Vec<Row>> {
        if limit == 0 || end.is_some_and(|end| end <= start) {
            return Ok(Vec::new());
        }
        let range = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = self.database.snapshot().range::<&[u8], _>(self.keyspaces.of(space), range);
        let rows = rows.map(|row| {
            let (key, value) = row.into_inner()?;
            Ok(Row { key: Bytes::copy_from_slice(&key), value: Bytes::copy_from_slice(&value) })
        });
        let is_shown =
            |row: &fjall::Result<Row>| row.as_ref().map_or(true, |row| row.key != RESERVED_KEY);
        rows.filter(is_shown).take(limit).collect()
    }

    /// Writes a batch under the next number. Of several operations on one key only the last
    /// one is handed on, because all operations of a batch have the same age for fjall.
    pub(super) fn commit(&self, batch: &Batch, mode: PersistMode) -> Result<(), StoreError> {
        if batch.is_empty() {
            return if mode == PersistMode::Buffer { Ok(()) } else { self.sync() };
        }
        self.wait_for_room()?;
        let mut progress = self.progress.lock();
        self.begin(&mut progress)?;
        let is_synced = mode != PersistMode::Buffer || progress.is_rotating;
        let mode =
            if mode == PersistMode::Buffer && is_synced { PersistMode::SyncData } else { mode };
        let row = CommitRow {
            store_id: self.store_id,
            number: progress.last + 1,
            synced: progress.synced,
            seqno_min: self.database.seqno(),
        };
        let row = row.encode();
        let rows = batch.len() + Space::ALL.len();
        let write = OwnedWriteBatch::with_capacity(self.database.clone(), rows);
        let mut write = write.durability(Some(mode));
        for space in Space::ALL {
            write.insert(self.keyspaces.of(space), RESERVED_KEY, row);
        }
        for op in last_of_each_key(batch) {
            match op {
                Op::Put { space, key, value } => {
                    write.insert(self.keyspaces.of(space), key, value);
                }
                Op::Delete { space, key } => write.remove(self.keyspaces.of(space), key),
            }
        }
        progress.is_buffered |= !is_synced;
        write.commit().map_err(|error| self.name("commit a batch", error))?;
        progress.committed(journal_bytes(batch), is_synced);
        progress.is_broken = false;
        Ok(())
    }

    /// Makes everything committed so far survive a power loss.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut progress = self.progress.lock();
        self.begin(&mut progress)?;
        let synced = self.database.persist(PersistMode::SyncData);
        synced.map_err(|error| self.name("sync the journal", error))?;
        progress.all_synced();
        progress.is_broken = false;
        Ok(())
    }

    /// Notes that a write has begun, unless an earlier one has failed, or panicked: a number must
    /// not be given twice, and a sync after a failed one proves nothing.
    fn begin(&self, progress: &mut Guard<'_>) -> Result<(), StoreError> {
        if std::mem::replace(&mut progress.is_broken, true) {
            return Err(StoreError::Poisoned { reason: "an earlier write has failed".into() });
        }
        Ok(())
    }

    fn name(&self, doing: &'static str, error: fjall::Error) -> StoreError {
        errors::name(doing, Some(&self.path), error)
    }

    /// Stops the keeper, which notes how far the store is durable.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.scrub = None;
        self.keeper.take().map_or(Ok(()), Keeper::finish)
    }

    /// Waits until less of what was committed earlier is waiting to be written to tables.
    ///
    /// fjall would wait by itself, but in steps of 100 ms, and without an end once its threads
    /// have stopped after a failed write: this ends with that failure instead.
    fn wait_for_room(&self) -> Result<(), StoreError> {
        let is_full = |space: &Keyspace| {
            space.sealed_memtable_count() >= SEALED_MEMTABLES_MAX
                || space.tree.l0_run_count() >= UNSORTED_RUNS_MAX
        };
        let waited = wait_for_tables(&self.database, &self.keyspaces, is_full);
        waited.map_err(|error| error.named("commit a batch", &self.path))
    }
}

/// Why tables are not written that are waited for.
#[derive(Debug)]
pub(super) enum NoTables {
    /// fjall has stopped itself.
    Stopped(fjall::Error),
    /// Nothing has happened for too long.
    Stalled,
}

impl NoTables {
    pub(super) fn named(self, doing: &'static str, path: &Path) -> StoreError {
        match self {
            Self::Stopped(error) => errors::name(doing, Some(path), error),
            Self::Stalled => {
                let reason = format!("no table was written for {}s", STALL_MAX.as_secs());
                StoreError::Backend { reason }
            }
        }
    }
}

/// Waits until something is no longer so for any space, which is for fjall's threads to bring
/// about.
pub(super) fn wait_for_tables(
    database: &Database,
    keyspaces: &Keyspaces,
    is_so: impl Fn(&Keyspace) -> bool,
) -> Result<(), NoTables> {
    let waiting = || {
        let count = |space: &Keyspace| (space.sealed_memtable_count(), space.tree.l0_run_count());
        let is_any = keyspaces.iter().any(&is_so);
        is_any.then(|| keyspaces.iter().map(count).collect::<Vec<_>>())
    };
    let Some(mut counts) = waiting() else { return Ok(()) };
    let mut since = Instant::now();
    while let Some(now) = waiting() {
        // An error if fjall has stopped itself.
        database.persist(PersistMode::Buffer).map_err(NoTables::Stopped)?;
        if now != counts {
            (counts, since) = (now, Instant::now());
        } else if since.elapsed() > STALL_MAX {
            return Err(NoTables::Stalled);
        }
        std::thread::sleep(ROOM_CHECK_INTERVAL);
    }
    Ok(())
}

/// How much a batch takes in the journal, roughly, in bytes.
fn journal_bytes(batch: &Batch) -> usize {
    COMMIT_OVERHEAD_BYTES + batch.size_bytes() + batch.len() * OP_OVERHEAD_BYTES
}

fn last_of_each_key(batch: &Batch) -> Vec<Op<'_>> {
    let mut seen = std::collections::HashSet::with_capacity(batch.len());
    // From the back, so that the last one on a key is the first one seen.
    let mut ops: Vec<_> =
        batch.ops().rev().filter(|op| seen.insert((op.space(), op.key()))).collect();
    ops.reverse();
    ops
}
