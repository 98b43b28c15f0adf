//! The keeper of an open store: a thread that notes how far the store is durable, and decides
//! when memtables are written to tables.
//!
//! fjall would write a memtable to tables when it is full, and would never write the one of a
//! space that gets few rows, so that the journals it stands in pile up. And what it writes to
//! tables need not be synced in the journal yet, so that a power cut could leave one space
//! further than another. The keeper takes both into account, so fjall is told to leave it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, PersistMode};
use lsm_tree::{AbstractTree, Memtable, Table};

use super::database::Keyspaces;
use super::errors;
use super::options::FjallOptions;
use super::progress::Progress;
use super::tail::TailFile;
use crate::error::StoreError;
use crate::store::Space;

/// How far the tail's file may lag behind, at most.
const TAIL_INTERVAL: Duration = Duration::from_secs(1);

/// How long no memtable must have been looked at before everything old is let go of.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Of how many versions of a space the keeper has the tables, so that fjall lets go of them
/// first.
const HELD_VERSIONS_MAX: usize = 4;

/// Why a store takes no more writes, once it does not.
pub(super) type Poison = Arc<OnceLock<Arc<str>>>;

/// The handle of the keeper's thread. Dropping it ends the thread without a last note.
pub(super) struct Keeper {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<TailFile>>,
}

impl Keeper {
    pub(super) fn start(
        database: &Database,
        keyspaces: &Keyspaces,
        progress: Arc<Progress>,
        tail: TailFile,
        options: &FjallOptions,
        poison: Poison,
    ) -> Result<Self, StoreError> {
        let watch = |keyspace: &Keyspace| Watched {
            keyspace: keyspace.clone(),
            memtable: keyspace.tree.active_memtable(),
            since_bytes: 0,
            old_memtables: Vec::new(),
            tables: VecDeque::new(),
        };
        let mut work = Work {
            spaces: keyspaces.iter().map(watch).collect(),
            database: database.clone(),
            progress: progress.clone(),
            memtable_bytes_max: options.memtable_bytes_max,
            quiet_bytes_max: options.journal_bytes_max / 2,
        };
        let body = move || {
            let mut tail = tail;
            if let Err(error) = work.run(&mut tail) {
                tracing::error!(%error, "the keeper of the store has stopped");
                // The first failure is the one that counts.
                let _ = poison.set(error.to_string().into());
            }
            tail
        };
        let thread = std::thread::Builder::new().name("entracte-keeper".to_owned()).spawn(body);
        let thread = thread
            .map_err(|error| StoreError::from_io("start the keeper's thread", None, error))?;
        Ok(Self { progress, thread: Some(thread) })
    }

    /// Ends the thread and notes exactly how far the store is durable.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.progress.end();
        let tail = self.thread.take().map(JoinHandle::join);
        match tail {
            Some(Ok(mut tail)) => tail.finish(self.progress.lock().synced),
            _ => Err(StoreError::Backend { reason: "the keeper's thread panicked".to_owned() }),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.progress.end();
        if let Some(thread) = self.thread.take() {
            // What it had to say it has said.
            let _ = thread.join();
        }
    }
}

struct Work {
    spaces: Vec<Watched>,
    database: Database,
    progress: Arc<Progress>,
    memtable_bytes_max: u64,
    /// After so many bytes of commits a memtable is written to tables however small it is.
    quiet_bytes_max: u64,
}

/// A space whose memtable is watched.
struct Watched {
    keyspace: Keyspace,
    memtable: Arc<Memtable>,
    /// How much had been committed when the memtable was new, in bytes.
    since_bytes: u64,
    /// The memtables before, as long as anybody else has them.
    old_memtables: Vec<Arc<Memtable>>,
    /// The tables of the last versions, from the oldest to the newest.
    tables: VecDeque<(u64, Vec<Table>)>,
}

