//! What is committed to: the engine's store, or fjall itself.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entracte::store::{Batch, FjallOptions, FjallStore, Op, Persist, Space, Store};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tokio::runtime::Runtime;

use super::CommitLoad;
use crate::load::LoadError;

/// What a round commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// fjall, called directly.
    Floor,
    /// The engine's store on disk.
    Store,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Floor => "floor",
            Self::Store => "store",
        })
    }
}

/// Says whether there is a row under a key.
pub(super) type Reader = Box<dyn Fn(&[u8]) -> Result<bool, LoadError> + Send>;

/// An open target.
pub enum CommitTarget {
    /// fjall, with the three keyspaces of the store, called on the committer's thread.
    Floor {
        /// Where it lies.
        directory: PathBuf,
        /// All of it.
        database: Database,
        /// The spaces, in the order of [`Space::ALL`].
        keyspaces: [Keyspace; 3],
    },
    /// The store, with the runtime on whose blocking threads it commits.
    Store {
        /// Any store would do.
        store: Arc<dyn Store>,
        /// Where it lies.
        directory: PathBuf,
        /// As in the engine.
        runtime: Runtime,
    },
}

impl fmt::Debug for CommitTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CommitTarget").field(&self.side()).finish()
    }
}

impl CommitTarget {
    /// Opens a target.
    ///
    /// # Errors
    /// [`LoadError`] says what could not be opened.
    pub fn open(side: Side, directory: &Path, load: &CommitLoad) -> Result<Self, LoadError> {
        let directory = directory.to_path_buf();
        match side {
            Side::Floor => {
                let (database, keyspaces) = open_fjall(&directory, &load.options)?;
                Ok(Self::Floor { directory, database, keyspaces })
            }
            Side::Store => {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
                let store = Arc::new(FjallStore::open_blocking(&directory, &load.options)?);
                Ok(Self::Store { store, directory, runtime })
            }
        }
    }

    /// Commits a batch and waits for the answer.
    ///
    /// # Errors
    /// The error of the store.
    pub fn commit(&self, batch: Batch, persist: Persist) -> Result<(), LoadError> {
        match self {
            Self::Floor { database, keyspaces, .. } => {
                Ok(commit_to_fjall(database, keyspaces, &batch, persist)?)
            }
            Self::Store { store, runtime, .. } => {
                Ok(runtime.block_on(async { store.commit(batch, persist).await })?)
            }
        }
    }

    /// What reads one row of the space `State`, from a thread of its own.
    #[must_use]
    pub(super) fn reader(&self) -> Reader {
        match self {
            Self::Floor { keyspaces: [_, _, state], .. } => {
                let state = state.clone();
                Box::new(move |key| Ok(state.get(key)?.is_some()))
            }
            Self::Store { store, .. } => {
                let store = Arc::clone(store);
                Box::new(move |key| Ok(store.get(Space::State, key)?.is_some()))
            }
        }
    }

    /// Where fjall's own files lie.
    #[must_use]
    pub fn database_directory(&self) -> PathBuf {
        match self {
            Self::Floor { directory, .. } => directory.clone(),
            Self::Store { directory, .. } => directory.join("journal"),
        }
    }

    /// Closes the target; its files are free then.
    ///
    /// # Errors
    /// The error of the store.
    pub fn close(self) -> Result<(), LoadError> {
        match self {
            // fjall closes when the last handle is dropped.
            Self::Floor { database, .. } => Ok(database.persist(PersistMode::SyncData)?),
            Self::Store { store, runtime, .. } => {
                Ok(runtime.block_on(async { store.close().await })?)
            }
        }
    }

    fn side(&self) -> Side {
        match self {
            Self::Floor { .. } => Side::Floor,
            Self::Store { .. } => Side::Store,
        }
    }
}

fn open_fjall(
    directory: &Path,
    options: &FjallOptions,
) -> fjall::Result<(Database, [Keyspace; 3])> {
    let database = Database::builder(directory)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes_max)
        .worker_threads(options.worker_threads)
        .manual_journal_persist(true)
        .open()?;
    let keyspace = |space: Space| {
        database.keyspace(space.name(), || {
            KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes_max)
        })
    };
    let keyspaces = [keyspace(Space::Meta)?, keyspace(Space::History)?, keyspace(Space::State)?];
    Ok((database, keyspaces))
}

fn commit_to_fjall(
    database: &Database,
    [meta, history, state]: &[Keyspace; 3],
    batch: &Batch,
    persist: Persist,
) -> fjall::Result<()> {
    let mode = match persist {
        Persist::Sync => PersistMode::SyncData,
        Persist::Buffer => PersistMode::Buffer,
    };
    let mut write = database.batch().durability(Some(mode));
    for op in batch.ops() {
        let keyspace = match op.space() {
            Space::Meta => meta,
            Space::History => history,
            Space::State => state,
        };
        match op {
            Op::Put { key, value, .. } => write.insert(keyspace, key, value),
            Op::Delete { key, .. } => write.remove(keyspace, key),
        }
    }
    write.commit()
}
