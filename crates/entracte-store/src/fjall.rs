//! The store on disk, on the log-structured merge trees of the `fjall` crate.
//!
//! ```text
//! <directory>/
//!   LOCK      held while the store is open
//!   FORMAT    which format this is, in one line
//!   TAIL      up to which commit the store is known to be durable
//!   journal/  fjall's own files, with one keyspace per space
//!   SUSPECT   which table was found damaged while the store was open, if one was
//!   torn/     torn ends of journals that were cut off, for inspection
//! ```
//!
//! Every commit has a number, and says which number was known to be synced when it was
//! written. Before fjall opens its files they are looked through, read-only: whatever is
//! missing or damaged and was known to be synced is [`StoreError::Corrupt`] or
//! [`StoreError::Truncated`], and nothing is changed; anything else is the torn end of
//! something that was never acknowledged, which is kept aside and cut off.
//!
//! A synced commit uses `fdatasync` ([`PersistMode::SyncData`]): fjall's journal file is
//! allocated in advance as a hole, and what `fdatasync` leaves out is only what is not needed
//! to read the data back, such as modification times. The blocks and the length that a write
//! brings about are not left out. The directory entries of new journal files are synced by
//! fjall when it makes them, and a journal that it has filled is synced in full before the
//! next one is begun; so a sync of the current journal makes everything before it durable too.

mod checksum;
mod copy;
mod create;
mod database;
mod errors;
mod inspect;
mod keeper;
mod layout;
mod lock;
mod look;
mod numbers;
mod open;
mod options;
mod progress;
mod put_away;
mod scrub;
mod shared;
mod tail;
mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fjall::PersistMode;
use tokio::task::{JoinHandle, spawn_blocking};

pub use self::copy::{copy_readable, open_readable};
pub use self::inspect::{DamagedPlace, Inspection, JournalSize, check_tables, inspect};
use self::keeper::Poison;
pub use self::layout::FORMAT_SUPPORTED;
pub use self::options::FjallOptions;
use self::shared::Shared;
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Row, Space, Store, StoreFuture};

/// A store on disk.
///
/// Commits, syncs and closings run on the blocking threads of the tokio runtime in which they
/// are called. A store that is dropped without being closed releases its files and its lock
/// as well, once the commits under way have ended.
pub struct FjallStore {
    shared: Arc<Shared>,
}

impl FjallStore {
    /// Opens the store in a directory, which is created if it does not exist.
    ///
    /// All journal files are read once to look for damage, one at a time in memory; their size
    /// is bounded by [`FjallOptions::journal_bytes_max`]. Tables are read up to
    /// [`FjallOptions::check_bytes_max`], the others in the background.
    ///
    /// # Errors
    /// [`StoreError`] names what stands in the way; a directory that is not a store, one of
    /// another format, and one that is damaged ([`StoreError::Corrupt`],
    /// [`StoreError::Truncated`]) is not changed, and opening it again gives the same error.
    pub async fn open(path: impl Into<PathBuf>, options: FjallOptions) -> Result<Self, StoreError> {
        let path = path.into();
        match spawn_blocking(move || Self::open_blocking(&path, &options)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Backend { reason: error.to_string() }),
        }
    }

    /// Like [`open`](Self::open), on the calling thread, outside of a runtime too.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(path: &Path, options: &FjallOptions) -> Result<Self, StoreError> {
        let poison = Poison::default();
        let opened = open::open(path, options, poison.clone())?;
        Ok(Self { shared: Arc::new(Shared::new(path.to_path_buf(), opened, poison)) })
    }

    /// The store's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.path()
    }

    /// Hands work to a blocking thread at once; dropping the future does not take it back.
    fn run(
        &self,
        work: impl FnOnce(&Shared) -> Result<(), StoreError> + Send + 'static,
    ) -> StoreFuture<'_> {
        let shared = self.shared.clone();
        let task: JoinHandle<Result<(), StoreError>> = spawn_blocking(move || work(&shared));
        Box::pin(async move {
            match task.await {
                Ok(result) => result,
                // The work panicked, or the runtime ended before it began.
                Err(error) => Err(self.shared.fail(StoreError::Backend {
                    reason: format!("a blocking task did not end: {error}"),
                })),
            }
        })
    }
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Store for FjallStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.shared.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.shared.scan(space, start, end, limit)
    }

    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_> {
        let mode = match persist {
            Persist::Sync => PersistMode::SyncData,
            Persist::Buffer => PersistMode::Buffer,
        };
        self.run(move |shared| shared.commit(batch, mode))
    }

    fn sync(&self) -> StoreFuture<'_> {
        self.run(Shared::sync)
    }

    fn close(&self) -> StoreFuture<'_> {
        self.run(Shared::close)
    }
}

#[cfg(test)]
mod tests;
