//! Looking into stores, and copies of what is readable.

use std::collections::BTreeMap;

use super::*;
use crate::fjall::layout::JOURNAL_DIRECTORY;

/// Every file below a directory, with what is in it.
fn contents(directory: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// A closed store of commits 2 to 10, each with one row in the state; commit 1 is its format.
async fn ten_commits() -> TempDir {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    for n in 2..=10_u8 {
        let mut batch = Batch::new();
        batch.put(Space::State, [n], vec![n; 100]);
        store.commit(batch, Persist::Sync).await.unwrap();
    }
    store.close().await.unwrap();
    directory
}

#[tokio::test]
async fn a_sound_store_is_told_with_its_numbers() {
    let directory = ten_commits().await;
    let before = contents(directory.path());
    let found = inspect(directory.path()).unwrap();
    assert_eq!((found.last, found.synced, found.tail, found.in_tables), (10, 10, 10, 0));
    assert_eq!(found.in_journals, Some(1..=10));
    assert_eq!(found.journals.len(), 1);
    assert!(found.damage.is_empty() && found.places.is_empty() && found.torn.is_empty());
    assert!(check_tables(directory.path()).unwrap().is_empty());
    assert_eq!(contents(directory.path()), before, "nothing was changed");
}

#[tokio::test]
async fn an_open_store_and_what_is_none_are_not_looked_into() {
    let directory = ten_commits().await;
    let store = open(directory.path()).await.unwrap();
    assert!(matches!(inspect(directory.path()), Err(StoreError::Locked { .. })));
    store.close().await.unwrap();
    let empty = TempDir::new().unwrap();
    assert!(matches!(inspect(empty.path()), Err(StoreError::NotAStore { .. })));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
    assert!(matches!(inspect(&empty.path().join("none")), Err(StoreError::Io { .. })));
}

/// Damages the seventh commit; gives what the opening says.
fn damage(directory: &Path) -> StoreError {
    let journal = directory.join(JOURNAL_DIRECTORY).join("0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    FjallStore::open_blocking(directory, &SMALL).unwrap_err()
}

#[tokio::test]
async fn damage_is_told_and_what_is_before_it_can_be_read_and_kept() {
    let directory = ten_commits().await;
    let refused = damage(directory.path());
    assert!(
        matches!(&refused, StoreError::Corrupt { missing: Some(missing), .. } if *missing == (7..=7))
    );
    let before = contents(directory.path());
    let found = inspect(directory.path()).unwrap();
    assert_eq!((found.last, found.synced, found.in_journals), (6, 10, Some(1..=6)));
    assert_eq!(found.damage, [refused.to_string()]);
    assert_eq!(found.places.len(), 1);

    let copy = TempDir::new().unwrap();
    assert_eq!(copy_readable(directory.path(), copy.path()).unwrap(), []);
    let reading = open_readable(copy.path(), &SMALL).unwrap();
    let rows = reading.scan(Space::State, b"", None, 99).unwrap();
    assert_eq!(rows.iter().map(|row| row.key[0]).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    let written = reading.commit(batch("k", "v"), Persist::Sync).await;
    assert!(matches!(written, Err(StoreError::Poisoned { .. })), "{written:?}");
    drop(reading);
    let store = open(copy.path()).await.unwrap();
    store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(inspect(copy.path()).unwrap().last, 7);

    assert_eq!(contents(directory.path()), before, "nothing was changed");
    let again = FjallStore::open_blocking(directory.path(), &SMALL).unwrap_err();
    assert_eq!(again.to_string(), refused.to_string());
    assert_eq!(contents(directory.path()), before, "nothing was changed");
}

#[tokio::test]
async fn a_store_without_its_tail_can_still_be_looked_into() {
    let directory = ten_commits().await;
    fs::remove_file(directory.path().join("TAIL")).unwrap();
    let found = inspect(directory.path()).unwrap();
    assert_eq!((found.last, found.synced, found.tail), (10, 9, 0));
    assert_eq!(found.damage.len(), 1);
    let copy = TempDir::new().unwrap();
    copy_readable(directory.path(), copy.path()).unwrap();
    let store = open(copy.path()).await.unwrap();
    assert_eq!(store.scan(Space::State, b"", None, 99).unwrap().len(), 9);
}

#[tokio::test]
async fn a_space_whose_tables_are_not_known_is_left_out() {
    let directory = ten_commits().await;
    let keyspaces = directory.path().join(JOURNAL_DIRECTORY).join("keyspaces");
    fs::remove_file(keyspaces.join("2").join("current")).unwrap();
    assert_eq!(inspect(directory.path()).unwrap().damage.len(), 1);
    let copy = TempDir::new().unwrap();
    assert_eq!(copy_readable(directory.path(), copy.path()).unwrap(), [Space::History]);
    let reading = open_readable(copy.path(), &SMALL).unwrap();
    assert_eq!(reading.scan(Space::State, b"", None, 99).unwrap().len(), 9);
}

#[tokio::test]
async fn a_torn_end_is_kept_aside() {
    let directory = ten_commits().await;
    let journal = directory.path().join(JOURNAL_DIRECTORY).join("0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend(b"rubbish");
    fs::write(&journal, bytes).unwrap();
    let found = inspect(directory.path()).unwrap();
    assert_eq!((found.places.len(), found.damage.len(), found.last), (1, 0, 10));
    let store = open(directory.path()).await.unwrap();
    assert_eq!(store.scan(Space::State, b"", None, 99).unwrap().len(), 9);
    store.close().await.unwrap();
    let found = inspect(directory.path()).unwrap();
    assert!(found.places.is_empty());
    assert_eq!(fs::read(&found.torn[0]).unwrap(), b"rubbish");
}

#[tokio::test]
async fn no_more_torn_ends_are_kept_than_a_person_will_look_at() {
    let directory = ten_commits().await;
    let torn = directory.path().join("torn");
    fs::create_dir_all(torn.join("0-of-somebody")).unwrap();
    for n in 0..40 {
        fs::write(torn.join(format!("{n:014}-0-0")), "old").unwrap();
    }
    let journal = directory.path().join(JOURNAL_DIRECTORY).join("0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.push(1);
    fs::write(&journal, bytes).unwrap();
    open(directory.path()).await.unwrap().close().await.unwrap();
    let found = inspect(directory.path()).unwrap();
    assert_eq!(found.torn.len(), 32 + 1);
    assert!(torn.join("0-of-somebody").exists(), "what is no torn end is left alone");
    assert_ne!(fs::read(found.torn.last().unwrap()).unwrap(), b"old", "the newest one is there");
    // However long they are, the newest one is kept, and not much more.
    let oldest = fs::File::create(torn.join(format!("{:014}-0-0", 1))).unwrap();
    oldest.set_len(200 * 1024 * 1024).unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes.push(1);
    fs::write(&journal, bytes).unwrap();
    open(directory.path()).await.unwrap().close().await.unwrap();
    assert!(!torn.join(format!("{:014}-0-0", 1)).exists());
    assert_eq!(inspect(directory.path()).unwrap().torn.len(), 32 + 1);
}
