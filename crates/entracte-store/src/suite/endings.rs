//! How stores end, and what outlives them.

use super::{Fixture, commit, get, puts, read};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Persist, Space, Store};

/// A closed store refuses everything but being closed again.
///
/// # Panics
/// If the property does not hold.
pub async fn closed_stores_refuse_everything(store: &dyn Store) {
    commit(store, puts(&[("a", "1")]), Persist::Sync).await;
    let closed = store.close().await;
    assert!(closed.is_ok(), "{closed:?}");
    let is_closed = |error: Option<StoreError>| {
        assert!(matches!(error, Some(StoreError::Closed)), "{error:?}");
    };
    is_closed(store.get(Space::State, b"a").err());
    is_closed(store.scan(Space::State, b"", None, 1).err());
    is_closed(store.commit(puts(&[("a", "2")]), Persist::Sync).await.err());
    is_closed(store.commit(Batch::new(), Persist::Buffer).await.err());
    is_closed(store.sync().await.err());
    let again = store.close().await;
    assert!(again.is_ok(), "{again:?}");
}

/// Whatever was committed before a store was closed is there when it opens again.
///
/// # Panics
/// If the property does not hold.
pub async fn committed_rows_outlive_the_store(fixture: &mut impl Fixture) {
    let mut store = fixture.empty().await;
    for round in 0..5_u8 {
        let mut batch = Batch::new();
        for space in Space::ALL {
            batch.put(space, vec![b'k', round], vec![round; 100]);
        }
        batch.delete(Space::State, vec![b'k', round.wrapping_sub(1)]);
        commit(&*store, batch, Persist::Sync).await;
        commit(&*store, puts(&[("buffered", &round.to_string())]), Persist::Buffer).await;
        let closed = store.close().await;
        assert!(closed.is_ok(), "{closed:?}");
        let Some(reopened) = fixture.reopen().await else { return };
        store = reopened;
        assert_eq!(get(&*store, "buffered"), Some(round.to_string()));
        for space in [Space::Meta, Space::History] {
            let rows = read(store.scan(space, b"k", Some(b"l"), 99));
            let expected: Vec<Vec<u8>> = (0..=round).map(|round| vec![round; 100]).collect();
            assert!(rows.iter().map(|row| &row.value[..]).eq(&expected), "{space}");
        }
        let rows = read(store.scan(Space::State, b"k", Some(b"l"), 99));
        assert_eq!(rows.len(), 1, "deleted rows stay deleted");
    }
}

/// After a failed commit nothing is written any more, until the store is opened again; the
/// batch that failed was written as a whole or not at all.
///
/// # Panics
/// If the property does not hold.
pub async fn failed_commits_poison_the_store(fixture: &mut impl Fixture) {
    let store = fixture.empty().await;
    commit(&*store, puts(&[("a", "1"), ("b", "1")]), Persist::Sync).await;
    if !fixture.fail_next_commit() {
        return;
    }
    let failed = store.commit(puts(&[("a", "2"), ("b", "2")]), Persist::Sync).await;
    let Err(error) = failed else { panic!("the commit was to fail") };
    assert_eq!(get(&*store, "a").as_deref(), Some("1"), "what failed is not seen");
    for batch in [puts(&[("a", "3"), ("b", "3")]), Batch::new()] {
        let refused = store.commit(batch, Persist::Sync).await;
        let Err(StoreError::Poisoned { reason }) = &refused else { panic!("{refused:?}") };
        assert_eq!(**reason, error.to_string(), "the first failure is told");
    }
    let refused = store.sync().await;
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    assert_eq!(get(&*store, "a").as_deref(), Some("1"), "reads still work");
    let closed = store.close().await;
    assert!(matches!(closed, Err(StoreError::Poisoned { .. })), "{closed:?}");
    assert!(store.close().await.is_ok(), "it is closed all the same");
    let Some(store) = fixture.reopen().await else { return };
    let (a, b) = (get(&*store, "a"), get(&*store, "b"));
    assert_eq!(a, b, "a part of a batch was written");
    assert!(a == Some("1".to_owned()) || a == Some("2".to_owned()), "{a:?}");
    commit(&*store, puts(&[("a", "4")]), Persist::Sync).await;
}
