//! What happens when the disk fails.

use super::*;
use crate::fjall::layout::JOURNAL_DIRECTORY;

/// Takes the files of a keyspace away while the store is open, then commits until fjall
/// notices that it cannot write its tables.
async fn commit_until_failure(store: &FjallStore) -> StoreError {
    let keyspaces = store.path().join(JOURNAL_DIRECTORY).join("keyspaces");
    fs::remove_dir_all(keyspaces).unwrap();
    for n in 0..100_000_u32 {
        let mut batch = Batch::new();
        batch.put(Space::State, n.to_be_bytes(), vec![0; 16 * 1024]);
        if let Err(error) = store.commit(batch, Persist::Buffer).await {
            return error;
        }
        tokio::task::yield_now().await;
    }
    panic!("the store never noticed that its files are gone");
}

#[tokio::test]
async fn a_failure_in_the_background_poisons_the_store() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
    let error = commit_until_failure(&store).await;
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    let refused = store.commit(batch("k", "w"), Persist::Sync).await;
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    let refused = store.sync().await;
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    assert_eq!(store.get(Space::State, b"k").unwrap().unwrap(), "v", "reads still work");
    let closed = store.close().await;
    assert!(matches!(closed, Err(StoreError::Poisoned { .. })), "{closed:?}");
    assert!(store.close().await.is_ok());
    assert!(matches!(store.get(Space::State, b"k"), Err(StoreError::Closed)));
}

/// The next commit may have the lock before anybody has heard of the failure.
#[tokio::test]
async fn nothing_follows_a_write_that_has_not_come_to_a_good_end() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
    store.shared.with(|opened| opened.progress().lock().is_broken = true);
    let refused = store.commit(batch("k", "w"), Persist::Sync).await;
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    let refused = store.sync().await;
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })), "{refused:?}");
    drop(store);
    let store = open(directory.path()).await.unwrap();
    assert_eq!(store.get(Space::State, b"k").unwrap().unwrap(), "v");
}

#[test]
fn a_panic_of_the_storage_crates_while_opening_is_a_named_error() {
    let path = Path::new("/data");
    let opened = crate::fjall::open::guarded(path, || -> Result<(), _> { panic!("off by one") });
    let text = opened.unwrap_err().to_string();
    assert_eq!(text, "the storage engine failed: opening /data panicked: off by one");
}

#[tokio::test]
async fn the_first_failure_is_the_one_that_is_told() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    store.shared.fail(StoreError::Backend { reason: "first".to_owned() });
    store.shared.fail(StoreError::Backend { reason: "second".to_owned() });
    let Err(StoreError::Poisoned { reason }) = store.sync().await else { panic!("not poisoned") };
    assert_eq!(&*reason, "the storage engine failed: first");
}

#[test]
fn damage_outside_of_the_journals_is_named_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    FjallStore::open_blocking(directory.path(), &SMALL).unwrap();
    let journal = directory.path().join(JOURNAL_DIRECTORY);
    let corrupt = |damaged: &Path| {
        let error = FjallStore::open_blocking(directory.path(), &SMALL).unwrap_err();
        let StoreError::Corrupt { path, .. } = &error else { panic!("{error}") };
        assert_eq!(path, damaged);
    };
    let version = journal.join("version");
    let whole = fs::read(&version).unwrap();
    fs::write(&version, "garbage").unwrap();
    corrupt(&version);
    fs::remove_file(&version).unwrap();
    corrupt(&version);
    fs::write(&version, whole).unwrap();
    for keyspace in ["0", "1", "2", "3"] {
        // fjall would delete a keyspace without this file, with all that is in it.
        let current = journal.join("keyspaces").join(keyspace).join("current");
        let whole = fs::read(&current).unwrap();
        fs::remove_file(&current).unwrap();
        corrupt(&current);
        assert!(current.parent().unwrap().join("tables").exists());
        fs::write(&current, whole).unwrap();
    }
    FjallStore::open_blocking(directory.path(), &SMALL).unwrap();
    fs::remove_dir_all(&journal).unwrap();
    let error = FjallStore::open_blocking(directory.path(), &SMALL).unwrap_err();
    assert!(matches!(error, StoreError::Truncated { last: 0, .. }), "{error}");
}
