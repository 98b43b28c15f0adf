//! The floor: the actors, messages and commits of the engine, and nothing else.
//!
//! ```text
//! root                    supervisor of all; starts the runs
//! ├─ journal              group commit: everything that waits, one batch, one sync
//! └─ run 42               one for each run; appends, waits, starts the next attempt
//!    └─ attempt           one for each activity: makes the payload, tells its run, stops
//! ```
//!
//! A run is four appends, as in the engine: (start, schedule), twice (done, schedule), and
//! (done, complete); each puts as many history rows as the engine writes events, of about their
//! size. There is no state machine, no encoding, no row but history, no check, no recovery: this
//! is what the chosen actors and the chosen store cost by themselves.

use std::path::Path;
use std::sync::Arc;

use entracte::store::FjallOptions;
use fjall::{Database, KeyspaceCreateOptions};
use ractor::{Actor, ActorRef};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::drive::Target;
use crate::figures::JournalFigures;
use crate::load::{Load, LoadError};

mod attempt;
mod journal;
mod root;
mod run;

#[cfg(test)]
mod tests;

/// A running floor.
#[derive(Debug)]
pub struct Floor {
    root: ActorRef<root::Msg>,
    root_task: JoinHandle<()>,
    counters: Arc<journal::Counters>,
}

/// Starts runs on a floor; cheap to clone.
#[derive(Debug, Clone)]
pub struct FloorTarget {
    root: ActorRef<root::Msg>,
    counters: Arc<journal::Counters>,
}

impl Floor {
    /// Makes a store in a directory and starts the actors over it.
    ///
    /// # Errors
    /// [`LoadError::Store`] and [`LoadError::Spawn`].
    pub async fn start(directory: &Path, load: &Load) -> Result<Self, LoadError> {
        let path = directory.to_owned();
        let (database, history) = tokio::task::spawn_blocking(move || open(&path)).await??;
        let counters = Arc::new(journal::Counters::default());
        let journal = journal::Arguments {
            database,
            history,
            durability: load.durability,
            counters: Arc::clone(&counters),
        };
        let arguments = root::Arguments { journal, payload: Arc::clone(&load.payload) };
        let (root, root_task) = Actor::spawn(None, root::Root, arguments).await?;
        Ok(Self { root, root_task, counters })
    }

    /// What the driver starts runs on.
    #[must_use]
    pub fn target(&self) -> FloorTarget {
        FloorTarget { root: self.root.clone(), counters: Arc::clone(&self.counters) }
    }

    /// Stops the actors and closes the store.
    ///
    /// # Errors
    /// [`LoadError::Stop`] and [`LoadError::Task`].
    pub async fn stop(self) -> Result<(), LoadError> {
        let stop = |error: ractor::RactorErr<_>| LoadError::Stop(error.to_string());
        self.root.stop_children_and_wait(None, None).await;
        self.root.stop_and_wait(None, None).await.map_err(stop)?;
        Ok(self.root_task.await?)
    }
}

pub(crate) fn open(directory: &Path) -> fjall::Result<(Database, fjall::Keyspace)> {
    // The options that the engine's store has by default, so that both write in the same way.
    let options = FjallOptions::default();
    let database = Database::builder(directory)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes_max)
        .worker_threads(options.worker_threads)
        .manual_journal_persist(true)
        .open()?;
    let history = database.keyspace("history", || {
        KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes_max)
    })?;
    Ok((database, history))
}

impl Target for FloorTarget {
    async fn run(&self, run: u64) -> Result<(), LoadError> {
        let lost = || LoadError::Lost { run };
        let (accepted, is_accepted) = oneshot::channel();
        let (result, has_result) = oneshot::channel();
        let start = root::Msg::Start { run, accepted, result };
        self.root.cast(start).map_err(|_| lost())?;
        is_accepted.await.map_err(|_| lost())?;
        has_result.await.map_err(|_| lost())?;
        Ok(())
    }

    fn journal(&self) -> JournalFigures {
        self.counters.figures()
    }
}
