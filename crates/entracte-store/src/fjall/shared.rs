//! The open database, shared between a store and its work on blocking threads.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use fjall::{Database, Keyspace, PersistMode, Readable};

use super::errors;
use super::lock::DirectoryLock;
use crate::batch::{Batch, Op};
use crate::error::StoreError;
use crate::store::{Row, Space};

/// An open database. The order of the fields is the order in which they are let go: the
/// directory's lock is given back last.
pub(super) struct Opened {
    /// One for each space, in the order of [`Space::ALL`].
    keyspaces: [Keyspace; 3],
    database: Database,
    _lock: DirectoryLock,
}

impl Opened {
    pub(super) fn new(keyspaces: [Keyspace; 3], database: Database, lock: DirectoryLock) -> Self {
        Self { keyspaces, database, _lock: lock }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn keyspace(&self, space: Space) -> &Keyspace {
        let [meta, history, state] = &self.keyspaces;
        match space {
            Space::Meta => meta,
            Space::History => history,
            Space::State => state,
        }
    }

    /// Reads through a snapshot: a keyspace read directly also shows the part of a batch that
    /// is being applied at the moment.
    pub(super) fn get(&self, space: Space, key: &[u8]) -> fjall::Result<Option<Bytes>> {
        if key.is_empty() {
            return Ok(None);
        }
        let value = self.database.snapshot().get(self.keyspace(space), key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
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
        let rows = self.database.snapshot().range::<&[u8], _>(self.keyspace(space), range);
        rows.take(limit)
            .map(|row| {
                let (key, value) = row.into_inner()?;
                Ok(Row { key: Bytes::copy_from_slice(&key), value: Bytes::copy_from_slice(&value) })
            })
            .collect()
    }

    /// Writes a batch. Of several operations on one key only the last one is handed on,
    /// because all operations of a batch have the same age for fjall.
    fn commit(&self, batch: &Batch, mode: PersistMode) -> fjall::Result<()> {
        if batch.is_empty() {
            return self.database.persist(mode);
        }
        self.wait_for_memtables()?;
        let mut write = self.database.batch().durability(Some(mode));
        for op in last_of_each_key(batch) {
            match op {
                Op::Put { space, key, value } => write.insert(self.keyspace(space), key, value),
                Op::Delete { space, key } => write.remove(self.keyspace(space), key),
            }
        }
        write.commit()
    }
}

/// How many full memtables of a space may wait for being written to tables.
///
/// One less than what makes fjall itself wait.
const SEALED_MEMTABLES_MAX: usize = 3;
/// How long a commit waits before it looks again whether there is room in memory.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(2);

impl Opened {
    /// Waits until less of what was committed earlier is waiting to be written to tables.
    ///
    /// fjall would wait by itself, but in steps of 100 ms, and without an end once its threads
    /// have stopped after a failed write: this ends with that failure instead.
    fn wait_for_memtables(&self) -> fjall::Result<()> {
        let is_full = |space: &Keyspace| space.sealed_memtable_count() >= SEALED_MEMTABLES_MAX;
        while self.keyspaces.iter().any(is_full) {
            // An error if fjall has stopped itself.
            self.database.persist(PersistMode::Buffer)?;
            std::thread::sleep(ROOM_CHECK_INTERVAL);
        }
        Ok(())
    }
}

/// What a store and its blocking tasks share.
pub(super) struct Shared {
    path: PathBuf,
    /// None once the store is closed. Held for reading by all work, so that closing waits for
    /// what is under way and then holds the only copy of the database.
    opened: RwLock<Option<Opened>>,
    /// How a commit or a sync failed, if one did.
    poisoned: OnceLock<Arc<str>>,
}

impl Shared {
    pub(super) fn new(path: PathBuf, opened: Opened) -> Self {
        Self { path, opened: RwLock::new(Some(opened)), poisoned: OnceLock::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let guard = self.read();
        let opened = guard.as_ref().ok_or(StoreError::Closed)?;
        opened.get(space, key).map_err(|error| self.name("read a row", error))
    }

    pub(super) fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let guard = self.read();
        let opened = guard.as_ref().ok_or(StoreError::Closed)?;
        opened.scan(space, start, end, limit).map_err(|error| self.name("scan rows", error))
    }

    pub(super) fn commit(&self, batch: Batch, mode: PersistMode) -> Result<(), StoreError> {
        batch.check()?;
        self.write(|opened| {
            opened.commit(&batch, mode).map_err(|error| self.name("commit a batch", error))
        })
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.write(|opened| {
            let result = opened.database.persist(PersistMode::SyncData);
            result.map_err(|error| self.name("sync the journal", error))
        })
    }

    /// Syncs, then closes the database whatever came of it.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let result = match self.sync() {
            Err(StoreError::Closed) => return Ok(()),
            result => result,
        };
        let opened = self.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        // The last copy of the database: dropping it ends its threads and closes its files.
        drop(opened);
        result
    }

    /// Poisons the store; the first failure is the one that counts.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        let reason = match &error {
            StoreError::Poisoned { reason } => reason.clone(),
            error => error.to_string().into(),
        };
        if self.poisoned.set(reason).is_ok() {
            tracing::error!(path = %self.path.display(), %error, "the store takes no more writes");
        }
        error
    }

    fn write(
        &self,
        work: impl FnOnce(&Opened) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let guard = self.read();
        let opened = guard.as_ref().ok_or(StoreError::Closed)?;
        if let Some(reason) = self.poisoned.get() {
            return Err(StoreError::Poisoned { reason: reason.clone() });
        }
        work(opened).map_err(|error| self.fail(error))
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        // A panic under the lock changes nothing: only closing writes.
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self, doing: &'static str, error: fjall::Error) -> StoreError {
        errors::name(doing, Some(&self.path), error)
    }
}

fn last_of_each_key(batch: &Batch) -> Vec<Op<'_>> {
    let mut seen = std::collections::HashSet::with_capacity(batch.len());
    // From the back, so that the last one on a key is the first one seen.
    let mut ops: Vec<_> =
        batch.ops().rev().filter(|op| seen.insert((op.space(), op.key()))).collect();
    ops.reverse();
    ops
}