impl Watched {
    /// Takes note of a new memtable, and of new tables.
    ///
    /// A memtable that is in tables is freed, and a table that was compacted is deleted, when
    /// its last user lets go of it. fjall itself does so under the lock that every commit and
    /// every read of the space needs, and both take long: so the keeper is the last one.
    fn look(&mut self, bytes: u64) {
        let memtable = self.keyspace.tree.active_memtable();
        if memtable.id() != self.memtable.id() {
            self.old_memtables.push(std::mem::replace(&mut self.memtable, memtable));
            self.since_bytes = bytes;
        }
        self.old_memtables.retain(|memtable| Arc::strong_count(memtable) > 1);
        let version = self.keyspace.tree.current_version();
        if self.tables.back().is_none_or(|(id, _)| *id != version.id()) {
            self.tables.push_back((version.id(), version.iter_tables().cloned().collect()));
        }
        if self.tables.len() > HELD_VERSIONS_MAX {
            self.tables.pop_front();
        }
    }
}

impl Work {
    fn run(&mut self, tail: &mut TailFile) -> Result<(), StoreError> {
        let progress = self.progress.clone();
        let mut tail_due = Instant::now();
        let mut rest_due = None;
        let mut state = progress.lock();
        loop {
            if state.is_ending {
                return Ok(());
            }
            if std::mem::take(&mut state.is_look_due) {
                drop(state);
                self.look()?;
                rest_due = Some(Instant::now() + REST_AFTER);
                state = progress.lock();
                continue;
            }
            let now = Instant::now();
            if rest_due.is_some_and(|due| now >= due) {
                drop(state);
                rest_due = (!self.rest()).then(|| now + REST_AFTER);
                state = progress.lock();
                continue;
            }
            let synced = state.synced;
            let is_behind = synced > tail.synced();
            if is_behind && now >= tail_due {
                drop(state);
                tail.write(synced)?;
                tail_due = now + TAIL_INTERVAL;
                state = progress.lock();
                continue;
            }
            let next = [is_behind.then_some(tail_due), rest_due].into_iter().flatten().min();
            state = state.wait(next.map(|next| next.saturating_duration_since(now)));
        }
    }

    /// Lets go of everything old while nothing is committed, and tells whether nothing is left
    /// and nothing more will come.
    fn rest(&mut self) -> bool {
        let bytes = self.progress.lock().bytes;
        let idle =
            self.database.outstanding_flushes() == 0 && self.database.active_compactions() == 0;
        for space in &mut self.spaces {
            space.look(bytes);
            let old = space.tables.len().saturating_sub(1);
            space.tables.drain(..old);
        }
        idle && self.spaces.iter().all(|space| space.old_memtables.is_empty())
    }

    /// Has those memtables written to tables that are full, or that keep the journals.
    fn look(&mut self) -> Result<(), StoreError> {
        let bytes = self.progress.lock().bytes;
        for space in &mut self.spaces {
            space.look(bytes);
            let memtable = &space.memtable;
            let is_full = memtable.size() >= self.memtable_bytes_max;
            let is_old = bytes - space.since_bytes >= self.quiet_bytes_max;
            if (is_full || is_old) && !memtable.is_empty() {
                rotate(&self.database, &self.progress, &space.keyspace)?;
            }
        }
        Ok(())
    }
}

/// Closes a memtable and has it written to a table.
fn rotate(database: &Database, progress: &Progress, keyspace: &Keyspace) -> Result<(), StoreError> {
    let failed = |error| errors::name("write a table", None, error);
    let mut state = progress.lock();
    if state.is_buffered {
        // Nothing may reach a table that is not synced in the journal.
        state.is_broken = true;
        database.persist(PersistMode::SyncData).map_err(failed)?;
        state.is_broken = false;
        state.all_synced();
        return keyspace.rotate_memtable().map_err(failed).map(drop);
    }
    // A commit is synced before it reaches a memtable, so others may commit meanwhile; one that
    // would not be, the first one of its kind, is synced for now.
    state.is_rotating = true;
    drop(state);
    let rotated = keyspace.rotate_memtable().map_err(failed);
    progress.lock().is_rotating = false;
    rotated.map(drop)
}

/// After how many bytes of commits the memtables are looked at.
pub(super) fn look_after_bytes(options: &FjallOptions) -> usize {
    let part = options.memtable_bytes_max / (8 * Space::ALL.len() as u64);
    usize::try_from(part).unwrap_or(usize::MAX).max(1)
}
