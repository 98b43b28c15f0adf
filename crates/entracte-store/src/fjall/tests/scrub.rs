//! Tables that are not what was written: found by an opening, or in the background.

use super::*;
use crate::fjall::layout::JOURNAL_DIRECTORY;
use crate::fjall::look;
use crate::fjall::scrub::Scrub;

/// What the blocks of a table begin with.
const BLOCK_START: &[u8] = b"LSM\x03";

/// Makes a store with a table of several blocks.
async fn with_a_table(directory: &Path) -> PathBuf {
    let store = open(directory).await.unwrap();
    for n in 0..200_u32 {
        let mut batch = Batch::new();
        batch.put(Space::State, n.to_be_bytes(), vec![n as u8; 4000]);
        store.commit(batch, Persist::Sync).await.unwrap();
    }
    store.close().await.unwrap();
    let keyspaces = directory.join(JOURNAL_DIRECTORY).join("keyspaces");
    let state = 1 + Space::ALL.iter().position(|space| *space == Space::State).unwrap();
    let tables = look::tables_of(&keyspaces.join(state.to_string())).unwrap();
    let table = tables.into_iter().find(|table| fs::metadata(table).unwrap().len() > 20_000);
    table.expect("a table with several blocks")
}

/// Makes a store with a table, and writes a block of it over another one of its blocks: every
/// block is as it was written, but one is not where it was.
async fn with_a_misplaced_block(directory: &Path) -> PathBuf {
    let table = with_a_table(directory).await;
    let mut bytes = fs::read(&table).unwrap();
    let windows = bytes.windows(BLOCK_START.len()).enumerate();
    let starts: Vec<usize> =
        windows.filter(|(_, window)| *window == BLOCK_START).map(|(at, _)| at).collect();
    // The first block has the number of the last commit, so the store cannot be counted without.
    let [_, second, third, fourth, ..] = starts[..] else { panic!("too few blocks: {starts:?}") };
    assert_eq!(fourth - third, third - second, "the blocks have the same length");
    bytes.copy_within(third..fourth, second);
    fs::write(&table, bytes).unwrap();
    table
}

#[tokio::test]
async fn an_opening_finds_a_misplaced_block() {
    let directory = TempDir::new().unwrap();
    let table = with_a_misplaced_block(directory.path()).await;
    for _ in 0..2 {
        let error = open(directory.path()).await.unwrap_err();
        let StoreError::Corrupt { path, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, table);
    }
    let inspection = inspect(directory.path()).unwrap();
    assert!(inspection.damage.iter().any(|damage| damage.contains("checksum of the table")));
}

#[tokio::test]
async fn what_an_opening_leaves_is_found_in_the_background_and_then_by_every_opening() {
    let directory = TempDir::new().unwrap();
    let table = with_a_misplaced_block(directory.path()).await;
    let nothing = FjallOptions { check_bytes_max: 0, ..SMALL };
    let looked = look::look(directory.path(), 0).unwrap();
    assert!(looked.unchecked.iter().any(|unchecked| unchecked.path == table));
    let poison = Poison::default();
    Scrub::start(directory.path(), looked.unchecked, poison.clone()).unwrap().join();
    let reason = poison.get().expect("the damage is found");
    assert!(reason.contains(&table.display().to_string()), "{reason}");
    let error = FjallStore::open(directory.path(), nothing).await.unwrap_err();
    let StoreError::Corrupt { path, .. } = &error else { panic!("{error}") };
    assert_eq!(*path, table);
}

#[tokio::test]
async fn a_whole_store_is_left_alone_by_the_scrub() {
    let directory = TempDir::new().unwrap();
    let table = with_a_table(directory.path()).await;
    let mut tables = look::look(directory.path(), 0).unwrap().unchecked;
    let whole = tables.iter().find(|unchecked| unchecked.path == table);
    let mut gone = whole.expect("the table is to be checked").clone();
    gone.path.set_extension("gone");
    tables.push(gone);
    let poison = Poison::default();
    Scrub::start(directory.path(), tables, poison.clone()).unwrap().join();
    assert_eq!(poison.get(), None);
}
