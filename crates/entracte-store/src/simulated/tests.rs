use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::*;
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Space, Store};
use crate::suite::{self, Fixture};

fn disk(seed: u64) -> SimulatedDisk {
    SimulatedDisk::new(SimulatedOptions { seed, record_trace: true, ..Default::default() })
}

fn batch(key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::State, key, value);
    batch
}

fn get(store: &SimulatedStore, key: &str) -> Option<String> {
    let value = store.get(Space::State, key.as_bytes()).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

/// Whether a call is still without an answer after an hour of virtual time.
async fn pends(call: impl Future<Output = Result<(), StoreError>>) -> bool {
    timeout(Duration::from_secs(3600), call).await.is_err()
}

struct Simulated(SimulatedDisk);

impl Fixture for Simulated {
    async fn empty(&mut self) -> Arc<dyn Store> {
        self.0 = disk(1);
        self.0.reopen()
    }

    async fn reopen(&mut self) -> Option<Arc<dyn Store>> {
        Some(self.0.reopen())
    }

    fn fail_next_commit(&mut self) -> bool {
        self.0.fail_at_commit(self.0.commits() + 1);
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulated_store_keeps_the_contract() {
    suite::run(&mut Simulated(disk(1))).await;
}

#[tokio::test(start_paused = true)]
async fn the_crash_point_decides_whether_a_commit_is_kept() {
    for (point, kept) in [(CrashPoint::BeforeDurable, None), (CrashPoint::AfterDurable, Some("2"))]
    {
        let disk = disk(3);
        let store = disk.reopen();
        disk.crash_at_commit(3, point);
        store.commit(batch("synced", "1"), Persist::Sync).await.unwrap();
        store.commit(batch("buffered", "1"), Persist::Buffer).await.unwrap();
        let crashed = disk.crashed();
        assert!(pends(store.commit(batch("last", "2"), Persist::Sync)).await);
        crashed.await;
        disk.crashed().await;

        assert!(matches!(store.get(Space::State, b"synced"), Err(StoreError::Closed)));
        assert!(pends(store.commit(batch("later", "3"), Persist::Sync)).await);
        assert!(pends(store.sync()).await);
        assert!(pends(store.close()).await);

        let store = disk.reopen();
        assert_eq!(get(&store, "synced").as_deref(), Some("1"));
        assert_eq!(get(&store, "last").as_deref(), kept);
        // What reached the disk did so with everything before it.
        assert_eq!(get(&store, "buffered").is_some(), kept.is_some());
        assert_eq!(get(&store, "later"), None);
        assert_eq!(disk.commits(), 3);
        store.commit(batch("again", "4"), Persist::Sync).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_takes_what_waits_and_what_is_not_synced() {
    let disk = disk(4);
    let store = disk.reopen();
    store.commit(batch("synced", "1"), Persist::Buffer).await.unwrap();
    store.sync().await.unwrap();
    store.commit(batch("buffered", "1"), Persist::Buffer).await.unwrap();
    assert_eq!(get(&store, "buffered").as_deref(), Some("1"), "seen, and not durable");
    let waiting = store.commit(batch("waiting", "1"), Persist::Sync);
    disk.crash();
    assert!(pends(waiting).await);
    let store = disk.reopen();
    assert_eq!(get(&store, "synced").as_deref(), Some("1"));
    assert_eq!(get(&store, "buffered"), None);
    assert_eq!(get(&store, "waiting"), None);
    assert_eq!((disk.commits(), disk.syncs(), disk.rows()), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn reopening_ends_the_store_before() {
    let disk = disk(5);
    let old = disk.reopen();
    let waiting = old.commit(batch("old", "1"), Persist::Sync);
    let new = disk.reopen();
    assert!(pends(waiting).await);
    new.commit(batch("new", "1"), Persist::Sync).await.unwrap();
    assert!(matches!(old.get(Space::State, b"new"), Err(StoreError::Closed)));
    assert_eq!(get(&new, "old"), None);
    assert_eq!(get(&new, "new").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_commit_may_have_reached_the_disk() {
    let (mut full, mut kept) = (0, 0);
    for seed in 0..40 {
        let disk = disk(seed);
        let store = disk.reopen();
        disk.fail_at_commit(2);
        store.commit(batch("a", "1"), Persist::Sync).await.unwrap();
        let error = store.commit(batch("a", "2"), Persist::Sync).await.unwrap_err();
        match &error {
            StoreError::Full { .. } => full += 1,
            StoreError::Io { .. } => {}
            other => panic!("{other}"),
        }
        let refused = store.commit(batch("a", "3"), Persist::Sync).await.unwrap_err();
        assert!(matches!(refused, StoreError::Poisoned { .. }), "{refused}");
        assert_eq!(get(&store, "a").as_deref(), Some("1"));
        let reopened = get(&disk.reopen(), "a");
        kept += usize::from(reopened.as_deref() == Some("2"));
        assert_ne!(reopened.as_deref(), Some("3"));
    }
    assert!((1..40).contains(&full), "both errors occur");
    assert!((1..40).contains(&kept), "both outcomes occur");
}

#[tokio::test(start_paused = true)]
async fn held_commits_wait_until_they_are_released() {
    let disk = disk(6);
    let store = disk.reopen();
    disk.hold();
    let mut first = store.commit(batch("a", "1"), Persist::Sync);
    let second = store.commit(batch("a", "2"), Persist::Sync);
    assert!(pends(&mut first).await);
    assert_eq!(get(&store, "a"), None);
    disk.release();
    second.await.unwrap();
    assert_eq!(get(&store, "a").as_deref(), Some("2"), "in the order of the calls");
    first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cleared_faults_do_not_come() {
    let disk = disk(7);
    let store = disk.reopen();
    disk.crash_at_commit(1, CrashPoint::BeforeDurable);
    disk.fail_at_commit(2);
    disk.clear_faults();
    store.commit(batch("a", "1"), Persist::Sync).await.unwrap();
    store.commit(batch("a", "2"), Persist::Sync).await.unwrap();
}

/// A life with crashes, a failure and calls that overlap.
async fn life(seed: u64) -> (Vec<TraceEntry>, Duration) {
    let began = Instant::now();
    let disk = disk(seed);
    disk.crash_at_commit(5, CrashPoint::AfterDurable);
    disk.fail_at_commit(9);
    let mut store = disk.reopen();
    for round in 0..20 {
        let first = store.commit(batch("a", &round.to_string()), Persist::Sync);
        let second = store.commit(batch("b", &round.to_string()), Persist::Buffer);
        let failed = tokio::select! {
            biased;
            () = disk.crashed() => true,
            result = async { first.await.and(second.await) } => result.is_err(),
        };
        if failed {
            store = disk.reopen();
        } else if round % 3 == 0 {
            store.sync().await.unwrap();
        }
    }
    store.close().await.unwrap();
    (disk.trace(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_life() {
    let first = life(11).await;
    assert_eq!(first, life(11).await);
    assert_ne!(first, life(12).await);
    let what = |is: fn(&Traced) -> bool| first.0.iter().any(|entry| is(&entry.what));
    assert!(what(|what| matches!(what, Traced::CrashedAtCommit { number: 5, .. })));
    assert!(what(|what| matches!(what, Traced::Failed { number: 9, .. })));
    assert!(what(|what| matches!(what, Traced::Synced)));
    assert!(what(|what| matches!(what, Traced::Closed)));
}
