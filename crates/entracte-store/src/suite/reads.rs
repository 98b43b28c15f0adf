//! What reads show.

use bytes::Bytes;

use super::{commit, get, puts, read};
use crate::batch::Batch;
use crate::store::{Persist, Space, Store};

/// A commit is seen by all reads once it is answered, in its own space only.
///
/// # Panics
/// If the property does not hold.
pub async fn commits_are_visible_once_answered(store: &dyn Store) {
    assert_eq!(get(store, "a"), None);
    for (persist, value) in [(Persist::Sync, "1"), (Persist::Buffer, "2")] {
        commit(store, puts(&[("a", value)]), persist).await;
        assert_eq!(get(store, "a").as_deref(), Some(value));
        assert_eq!(read(store.get(Space::History, b"a")), None, "spaces are apart");
        let rows = read(store.scan(Space::State, b"", None, 9));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].value, Bytes::copy_from_slice(value.as_bytes()));
    }
    let synced = store.sync().await;
    assert!(synced.is_ok(), "{synced:?}");
    commit(store, Batch::new(), Persist::Sync).await;
    commit(store, Batch::new(), Persist::Buffer).await;
    assert_eq!(get(store, "a").as_deref(), Some("2"));
}

/// Scans give the rows of `start <= key < end` in the order of their bytes, `limit` at most.
///
/// # Panics
/// If the property does not hold.
pub async fn scans_are_ordered_and_bounded(store: &dyn Store) {
    let mut batch = Batch::new();
    let keys: [&[u8]; 7] = [b"\xff\xff", b"b", b"a\0", b"\0\0", b"a", b"\xff", b"ab"];
    for key in keys {
        batch.put(Space::History, key, key);
    }
    commit(store, batch, Persist::Buffer).await;
    let scan = |start: &[u8], end: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let rows = read(store.scan(Space::History, start, end, limit));
        assert!(rows.iter().all(|row| row.key == row.value), "each key has its own value");
        rows.iter().map(|row| row.key.to_vec()).collect()
    };
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(scan(b"", None, 99), sorted, "everything, in order");
    assert_eq!(scan(b"", None, 3), sorted[..3], "as many as asked for");
    assert_eq!(scan(b"", None, 0), sorted[..0], "none if none are asked for");
    assert_eq!(scan(b"", None, usize::MAX), sorted, "no limit");
    assert_eq!(scan(b"a", Some(b"ab"), 99), [b"a".as_slice(), b"a\0"], "the end is excluded");
    assert_eq!(scan(b"aa", Some(b"c"), 99), [b"ab".as_slice(), b"b"], "bounds may be absent");
    assert_eq!(scan(b"\xff", None, 99), [b"\xff".as_slice(), b"\xff\xff"]);
    assert_eq!(scan(b"b", Some(b"b"), 99).len(), 0, "an empty range");
    assert_eq!(scan(b"b", Some(b"a"), 99).len(), 0, "an end before the start");
    assert_eq!(scan(b"\xff\xff\xff", None, 99).len(), 0, "behind everything");
}
