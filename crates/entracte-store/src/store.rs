//! What a journal needs of its storage.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::batch::Batch;
use crate::error::StoreError;

/// The longest key that a store takes, in bytes; no key is empty.
pub const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// One of the three ordered maps of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Facts about the store itself.
    Meta,
    /// The events of all runs: written once, never overwritten.
    History,
    /// Where the runs stand, and what is still to be done for them.
    State,
}

impl Space {
    /// Every space there is.
    pub const ALL: [Self; 3] = [Self::Meta, Self::History, Self::State];

    /// The name under which the space is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::History => "history",
            Self::State => "state",
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One entry of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub key: Bytes,
    /// What it holds.
    pub value: Bytes,
}

/// What a commit must survive before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persist {
    /// A power loss, together with everything committed before it.
    Sync,
    /// The end of the process: the batch is in the hands of the operating system.
    Buffer,
}

/// The answer of a store that has to wait for its disk.
pub type StoreFuture<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Three ordered maps with atomic batches.
///
/// The journal is the only writer and makes one commit at a time; whoever overlaps commits
/// gives up their order. After a commit or a sync has failed nobody knows what is on disk, so
/// the store is poisoned: each later commit and sync is refused with
/// [`StoreError::Poisoned`] until the store is opened again. Reads still work, and show what
/// had been acknowledged.
///
/// Commits, syncs and closings belong into a tokio runtime.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads the value under a key.
    ///
    /// # Errors
    /// [`StoreError`] if the store is closed or cannot be read.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Reads the rows with `start <= key < end` in the order of their keys, `limit` at most.
    ///
    /// Without an `end` the rows go to the end of the space; an `end` that does not lie behind
    /// `start` gives no rows. One scan sees the rows of one moment.
    ///
    /// # Errors
    /// [`StoreError`] if the store is closed or cannot be read.
    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Writes a batch: all of it or nothing.
    ///
    /// Its rows are seen by [`get`](Self::get) and [`scan`](Self::scan) once the future has
    /// resolved to `Ok`. The batch is handed over by the call itself: a future that is dropped
    /// does not take it back. A batch without operations only waits for what `persist` asks.
    ///
    /// # Errors
    /// [`StoreError`]. A batch that is refused for its own sake ([`StoreError::InvalidBatch`])
    /// leaves the store as it was; after any other error the store is poisoned.
    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_>;

    /// Makes everything committed so far survive a power loss.
    ///
    /// # Errors
    /// [`StoreError`], after which the store is poisoned.
    fn sync(&self) -> StoreFuture<'_>;

    /// Syncs for the last time and closes the store.
    ///
    /// When the future resolves, files and locks are released, whatever it resolves to; from
    /// then on every other call is [`StoreError::Closed`], and closing again is `Ok`.
    ///
    /// # Errors
    /// [`StoreError`] if the last sync failed, or if the store was poisoned before.
    fn close(&self) -> StoreFuture<'_>;
}
