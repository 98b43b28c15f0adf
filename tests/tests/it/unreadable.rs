//! What of a run cannot be read is a named error for whoever asks, and is not waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::keys::{HistoryKey, Key};
use entracte::store::{Batch, MemoryStore, Persist, Row, Space, Store, StoreError, StoreExt};
use entracte_testing::{HookedStore, StoreHook, TestEngine};
use entracte_tests::small::{NAP, RACE, Work, small_workflows, start};
use tokio::time::timeout;

/// Long enough for an answer that needs no waiting.
const SOON: Duration = Duration::from_secs(5);

async fn engine(store: &Arc<dyn Store>) -> Engine {
    small_workflows(Engine::on_store(Arc::clone(store))).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn wid_3_a_run_without_readable_history_cannot_be_terminated_by_a_start_which_says_so() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store).await;
    let run = start(&first, NAP, 1, "nap").await.unwrap();
    while run.describe().await.unwrap().pending_timers.is_empty() {
        tokio::task::yield_now().await;
    }
    let event_id = run.history().await.unwrap()[2].id;
    drop(first);
    let mut batch = Batch::new();
    batch.delete(Space::History, HistoryKey { run_id: run.run_id(), event_id }.encode());
    store.commit(batch, Persist::Sync).await.unwrap();

    let second = engine(&store).await;
    let asked = second
        .start_workflow(NAP, 1)
        .workflow_id("nap")
        .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
    timeout(SOON, asked.into_future()).await.expect("there is an answer").unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_a_corrupt_row_is_described_and_keeps_no_processor_busy() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store).await;
    let run = start(&first, RACE, Work { seconds: 3_600, result: 1 }, "race").await.unwrap();
    drop(first);
    let (key, _) = store.pending_activities(run.run_id()).unwrap().remove(0);
    let mut batch = Batch::new();
    batch.put(Space::State, key.encode(), "no row");
    store.commit(batch, Persist::Sync).await.unwrap();

    let second = engine(&store).await;
    let run = second.workflow_handle(RACE, "race").await.unwrap();
    let answer = timeout(SOON, run.describe()).await;
    // Each time the run is opened, it is replayed.
    let replays = second.journal_stats().replays;
    assert!(answer.is_ok(), "no answer, but {replays} replays");
}

/// Histories cannot be read for a while.
#[derive(Debug, Default)]
struct Flaky(AtomicBool);

impl StoreHook for Flaky {
    fn scan(&self, space: Space, start: &[u8], _rows: &[Row]) -> Result<(), StoreError> {
        if space == Space::History && self.0.load(Ordering::SeqCst) {
            return Err(StoreError::corrupt(space, start, "not now"));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_history_could_not_be_read_at_first_goes_on_when_it_can() {
    let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), Flaky::default()));
    let open = async || {
        let store: Arc<dyn Store> = store.clone();
        small_workflows(TestEngine::on_store(store)).start().await.unwrap()
    };
    let first = open().await;
    let run = start(&first, NAP, 30, "nap").await.unwrap();
    while run.describe().await.unwrap().pending_timers.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(first);
    store.hook().0.store(true, Ordering::SeqCst);
    let second = open().await;
    let run = second.workflow_handle(NAP, "nap").await.unwrap();
    let description = run.describe().await.unwrap();
    assert!(description.parked.is_some(), "{description:?}");
    store.hook().0.store(false, Ordering::SeqCst);
    // The timer of the workflow is due within an hour.
    let result = timeout(Duration::from_secs(7 * 86_400), run.result()).await;
    let description = run.describe().await.unwrap();
    assert_eq!(result.unwrap_or_else(|_| panic!("{description:#?}")).unwrap(), 32);
}
