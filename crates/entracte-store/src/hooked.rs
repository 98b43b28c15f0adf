//! A store whose calls pass a hook first, for tests.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Row, Space, Store, StoreFuture};

/// What happens at the calls of a [`HookedStore`]: it may count them, hold them up, or let them
/// fail. Whatever is not written lets the calls pass.
pub trait StoreHook: fmt::Debug + Send + Sync + 'static {
    /// Passes a [`get`](Store::get), before the row is read.
    ///
    /// # Errors
    /// What the call gives instead of the row.
    fn get(&self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let _ = (space, key);
        Ok(())
    }

    /// Passes a [`scan`](Store::scan) from a key on, before its rows are given.
    ///
    /// # Errors
    /// What the call gives instead of the rows.
    fn scan(&self, space: Space, start: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        let _ = (space, start, rows);
        Ok(())
    }

    /// Passes a [`commit`](Store::commit). The batch is written when the future has resolved, if
    /// there is one and the commit is still waited for then; an error is what the call gives,
    /// without writing anything. Without a future it is written at once.
    fn commit(&self, batch: &Batch) -> Option<StoreFuture<'_>> {
        let _ = batch;
        None
    }

    /// Whether the store below is closed with this one. If not, another one may be put around it
    /// afterwards. Default yes.
    fn closes(&self) -> bool {
        true
    }
}

/// A shared hook is that hook: a test can keep it, and put it around one store after the other.
impl<H: StoreHook + ?Sized> StoreHook for Arc<H> {
    fn get(&self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        (**self).get(space, key)
    }

    fn scan(&self, space: Space, start: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        (**self).scan(space, start, rows)
    }

    fn commit(&self, batch: &Batch) -> Option<StoreFuture<'_>> {
        (**self).commit(batch)
    }

    fn closes(&self) -> bool {
        (**self).closes()
    }
}

/// Another store whose calls pass a hook first, for tests.
#[derive(Debug)]
pub struct HookedStore<H> {
    store: Arc<dyn Store>,
    hook: H,
}

impl<H: StoreHook> HookedStore<H> {
    /// Puts a hook before a store.
    pub fn new(store: Arc<dyn Store>, hook: H) -> Self {
        Self { store, hook }
    }

    /// The hook.
    pub const fn hook(&self) -> &H {
        &self.hook
    }

    /// The store below, whose calls pass no hook.
    #[must_use]
    pub fn unhooked(&self) -> &dyn Store {
        &*self.store
    }
}

impl<H: StoreHook> Store for HookedStore<H> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.hook.get(space, key)?;
        self.store.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.store.scan(space, start, end, limit)?;
        self.hook.scan(space, start, &rows)?;
        Ok(rows)
    }

    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_> {
        let Some(passed) = self.hook.commit(&batch) else {
            return self.store.commit(batch, persist);
        };
        Box::pin(async move {
            passed.await?;
            self.store.commit(batch, persist).await
        })
    }

    fn sync(&self) -> StoreFuture<'_> {
        self.store.sync()
    }

    fn close(&self) -> StoreFuture<'_> {
        if self.hook.closes() { self.store.close() } else { Box::pin(std::future::ready(Ok(()))) }
    }
}

#[cfg(test)]
mod tests;
