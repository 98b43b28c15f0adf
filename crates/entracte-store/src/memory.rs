//! A store in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Row, Space, Store, StoreFuture};
use crate::tables::Tables;

/// A store in memory, which ends with its process.
///
/// Commits are answered at once, so it suits tests that ask for no more than the contract.
#[derive(Debug)]
pub struct MemoryStore {
    /// None once the store is closed.
    tables: Mutex<Option<Tables>>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { tables: Mutex::new(Some(Tables::default())) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tables>> {
        // The tables are changed by operations that cannot panic half-way.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.lock().as_ref().ok_or(StoreError::Closed)?.get(space, key))
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.lock().as_ref().ok_or(StoreError::Closed)?.scan(space, start, end, limit))
    }

    fn commit(&self, batch: Batch, _persist: Persist) -> StoreFuture<'_> {
        let result = batch.check().and_then(|()| {
            self.lock().as_mut().ok_or(StoreError::Closed)?.apply(&batch);
            Ok(())
        });
        Box::pin(std::future::ready(result))
    }

    fn sync(&self) -> StoreFuture<'_> {
        let result = if self.lock().is_some() { Ok(()) } else { Err(StoreError::Closed) };
        Box::pin(std::future::ready(result))
    }

    fn close(&self) -> StoreFuture<'_> {
        *self.lock() = None;
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::suite::{self, Fixture};

    struct Memory;

    impl Fixture for Memory {
        async fn empty(&mut self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }
    }

    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        suite::run(&mut Memory).await;
    }
}
