//! Verifying: what an engine leaves behind, at whatever moment it ends, fits together.

use std::sync::Arc;
use std::time::Duration;

use entracte::export::export;
use entracte::prelude::*;
use entracte::store::{MemoryStore, Store, StoreExt};
use entracte::verify::verify;
use entracte::{Event, EventAttributes};
use entracte_testing::TestEngine;

const WORK: Activity<bool, u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(3_600));
const BUSY: Workflow<(), u32> = Workflow::new("busy");
const IDLE: Workflow<(), ()> = Workflow::new("idle");
const BROKEN: Workflow<(), ()> = Workflow::new("broken");

/// Waits for an activity that hangs, one that is retried after a while, and a timer.
async fn busy(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    let policy = RetryPolicy::exponential(Duration::from_secs(1_000));
    let (hangs, fails, ()) = join!(
        ctx.activity(WORK, true),
        ctx.activity(WORK, false).retry_policy(policy),
        ctx.sleep(Duration::from_secs(10_000)),
    );
    Ok(hangs? + fails?)
}

async fn idle(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.cancelled().await;
    Ok(())
}

async fn broken(_ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    panic!("there is no code yet")
}

async fn work(ctx: ActivityContext, hangs: bool) -> ActivityResult<u32> {
    if hangs {
        ctx.cancelled().await;
    }
    Err(Failure::application("Flaky", "not now"))
}

async fn engine(store: &Arc<dyn Store>) -> Engine {
    TestEngine::on_store(Arc::clone(store))
        .workflow(BUSY, busy)
        .workflow(IDLE, idle)
        .workflow(BROKEN, broken)
        .activity(WORK, work)
        .start()
        .await
        .unwrap()
}

fn assert_sound(store: &dyn Store, awaiting_cancellation: u64) {
    let report = verify(store).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.counts.runs_awaiting_cancellation, awaiting_cancellation, "{report}");
}

/// Starts runs in every state, waits until they are in it, and kills the engine.
async fn crashed_store() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store).await;
    let busy = first.start_workflow(BUSY, ()).workflow_id("busy").await.unwrap();
    first.start_workflow(IDLE, ()).workflow_id("idle").await.unwrap();
    first.start_workflow(BROKEN, ()).workflow_id("broken").await.unwrap();
    let closed = first.start_workflow(IDLE, ()).workflow_id("closed").await.unwrap();
    closed.cancel("enough").await.unwrap();
    closed.result().await.unwrap();
    while !busy.describe().await.unwrap().pending_activities.iter().any(|one| one.attempt == 2) {
        tokio::task::yield_now().await;
    }
    drop(first);
    store
}

#[tokio::test(start_paused = true)]
async fn a_killed_engine_leaves_a_store_that_fits_together() {
    let store = crashed_store().await;
    assert_sound(&*store, 1);
    let counts = verify(&*store).unwrap().counts;
    assert_eq!((counts.pending_activities, counts.due, counts.inbox), (2, 2, 1));
    // Opening it again, ending runs and shutting down in order keep it so.
    let second = engine(&store).await;
    assert_sound(&*store, 1);
    let busy = second.workflow_handle(BUSY, "busy").await.unwrap();
    busy.cancel("enough").await.unwrap();
    let broken = second.workflow_handle(BROKEN, "broken").await.unwrap();
    broken.terminate("never").await.unwrap();
    assert_sound(&*store, 1);
    let _ = busy.result().await;
    drop(second);
    assert_sound(&*store, 1);
}

#[tokio::test(start_paused = true)]
async fn an_export_gives_the_events_of_an_engine_back() {
    let store = crashed_store().await;
    let mut out = Vec::new();
    let report = export(&*store, &mut out).unwrap();
    assert_eq!((report.runs, report.problems), (4, 0));
    let text = String::from_utf8(out).unwrap();
    let runs = store.list_runs(None, usize::MAX).unwrap();
    assert_eq!(text.lines().count(), runs.len());
    for (line, (run_id, _)) in text.lines().zip(runs) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let events: Vec<Event> = serde_json::from_value(line["events"].clone()).unwrap();
        assert_eq!(events, store.read_history(run_id).unwrap());
        if line["workflow_id"] == "broken" {
            assert_eq!(events, []);
            assert!(line["inbox"][0]["message"]["Start"]["workflow_id"] == "broken", "{line}");
        } else {
            let started = &events[0].attributes;
            assert!(matches!(started, EventAttributes::WorkflowExecutionStarted(_)));
        }
    }
}
