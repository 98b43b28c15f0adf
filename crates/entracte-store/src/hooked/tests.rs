use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::MemoryStore;
use crate::suite::{self, Fixture};

/// Lets everything pass.
#[derive(Debug)]
struct Nothing;

impl StoreHook for Nothing {}

struct Hooked;

impl Fixture for Hooked {
    async fn empty(&mut self) -> Arc<dyn Store> {
        Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), Nothing))
    }
}

#[tokio::test]
async fn a_hook_that_does_nothing_keeps_the_contract() {
    suite::run(&mut Hooked).await;
}

/// Refuses everything for a while, and keeps the store open.
#[derive(Debug, Default)]
struct Refusing(AtomicBool);

impl Refusing {
    fn pass(&self) -> Result<(), StoreError> {
        let reason = "it is refused".to_owned();
        if self.0.load(Ordering::Relaxed) { Err(StoreError::Backend { reason }) } else { Ok(()) }
    }
}

impl StoreHook for Refusing {
    fn get(&self, _space: Space, _key: &[u8]) -> Result<(), StoreError> {
        self.pass()
    }

    fn scan(&self, _space: Space, start: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        assert_eq!((start, rows.len()), (&b"a"[..], 1));
        self.pass()
    }

    fn commit(&self, batch: &Batch) -> Option<StoreFuture<'_>> {
        assert_eq!(batch.len(), 1);
        Some(Box::pin(async { self.pass() }))
    }

    fn closes(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_hook_refuses_reads_and_commits_and_can_be_put_around_the_next_store() {
    let (below, hook) = (Arc::new(MemoryStore::new()), Arc::new(Refusing::default()));
    let row = |key: &str| {
        let mut batch = Batch::new();
        batch.put(Space::State, key, "value");
        batch
    };
    let store = HookedStore::new(below.clone(), Arc::clone(&hook));
    store.commit(row("a"), Persist::Sync).await.unwrap();
    store.close().await.unwrap();
    let store = HookedStore::new(below, hook);
    let scan = || store.scan(Space::State, b"a", None, 9);
    assert_eq!(scan().unwrap().len(), 1);
    assert!(store.get(Space::State, b"a").unwrap().is_some());
    store.hook().0.store(true, Ordering::Relaxed);
    scan().unwrap_err();
    store.get(Space::State, b"a").unwrap_err();
    store.commit(row("b"), Persist::Sync).await.unwrap_err();
    assert!(store.unhooked().get(Space::State, b"a").unwrap().is_some());
    assert!(store.unhooked().get(Space::State, b"b").unwrap().is_none());
}
