//! What the keeper does behind the commits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use lsm_tree::AbstractTree;

use super::*;
use crate::fjall::database::Opened;
use crate::fjall::keeper::Keeper;
use crate::fjall::layout::JOURNAL_DIRECTORY;
use crate::fjall::progress::Progress;
use crate::fjall::tail::TailFile;

fn tail_of(directory: &Path) -> u64 {
    crate::fjall::tail::read(directory).unwrap().synced
}

#[tokio::test]
async fn the_tail_is_exact_when_the_store_is_closed() {
    let directory = TempDir::new().unwrap();
    for round in 1..=3 {
        let store = open(directory.path()).await.unwrap();
        for _ in 0..10 {
            store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
        }
        store.commit(batch("k", "w"), Persist::Buffer).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(tail_of(directory.path()), 1 + round * 11);
    }
}

#[tokio::test]
async fn the_tail_follows_what_is_synced_and_never_goes_ahead() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    assert_eq!(tail_of(directory.path()), 1, "what was found is durable");
    for _ in 0..5 {
        store.commit(batch("k", "v"), Persist::Buffer).await.unwrap();
    }
    assert_eq!(tail_of(directory.path()), 1, "nothing was synced");
    store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
    while tail_of(directory.path()) < 7 {
        tokio::task::yield_now().await;
    }
    store.commit(batch("k", "v"), Persist::Buffer).await.unwrap();
    store.sync().await.unwrap();
    while tail_of(directory.path()) < 8 {
        tokio::task::yield_now().await;
    }
    store.close().await.unwrap();
}

/// While commits go on, the tail lags by about a second: here, by less than three.
#[tokio::test]
async fn the_tail_does_not_lag_far_behind() {
    const LAG_MAX: Duration = Duration::from_secs(3);
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let start = Instant::now();
    let mut synced = VecDeque::new();
    for number in 2_u64.. {
        store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
        synced.push_back((Instant::now(), number));
        let now = Instant::now();
        let tail = tail_of(directory.path());
        assert!(tail <= number, "the tail is at {tail}, ahead of {number}");
        while synced.front().is_some_and(|(at, _)| now - *at > LAG_MAX) {
            let (_, number) = synced.pop_front().unwrap();
            assert!(tail >= number, "the tail is at {tail}, far behind {number}");
        }
        if start.elapsed() > LAG_MAX + Duration::from_secs(1) {
            break;
        }
    }
    assert!(tail_of(directory.path()) > 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_tail_that_cannot_be_written_poisons_the_store() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    // A second keeper, whose disk is full, and who has something to note.
    let progress = Arc::new(Progress::new(5, 0, usize::MAX));
    let tail = TailFile::on_a_full_disk().unwrap();
    let poison = store.shared.poison();
    let start = |opened: &Opened| {
        let (database, keyspaces) = (opened.database(), opened.keyspaces());
        Keeper::start(database, keyspaces, progress, tail, &SMALL, poison.clone())
    };
    let keeper = store.shared.with(start).unwrap();
    while poison.get().is_none() {
        tokio::task::yield_now().await;
    }
    drop(keeper);
    let refused = store.commit(batch("k", "v"), Persist::Sync).await;
    let Err(StoreError::Poisoned { reason }) = &refused else { panic!("{refused:?}") };
    assert!(reason.starts_with("no space left to write the tail"), "{reason}");
}

/// What reaches a memtable while the keeper closes it outside of the lock must be in the journal.
#[tokio::test]
async fn a_buffered_commit_during_a_rotation_is_synced() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let set = |is_rotating| {
        store.shared.with(|opened| opened.progress().lock().is_rotating = is_rotating);
    };
    set(true);
    store.commit(batch("k", "v"), Persist::Buffer).await.unwrap();
    while tail_of(directory.path()) < 2 {
        tokio::task::yield_now().await;
    }
    set(false);
    store.commit(batch("k", "w"), Persist::Buffer).await.unwrap();
    store.shared.with(|opened| assert_eq!(opened.progress().lock().synced, 2));
    store.close().await.unwrap();
}

/// How many journal files there are, and the length of the tables of each space.
fn sizes(directory: &Path) -> (usize, Vec<u64>) {
    let journal = directory.join(JOURNAL_DIRECTORY);
    let is_journal = |path: &Path| path.extension().is_some_and(|extension| extension == "jnl");
    let entries = |path: &Path| -> Vec<_> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let journals = entries(&journal).iter().filter(|path| is_journal(path)).count();
    let tables = (1..=3).map(|id| {
        let tables = journal.join("keyspaces").join(id.to_string()).join("tables");
        entries(&tables).iter().filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    });
    (journals, tables.collect())
}

/// A space that gets few rows must not keep the journals of one that gets many.
#[tokio::test]
async fn quiet_spaces_do_not_keep_the_journals() {
    let directory = TempDir::new().unwrap();
    let options = FjallOptions {
        memtable_bytes_max: 4 * 1024 * 1024,
        journal_bytes_max: 16 * 1024 * 1024,
        ..SMALL
    };
    let store = FjallStore::open(directory.path(), options).await.unwrap();
    let mut few = Batch::new();
    few.put(Space::History, "once", "and never again");
    store.commit(few, Persist::Buffer).await.unwrap();
    // Three journals' worth.
    for n in 0..200_u32 {
        let mut many = Batch::new();
        many.put(Space::State, n.to_be_bytes(), vec![n as u8; 1024 * 1024]);
        store.commit(many, Persist::Buffer).await.unwrap();
        assert!(sizes(directory.path()).0 <= 3, "at most the active one, and two being put away");
    }
    // Each of the spaces gets its table in the background.
    while sizes(directory.path()).1.contains(&0) || sizes(directory.path()).0 > 2 {
        tokio::task::yield_now().await;
    }
    store.close().await.unwrap();
    let found = inspect(directory.path()).unwrap();
    assert!(found.in_tables > 2, "{found:?}");
    assert!(found.journals.iter().map(|journal| journal.bytes).sum::<u64>() < 160_000_000);
    let store = FjallStore::open(directory.path(), options).await.unwrap();
    assert_eq!(store.get(Space::History, b"once").unwrap().unwrap(), "and never again");
    assert_eq!(store.scan(Space::State, b"", None, 999).unwrap().len(), 200);
}

