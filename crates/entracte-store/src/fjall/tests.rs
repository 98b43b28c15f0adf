use std::fs;

use tempfile::TempDir;

use super::*;
use crate::suite::{self, Fixture};

mod copies;
mod directory;
mod failures;
mod keeping;
mod scrub;

/// Small enough that tables are written and compacted even in tests.
const SMALL: FjallOptions = FjallOptions {
    cache_bytes: 1024 * 1024,
    memtable_bytes_max: 64 * 1024,
    journal_bytes_max: 64 * 1024 * 1024,
    check_bytes_max: 256 * 1024 * 1024,
    worker_threads: 1,
};

async fn open(path: &Path) -> Result<FjallStore, StoreError> {
    FjallStore::open(path, SMALL).await
}

fn batch(key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::State, key, value);
    batch
}

struct OnDisk(TempDir);

impl Fixture for OnDisk {
    async fn empty(&mut self) -> Arc<dyn Store> {
        self.0 = TempDir::new().unwrap();
        Arc::new(open(self.0.path()).await.unwrap())
    }

    async fn reopen(&mut self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(open(self.0.path()).await.unwrap()))
    }
}

#[tokio::test]
async fn the_store_on_disk_keeps_the_contract() {
    suite::run(&mut OnDisk(TempDir::new().unwrap())).await;
}

#[tokio::test]
async fn a_closed_store_can_be_opened_again_at_once() {
    let directory = TempDir::new().unwrap();
    for round in 0..20 {
        let store = open(directory.path()).await.unwrap();
        let rows = store.scan(Space::State, b"", None, 99).unwrap();
        assert_eq!(rows.len(), round);
        store.commit(batch(&format!("{round:02}"), "x"), Persist::Sync).await.unwrap();
        store.close().await.unwrap();
        // The old one is still there, and does not matter.
        let next = open(directory.path()).await.unwrap();
        drop(store);
        next.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_store_releases_its_directory() {
    let directory = TempDir::new().unwrap();
    for round in 0..5 {
        let store = open(directory.path()).await.unwrap();
        store.commit(batch("k", &round.to_string()), Persist::Buffer).await.unwrap();
        drop(store);
    }
    let store = open(directory.path()).await.unwrap();
    assert_eq!(store.get(Space::State, b"k").unwrap().unwrap(), "4");
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let commits: Vec<_> =
        (0..20).map(|n| store.commit(batch(&format!("{n}"), "x"), Persist::Sync)).collect();
    store.close().await.unwrap();
    let mut kept = 0;
    for commit in commits {
        match commit.await {
            Ok(()) => kept += 1,
            Err(StoreError::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let store = open(directory.path()).await.unwrap();
    assert_eq!(store.scan(Space::State, b"", None, 99).unwrap().len(), kept);
}

#[tokio::test]
async fn rows_survive_tables_and_compactions() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    for round in 0..200_u32 {
        let mut batch = Batch::new();
        for n in 0..20_u32 {
            batch.put(Space::State, n.to_be_bytes(), vec![0xab; 400]);
            let key = [round.to_be_bytes(), n.to_be_bytes()].concat();
            batch.put(Space::History, key, vec![0xcd; 200]);
        }
        batch.put(Space::State, "round", round.to_be_bytes());
        store.commit(batch, Persist::Buffer).await.unwrap();
    }
    store.close().await.unwrap();
    let store = open(directory.path()).await.unwrap();
    assert_eq!(store.get(Space::State, b"round").unwrap().unwrap(), 199_u32.to_be_bytes()[..]);
    assert_eq!(store.scan(Space::State, b"", None, 99).unwrap().len(), 21);
    assert_eq!(store.scan(Space::History, b"", None, 9_999).unwrap().len(), 4_000);
}
