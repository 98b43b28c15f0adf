use entracte_store::{CrashPoint, MemoryStore, Persist, SimulatedDisk, SimulatedOptions};

use super::*;

fn run() -> RunId {
    RunId::from_bytes([7; RunId::LEN])
}

fn put(batch: &mut Batch, event_id: u64, value: &str) {
    let key = HistoryKey { run_id: run(), event_id: EventId::new(event_id) };
    batch.put(Space::History, key.encode(), value);
}

async fn write(store: &WitnessStore, event_id: u64, value: &str, persist: Persist) {
    let mut batch = Batch::new();
    put(&mut batch, event_id, value);
    store.commit(batch, persist).await.unwrap();
}

/// A store that holds some events, whoever wrote them.
async fn store_of(events: &[(u64, &str)]) -> Arc<dyn Store> {
    let store = MemoryStore::new();
    let mut batch = Batch::new();
    events.iter().for_each(|(event_id, value)| put(&mut batch, *event_id, value));
    store.commit(batch, Persist::Sync).await.unwrap();
    Arc::new(store)
}

fn event(id: u64) -> (RunId, EventId) {
    (run(), EventId::new(id))
}

#[tokio::test]
async fn events_are_written_once_in_order_and_stay() {
    let witness = Witness::new();
    let store = witness.watch(Arc::new(MemoryStore::new())).unwrap();
    write(&store, 1, "one", Persist::Sync).await;
    write(&store, 2, "two", Persist::Sync).await;
    assert_eq!((witness.events(), witness.violations()), (2, vec![]));
    write(&store, 2, "two", Persist::Sync).await;
    write(&store, 4, "four", Persist::Sync).await;
    let mut batch = Batch::new();
    batch.delete(Space::History, HistoryKey { run_id: run(), event_id: EventId::FIRST }.encode());
    store.commit(batch, Persist::Sync).await.unwrap();
    let (run_id, event_id) = event(2);
    let twice = Violation::WrittenTwice { run_id, event_id };
    let (run_id, event_id) = event(4);
    let gap = Violation::Gap { run_id, event_id };
    let (run_id, event_id) = event(1);
    let deleted = Violation::Deleted { run_id, event_id };
    assert_eq!(witness.violations(), [twice, gap, deleted]);
}

#[tokio::test]
async fn what_was_synced_must_survive() {
    let witness = Witness::new();
    let store = witness.watch(Arc::new(MemoryStore::new())).unwrap();
    write(&store, 1, "one", Persist::Sync).await;
    write(&store, 2, "two", Persist::Buffer).await;
    write(&store, 3, "three", Persist::Buffer).await;
    // Event 3 may be lost, event 1 may not, and event 2 only together with event 3.
    witness.watch(store_of(&[(3, "three")]).await).unwrap();
    let (run_id, event_id) = event(1);
    let lost = Violation::Lost { run_id, event_id };
    let (run_id, event_id) = event(2);
    assert_eq!(witness.violations(), [lost, Violation::Mixture { run_id, event_id }]);
}

#[tokio::test]
async fn what_survives_must_have_been_written() {
    let witness = Witness::new();
    let store = witness.watch(Arc::new(MemoryStore::new())).unwrap();
    write(&store, 1, "one", Persist::Sync).await;
    witness.watch(store_of(&[(1, "uno"), (2, "two")]).await).unwrap();
    let changed = |id| {
        let (run_id, event_id) = event(id);
        Violation::Changed { run_id, event_id }
    };
    assert_eq!(witness.violations(), [changed(1), changed(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_takes_the_end_of_the_journal_away_is_in_order() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let witness = Witness::new();
    let store = witness.watch(disk.reopen()).unwrap();
    write(&store, 1, "one", Persist::Buffer).await;
    store.sync().await.unwrap();
    write(&store, 2, "two", Persist::Buffer).await;
    disk.crash_at_commit(3, CrashPoint::BeforeDurable);
    let mut batch = Batch::new();
    put(&mut batch, 3, "three");
    tokio::select! {
        _ = store.commit(batch, Persist::Sync) => unreachable!("the machine dies first"),
        () = disk.crashed() => {}
    }
    let store = witness.watch(disk.reopen()).unwrap();
    assert_eq!(witness.events(), 1);
    write(&store, 2, "another two", Persist::Sync).await;
    assert_eq!(witness.violations(), []);
}
