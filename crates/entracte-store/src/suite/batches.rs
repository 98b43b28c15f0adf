//! What batches do.

use std::future::poll_fn;
use std::task::Poll;

use super::{commit, get, puts, read};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::keys::RESERVED_KEY;
use crate::store::{KEY_BYTES_MAX, Persist, Space, Store, StoreFuture};

/// How often a commit under way is looked at before it is waited for.
const POLLS_MAX: u32 = 1_000;

/// Of several operations on one key in a batch the last one counts.
///
/// # Panics
/// If the property does not hold.
pub async fn later_operations_win(store: &dyn Store) {
    let mut batch = puts(&[("twice", "old"), ("twice", "new"), ("deleted", "old")]);
    batch.delete(Space::State, "deleted");
    batch.delete(Space::State, "put");
    batch.put(Space::State, "put", "new");
    batch.delete(Space::State, "never there");
    commit(store, batch, Persist::Sync).await;
    assert_eq!(get(store, "twice").as_deref(), Some("new"));
    assert_eq!(get(store, "deleted"), None);
    assert_eq!(get(store, "put").as_deref(), Some("new"));

    let mut batch = puts(&[("deleted", "again"), ("twice", "newest")]);
    batch.delete(Space::State, "put");
    commit(store, batch, Persist::Sync).await;
    assert_eq!(get(store, "deleted").as_deref(), Some("again"));
    assert_eq!(get(store, "twice").as_deref(), Some("newest"));
    assert_eq!(get(store, "put"), None);
    assert_eq!(read(store.scan(Space::State, b"", None, 9)).len(), 2);
}

/// Empty and large values and the longest keys come back as they were.
///
/// # Panics
/// If the property does not hold.
pub async fn unusual_rows_are_kept(store: &dyn Store) {
    let long_key = vec![0xab; KEY_BYTES_MAX];
    let large_value: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let mut batch = Batch::new();
    batch.put(Space::State, "empty", "");
    batch.put(Space::State, long_key.clone(), "long");
    batch.put(Space::History, "large", large_value.clone());
    commit(store, batch, Persist::Sync).await;
    assert_eq!(get(store, "empty").as_deref(), Some(""), "an empty value is not an absent one");
    assert_eq!(read(store.get(Space::State, &long_key)).as_deref(), Some(b"long".as_slice()));
    let value = read(store.get(Space::History, b"large"));
    assert!(value.is_some_and(|value| value == large_value), "the large value is another one");
    let rows = read(store.scan(Space::State, b"", None, 9));
    assert_eq!(rows.len(), 2);
    assert!(rows[0].value.is_empty());
}

/// A batch that no store takes is refused as a whole, and the store goes on.
///
/// # Panics
/// If the property does not hold.
pub async fn impossible_batches_are_refused(store: &dyn Store) {
    for key in [vec![], vec![1; KEY_BYTES_MAX + 1]] {
        let mut batch = puts(&[("before", "1")]);
        batch.put(Space::History, key, "impossible");
        let result = store.commit(batch, Persist::Sync).await;
        assert!(matches!(result, Err(StoreError::InvalidBatch { .. })), "{result:?}");
        assert_eq!(get(store, "before"), None, "nothing of it was written");
    }
    assert_eq!(read(store.get(Space::State, b"")), None, "no row has an empty key");
    let mut batch = puts(&[("before", "1")]);
    batch.put(Space::History, RESERVED_KEY, "impossible");
    let result = store.commit(batch, Persist::Sync).await;
    assert!(matches!(result, Err(StoreError::ReservedKey { .. })), "{result:?}");
    assert_eq!(get(store, "before"), None, "nothing of it was written");
    assert_eq!(read(store.get(Space::History, RESERVED_KEY)), None, "it is never shown");
    commit(store, puts(&[("after", "2")]), Persist::Sync).await;
    assert_eq!(get(store, "after").as_deref(), Some("2"));
}

/// While a commit is under way, a read sees all of its rows or none.
///
/// # Panics
/// If the property does not hold.
pub async fn batches_are_atomic(store: &dyn Store) {
    let key = |n: u64| n.to_be_bytes().to_vec();
    for round in 0..20_u64 {
        let mut batch = Batch::new();
        for n in 0..200 {
            batch.put(Space::State, key(n), key(round));
            batch.put(Space::History, key(n), key(round));
        }
        let mut commit = store.commit(batch, Persist::Buffer);
        let mut polls = 0;
        loop {
            polls += 1;
            let answered = if polls < POLLS_MAX {
                poll_once(&mut commit).await
            } else {
                // A store in virtual time goes on only when nobody else has anything to do.
                answer((&mut commit).await);
                true
            };
            let state = read(store.scan(Space::State, b"", None, 999));
            let history = read(store.scan(Space::History, b"", None, 999));
            for rows in [&state, &history] {
                assert!(rows.is_empty() || rows.len() == 200, "a part of a batch is seen");
                assert!(rows.iter().all(|row| row.value == rows[0].value), "batches are mixed");
            }
            let is_new = |row: &crate::Row| row.value == key(round);
            if state.first().is_some_and(is_new) {
                // The history was read later, so it cannot be older.
                assert!(history.first().is_some_and(is_new), "a part of a batch is seen");
            }
            if answered {
                assert!(state.first().is_some_and(is_new), "an answered batch is not seen");
                break;
            }
            // Gives the store's own tasks and timers their turn.
            tokio::task::yield_now().await;
        }
    }
}

/// A commit whose future is dropped is carried out all the same.
///
/// # Panics
/// If the property does not hold.
pub async fn dropped_commits_are_carried_out(store: &dyn Store) {
    drop(store.commit(puts(&[("a", "1")]), Persist::Sync));
    let mut commit = store.commit(puts(&[("b", "2")]), Persist::Sync);
    poll_once(&mut commit).await;
    drop(commit);
    while get(store, "a").is_none() || get(store, "b").is_none() {
        // Any answer of the store shows that it went on.
        let synced = store.sync().await;
        assert!(synced.is_ok(), "{synced:?}");
    }
}

/// Polls a commit once and tells whether it was answered, which must be with success.
async fn poll_once(commit: &mut StoreFuture<'_>) -> bool {
    poll_fn(|context| match commit.as_mut().poll(context) {
        Poll::Pending => Poll::Ready(false),
        Poll::Ready(result) => {
            answer(result);
            Poll::Ready(true)
        }
    })
    .await
}

fn answer(result: Result<(), StoreError>) {
    assert!(result.is_ok(), "a commit failed: {result:?}");
}