/// A program that runs for a moment every hour must not find ever longer journals.
#[tokio::test]
async fn openings_that_are_soon_over_do_not_pile_up_journals() {
    let directory = TempDir::new().unwrap();
    let options = FjallOptions {
        memtable_bytes_max: 16 * 1024 * 1024,
        journal_bytes_max: 16 * 1024 * 1024,
        ..SMALL
    };
    // In all more than twice of what the journals may hold; each one less than makes a memtable
    // full, or old.
    const OPENINGS: u32 = 28;
    let mut longest = 0;
    for n in 0..OPENINGS {
        let store = FjallStore::open(directory.path(), options).await.unwrap();
        let mut batch = Batch::new();
        batch.put(Space::State, n.to_be_bytes(), vec![n as u8; 7_000_000]);
        store.commit(batch, Persist::Sync).await.unwrap();
        store.commit(batch_of(n), Persist::Sync).await.unwrap();
        store.close().await.unwrap();
        let found = crate::fjall::look::look(directory.path(), 0).unwrap().findings;
        longest = longest.max(found.journal_bytes);
    }
    // What an opening may find, and what it has added.
    let allowed = 64_000_000 + options.journal_bytes_max + 7_100_000;
    assert!(longest <= allowed, "the journals held {longest} bytes");
    assert!(longest > 64_000_000, "this shows nothing");
    let store = FjallStore::open(directory.path(), options).await.unwrap();
    assert_eq!(store.scan(Space::State, b"", None, 999).unwrap().len(), OPENINGS as usize);
    assert_eq!(store.scan(Space::History, b"", None, 999).unwrap().len(), OPENINGS as usize);
}

fn batch_of(n: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::History, n.to_be_bytes(), "few");
    batch
}

/// More in the journals than the options allow: it is put into tables by the opening.
#[tokio::test]
async fn an_opening_empties_journals_that_are_too_long() {
    const COMMITS: u32 = 30;
    let directory = TempDir::new().unwrap();
    let gib = 1024 * 1024 * 1024;
    let lazy = FjallOptions { memtable_bytes_max: gib, journal_bytes_max: gib, ..SMALL };
    let store = FjallStore::open(directory.path(), lazy).await.unwrap();
    for n in 0..COMMITS {
        let mut batch = batch_of(n);
        batch.put(Space::State, n.to_be_bytes(), vec![n as u8; 3_000_000]);
        store.commit(batch, Persist::Buffer).await.unwrap();
    }
    store.close().await.unwrap();
    let found = || crate::fjall::look::look(directory.path(), 0).unwrap().findings;
    assert_eq!(found().in_tables, 0, "all of it is in the journals");
    let options = FjallOptions { journal_bytes_max: 16 * 1024 * 1024, ..SMALL };
    for opening in 1..=2 {
        let store = FjallStore::open(directory.path(), options).await.unwrap();
        assert_eq!(store.scan(Space::State, b"", None, 999).unwrap().len(), COMMITS as usize);
        assert_eq!(store.scan(Space::History, b"", None, 999).unwrap().len(), COMMITS as usize);
        store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
        store.commit(lost("k"), Persist::Sync).await.unwrap();
        store.close().await.unwrap();
        let found = found();
        assert_eq!(found.last, 1 + u64::from(COMMITS) + 2 * opening);
        assert!(found.in_tables > u64::from(COMMITS), "{found:?}");
        assert!(found.journal_bytes < 10_000, "{found:?}");
    }
}

fn lost(key: &str) -> Batch {
    let mut batch = Batch::new();
    batch.delete(Space::State, key);
    batch
}

/// The keeper holds on to tables that were compacted away, but not for ever.
#[tokio::test]
async fn tables_that_were_compacted_away_go_when_nothing_is_committed() {
    let directory = TempDir::new().unwrap();
    let options = FjallOptions { memtable_bytes_max: 1024 * 1024, ..SMALL };
    let store = FjallStore::open(directory.path(), options).await.unwrap();
    for n in 0..200_u32 {
        let mut batch = Batch::new();
        batch.put(Space::State, (n % 7).to_be_bytes(), vec![n as u8; 64 * 1024]);
        store.commit(batch, Persist::Buffer).await.unwrap();
    }
    let live = |opened: &Opened| {
        opened.keyspaces().of(Space::State).tree.current_version().iter_tables().count()
    };
    let tables = directory.path().join(JOURNAL_DIRECTORY).join("keyspaces/3/tables");
    let on_disk = || fs::read_dir(&tables).unwrap().count();
    let compacted = || store.shared.with(|opened| opened.database().compactions_completed());
    while compacted() == 0 || on_disk() > store.shared.with(live) {
        // fjall itself holds on to old versions of all spaces until it writes the next table.
        let mut little = Batch::new();
        little.put(Space::Meta, "little", "it is not enough for the keeper to look");
        store.commit(little, Persist::Buffer).await.unwrap();
        let write = |opened: &Opened| opened.keyspaces().of(Space::Meta).rotate_memtable();
        store.shared.with(write).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store.close().await.unwrap();
}
