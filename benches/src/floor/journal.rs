//! The journal: the only writer, with group commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entracte::Durability;
use fjall::{Database, Keyspace, PersistMode};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::run;
use crate::figures::JournalFigures;

/// How the engine's store syncs.
const SYNC: PersistMode = PersistMode::SyncData;

#[derive(Debug)]
pub(crate) enum Msg {
    /// Sent by a run, which waits for [`run::Msg::Durable`].
    Append(Append),
    /// Sent by the journal to itself, so that everything that lies in its mailbox already
    /// comes into the same commit.
    Commit,
    /// Sent when a commit has ended, with the runs that wait for it.
    Committed(Result<Vec<ActorRef<run::Msg>>, fjall::Error>),
    /// Sent when the interval since the first commit that is not synced has passed.
    SyncDue,
    /// Sent when a sync between commits has ended.
    Synced(Result<(), fjall::Error>),
}

#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) rows: Vec<Row>,
    pub(crate) run: ActorRef<run::Msg>,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// Counts what was done; read from outside.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    appends: AtomicU64,
    commits: AtomicU64,
    syncs: AtomicU64,
    rows: AtomicU64,
}

impl Counters {
    pub(crate) fn figures(&self) -> JournalFigures {
        JournalFigures {
            appends: self.appends.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            events: self.rows.load(Ordering::Relaxed),
        }
    }
}

pub(crate) struct Arguments {
    pub(crate) database: Database,
    pub(crate) history: Keyspace,
    pub(crate) durability: Durability,
    pub(crate) counters: Arc<Counters>,
}

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arguments").field("durability", &self.durability).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct State {
    store: Arguments,
    waiting: Vec<Append>,
    /// A commit runs, or the message that starts one is on its way.
    is_busy: bool,
    is_sync_due: bool,
}

#[derive(Debug)]
pub(crate) struct Journal;

impl Actor for Journal {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg>,
        store: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { store, waiting: Vec::new(), is_busy: false, is_sync_due: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Append(append) => state.append(&myself, append),
            Msg::Commit => {
                state.commit(myself);
                Ok(())
            }
            Msg::Committed(waiting) => state.committed(&myself, waiting?),
            Msg::SyncDue => {
                state.sync(myself);
                Ok(())
            }
            Msg::Synced(synced) => Ok(synced?),
        }
    }
}

impl State {
    fn append(&mut self, myself: &ActorRef<Msg>, append: Append) -> Result<(), ActorProcessingErr> {
        self.waiting.push(append);
        self.wake(myself)
    }

    fn wake(&mut self, myself: &ActorRef<Msg>) -> Result<(), ActorProcessingErr> {
        if !self.is_busy && !self.waiting.is_empty() {
            self.is_busy = true;
            myself.cast(Msg::Commit)?;
        }
        Ok(())
    }

    fn commit(&mut self, myself: ActorRef<Msg>) {
        let appends = std::mem::take(&mut self.waiting);
        let mode = match self.store.durability {
            Durability::Sync => SYNC,
            Durability::Interval(_) | Durability::OsBuffered => PersistMode::Buffer,
        };
        let (database, history) = (self.store.database.clone(), self.store.history.clone());
        let counters = Arc::clone(&self.store.counters);
        tokio::task::spawn_blocking(move || {
            let committed = commit(&database, &history, mode, appends, &counters);
            drop((database, history));
            // A journal that has stopped answers nobody.
            let _ = myself.cast(Msg::Committed(committed));
        });
    }

    fn committed(
        &mut self,
        myself: &ActorRef<Msg>,
        waiting: Vec<ActorRef<run::Msg>>,
    ) -> Result<(), ActorProcessingErr> {
        for run in waiting {
            run.cast(run::Msg::Durable)?;
        }
        if let Durability::Interval(interval) = self.store.durability
            && !self.is_sync_due
        {
            self.is_sync_due = true;
            myself.send_after(interval, || Msg::SyncDue);
        }
        self.is_busy = false;
        self.wake(myself)
    }

    fn sync(&mut self, myself: ActorRef<Msg>) {
        self.is_sync_due = false;
        let database = self.store.database.clone();
        let counters = Arc::clone(&self.store.counters);
        tokio::task::spawn_blocking(move || {
            let synced = database.persist(SYNC);
            counters.syncs.fetch_add(1, Ordering::Relaxed);
            drop(database);
            let _ = myself.cast(Msg::Synced(synced));
        });
    }
}

fn commit(
    database: &Database,
    history: &Keyspace,
    mode: PersistMode,
    appends: Vec<Append>,
    counters: &Counters,
) -> Result<Vec<ActorRef<run::Msg>>, fjall::Error> {
    let mut batch = database.batch().durability(Some(mode));
    let mut waiting = Vec::with_capacity(appends.len());
    for append in appends {
        for row in append.rows {
            batch.insert(history, row.key, row.value);
        }
        waiting.push(append.run);
    }
    let rows = batch.len() as u64;
    batch.commit()?;
    counters.appends.fetch_add(waiting.len() as u64, Ordering::Relaxed);
    counters.commits.fetch_add(1, Ordering::Relaxed);
    counters.rows.fetch_add(rows, Ordering::Relaxed);
    if mode != PersistMode::Buffer {
        counters.syncs.fetch_add(1, Ordering::Relaxed);
    }
    Ok(waiting)
}
