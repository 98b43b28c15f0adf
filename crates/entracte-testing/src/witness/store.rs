//! The store that a witness watches.

use std::sync::Arc;

use bytes::Bytes;
use entracte_store::{Batch, Persist, Row, Space, Store, StoreError, StoreFuture};

use super::Witness;

/// A store that is watched, made by [`Witness::watch`].
#[derive(Debug)]
pub struct WitnessStore {
    witness: Witness,
    store: Arc<dyn Store>,
}

impl WitnessStore {
    pub(super) fn new(witness: Witness, store: Arc<dyn Store>) -> Self {
        Self { witness, store }
    }

    /// Lets the witness know when everything up to a commit is on the disk.
    fn when_synced<'a>(&'a self, work: StoreFuture<'a>, commit: u64) -> StoreFuture<'a> {
        Box::pin(async move {
            work.await?;
            self.witness.books().synced(commit);
            Ok(())
        })
    }
}

impl Store for WitnessStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.store.scan(space, start, end, limit)
    }

    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_> {
        let number = self.witness.books().enter(&batch);
        let commit = self.store.commit(batch, persist);
        match persist {
            Persist::Sync => self.when_synced(commit, number),
            Persist::Buffer => commit,
        }
    }

    fn sync(&self) -> StoreFuture<'_> {
        let number = self.witness.books().commits;
        self.when_synced(self.store.sync(), number)
    }

    fn close(&self) -> StoreFuture<'_> {
        let number = self.witness.books().commits;
        self.when_synced(self.store.close(), number)
    }
}
