//! The limits of a run (rules LIM-1 to LIM-6 and CHD-18), as the engine keeps them.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{Batch, MemoryStore, Store, StoreExt, StoreFuture};
use entracte::{ActorKind, EngineBuilder, EngineOptions, RunActorState, RunId, StartWorkflowError};
use entracte_testing::crash::CrashTest;
use entracte_testing::{HookedStore, SimulatedDisk, SimulatedOptions, StoreHook, TestEngine};
use tokio::sync::Semaphore;
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3_600);
const WAIT: Activity<u64, u64> = Activity::new("wait").start_to_close_timeout(HOUR);
const MANY: Workflow<u64, Vec<String>> = Workflow::new("many");
const CHILD: Workflow<u64, u64> = Workflow::new("child");
const PARENT: Workflow<u64, Vec<String>> = Workflow::new("parent");
const READS: Workflow<(), u64> = Workflow::new("reads");
const TIMERS: Workflow<u64, ()> = Workflow::new("timers");
const TEXT: Signal<String> = Signal::new("text");
const END: Signal<()> = Signal::new("end");

fn told<T>(results: Vec<WorkflowResult<T>>) -> Vec<String> {
    let refused = results.into_iter().filter_map(Result::err);
    refused.map(|failure| failure.to_string()).collect()
}

/// Calls so many activities at once, waits for a signal, and tells which calls were refused.
async fn many(ctx: WorkflowContext, count: u64) -> WorkflowResult<Vec<String>> {
    let called = join_all((0..count).map(|number| ctx.activity(WAIT, number)));
    ctx.signals(END).recv().await;
    Ok(told(called.await))
}

async fn parent(ctx: WorkflowContext, count: u64) -> WorkflowResult<Vec<String>> {
    let id = |number| format!("{}-{number}", ctx.workflow_id());
    let children = (0..count).map(|number| ctx.child(CHILD, number).workflow_id(id(number)));
    Ok(told(join_all(children).await))
}

async fn child(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.sleep(HOUR).await;
    Ok(number)
}

async fn reads(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
    let mut texts = ctx.signals(TEXT);
    while !ctx.continue_as_new_suggested() {
        texts.recv().await;
    }
    ctx.signals(END).recv().await;
    Ok(ctx.history_size())
}

async fn timers(ctx: WorkflowContext, count: u64) -> WorkflowResult<()> {
    join_all((0..count).map(|_| ctx.sleep(HOUR))).await;
    Ok(())
}

fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(MANY, many)
        .workflow(PARENT, parent)
        .workflow(CHILD, child)
        .workflow(READS, reads)
        .workflow(TIMERS, timers)
        .activity(WAIT, async |_, number| Ok(number))
}

fn terminated(error: WorkflowError) -> String {
    match error {
        WorkflowError::Terminated { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn lim_1_to_6_the_defaults_are_temporals() {
    let options = EngineOptions::default();
    assert_eq!((options.history_events_warn, options.history_events_max), (10_240, 51_200));
    assert_eq!((options.history_bytes_warn, options.history_bytes_max), (10 << 20, 50 << 20));
    assert_eq!(options.payload_bytes_max, 2 << 20);
    let limits = options.pending_limits;
    assert_eq!((limits.activities, limits.children), (2_000, 2_000));
    assert_eq!((limits.external_signals, limits.external_cancels), (2_000, 2_000));
}

#[tokio::test(start_paused = true)]
async fn lim_1_by_default_a_history_of_more_than_51_200_events_is_terminated() {
    let engine = TestEngine::builder().replay_every_event(false);
    let engine = workflows(engine).start().await.unwrap();
    let run = engine.start_workflow(TIMERS, 51_199).await.unwrap();
    assert!(run.describe().await.unwrap().status.is_open());
    let run = engine.start_workflow(TIMERS, 51_200).await.unwrap();
    let reason = terminated(run.result().await.unwrap_err());
    assert_eq!(reason, "Workflow history count exceeds limit.");
}

#[tokio::test(start_paused = true)]
async fn lim_2_by_default_a_history_of_more_than_50_mib_is_terminated() {
    let engine = TestEngine::builder().replay_every_event(false);
    let engine = workflows(engine).start().await.unwrap();
    let run = engine.start_workflow(READS, ()).await.unwrap();
    let text = "x".repeat(2_000_000);
    for _ in 0..26 {
        run.signal(TEXT, text.clone()).await.unwrap();
        assert!(run.describe().await.unwrap().status.is_open());
    }
    run.signal(TEXT, text).await.unwrap();
    let reason = terminated(run.result().await.unwrap_err());
    assert_eq!(reason, "Workflow history size exceeds limit.");
}

#[tokio::test(start_paused = true)]
async fn lim_3_a_workflow_sees_how_large_its_history_is_also_after_a_replay() {
    // This engine replays before every event.
    let engine = workflows(TestEngine::builder()).start().await.unwrap();
    let run = engine.start_workflow(READS, ()).await.unwrap();
    for _ in 0..3 {
        run.signal(TEXT, "x".repeat(2_000_000)).await.unwrap();
    }
    run.signal(END, ()).await.unwrap();
    let size = run.result().await.unwrap();
    assert!(size > 6_000_000 && size < 6_001_000, "{size}");
}

#[tokio::test(start_paused = true)]
async fn lim_6_by_default_the_2001st_pending_activity_is_refused_at_the_call() {
    let engine = TestEngine::builder().replay_every_event(false);
    let engine = workflows(engine).start().await.unwrap();
    let run = engine.start_workflow(MANY, 2_001).await.unwrap();
    run.signal(END, ()).await.unwrap();
    let text = "the number of pending activities, 2000, has reached the per-workflow limit of 2000";
    assert_eq!(run.result().await.unwrap(), [text]);
}

#[tokio::test(start_paused = true)]
async fn chd_18_a_child_too_many_is_refused_at_the_call() {
    let engine = TestEngine::builder().pending_children_max(2);
    let engine = workflows(engine).start().await.unwrap();
    let run = engine.start_workflow(PARENT, 3).await.unwrap();
    let text = "the number of pending child workflow executions, 2, has reached the per-workflow \
                limit of 2";
    assert_eq!(run.result().await.unwrap(), [text]);
}

#[tokio::test(start_paused = true)]
async fn lim_6_a_run_keeps_the_limits_of_its_start_over_engines_with_others() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = |limit| {
        let engine = TestEngine::on_store(disk.reopen()).pending_activities_max(limit);
        workflows(engine).start()
    };
    let first = engine(2).await.unwrap();
    first.start_workflow(MANY, 3).workflow_id("old").await.unwrap();
    first.shutdown().await.unwrap();
    for limit in [100, 1] {
        let next = engine(limit).await.unwrap();
        let old = next.workflow_handle(MANY, "old").await.unwrap();
        assert!(old.describe().await.unwrap().parked.is_none());
        let new = next.start_workflow(MANY, 3).await.unwrap();
        new.signal(END, ()).await.unwrap();
        let refused = 3_usize.saturating_sub(limit as usize);
        assert_eq!(new.result().await.unwrap().len(), refused, "limit {limit}");
        if limit == 1 {
            old.signal(END, ()).await.unwrap();
            let text =
                "the number of pending activities, 2, has reached the per-workflow limit of 2";
            assert_eq!(old.result().await.unwrap(), [text]);
        }
        next.shutdown().await.unwrap();
    }
}

#[test]
fn lim_6_refusals_survive_a_crash_at_every_commit() {
    let set_up = |engine: EngineBuilder| {
        let engine = engine.pending_activities_max(2).open_children_max(2);
        workflows(engine).replay_every_event(true)
    };
    let report = CrashTest::new(set_up, async |engine: Engine| {
        let run = engine.start_workflow(MANY, 3).workflow_id("m").request_id("m").await?;
        run.signal(END, ()).request_id("end").await?;
        assert_eq!(run.result().await?.len(), 1);
        Ok(())
    });
    let report = report.run().unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} plays, {} faults", report.plays, report.faults);
}

#[tokio::test(start_paused = true)]
async fn a_child_too_many_for_the_engine_fails_at_its_parent_and_does_not_wait() {
    let engine = TestEngine::builder().open_runs_max(1).open_children_max(2);
    let engine = workflows(engine).start().await.unwrap();
    // Neither does the parent count as a child, nor do children count as started by clients.
    let run = engine.start_workflow(PARENT, 3).workflow_id("p").await.unwrap();
    let refused = loop {
        let children = run.describe().await.unwrap().pending_children;
        if children.len() == 2 && children.iter().all(|child| child.run_id.is_some()) {
            break engine.start_workflow(CHILD, 0).await.unwrap_err();
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(refused, StartWorkflowError::TooManyOpenRuns { limit: 1 }), "{refused}");
    let told = run.result().await.unwrap();
    assert_eq!(told, ["as many child workflows are open as the engine allows"]);
    // There is room again.
    let run = engine.start_workflow(PARENT, 2).workflow_id("again").await.unwrap();
    assert!(run.result().await.unwrap().is_empty());
}

/// Lets as many commits pass as it has permits.
#[derive(Debug)]
struct Gate(Semaphore);

impl StoreHook for Gate {
    fn commit(&self, _batch: &Batch) -> Option<StoreFuture<'_>> {
        Some(Box::pin(async {
            self.0.acquire().await.unwrap().forget();
            Ok(())
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn children_that_are_being_opened_take_no_place_of_clients() {
    let gate = Gate(Semaphore::new(1_000));
    let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), gate));
    let engine = TestEngine::on_store(store.clone()).open_runs_max(3);
    let engine = workflows(engine).start().await.unwrap();
    let start = |id: &'static str, children| {
        let engine = engine.clone();
        tokio::spawn(async move {
            engine.start_workflow(PARENT, children).workflow_id(id).await.map(|_| ())
        })
    };
    let reads = engine.start_workflow(READS, ()).await.unwrap();
    let gate = &store.hook().0;
    gate.forget_permits(gate.available_permits());
    let parent = start("parent", 5);
    sleep(Duration::from_secs(1)).await;
    // Behind the commit that starts the children comes another one. While that is on its way,
    // nobody who is opened may read the store.
    let text = tokio::spawn(async move { reads.signal(TEXT, "held up".to_owned()).await });
    sleep(Duration::from_secs(1)).await;
    gate.add_permits(1);
    sleep(Duration::from_secs(1)).await;
    parent.await.unwrap().unwrap();
    let tree = engine.tree().await.unwrap();
    let is_opening =
        |kind: &ActorKind| matches!(kind, ActorKind::Run { state: RunActorState::Opening, .. });
    assert_eq!(tree.nodes.iter().filter(|node| is_opening(&node.kind)).count(), 5, "{tree}");
    let third = start("third", 0);
    sleep(Duration::from_secs(1)).await;
    assert!(!third.is_finished(), "it waits for the disk: {:?}", third.await);
    gate.add_permits(1_000);
    third.await.unwrap().unwrap();
    text.await.unwrap().unwrap();
    // The third one is over: it had no children.
    start("fourth", 1).await.unwrap().unwrap();
    let refused = start("fifth", 1).await.unwrap().unwrap_err();
    assert!(matches!(refused, StartWorkflowError::TooManyOpenRuns { limit: 3 }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn lim_1_and_2_a_run_that_comes_back_over_its_limit_is_terminated_at_once() {
    // As it is after a crash between the turn that passed the limit and the termination.
    type Limit = fn(EngineBuilder) -> EngineBuilder;
    let limits: [(Limit, &str); 2] = [
        (|engine| engine.history_events_max(4), "Workflow history count exceeds limit."),
        (|engine| engine.history_bytes_max(400), "Workflow history size exceeds limit."),
    ];
    for (limit, text) in limits {
        let disk = SimulatedDisk::new(SimulatedOptions::default());
        let first = workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let timers = first.start_workflow(TIMERS, 10).workflow_id("timers").await.unwrap();
        first.start_workflow(TIMERS, 1).workflow_id("short").await.unwrap();
        assert!(timers.describe().await.unwrap().status.is_open());
        first.shutdown().await.unwrap();
        let events = events_of(&*disk.reopen(), timers.run_id());
        let next = limit(workflows(TestEngine::on_store(disk.reopen()))).start().await.unwrap();
        let timers = next.workflow_handle(TIMERS, "timers").await.unwrap();
        assert_eq!(terminated(timers.result().await.unwrap_err()), text);
        let short = next.workflow_handle(TIMERS, "short").await.unwrap();
        assert!(short.describe().await.unwrap().status.is_open());
        next.shutdown().await.unwrap();
        // No timer was waited for, and no turn was taken.
        let after = events_of(&*disk.reopen(), timers.run_id());
        assert_eq!(after, events + 1);
    }
}

/// How many events the store holds of a run.
fn events_of(store: &dyn Store, run_id: RunId) -> usize {
    store.read_history(run_id).unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_failure_that_is_too_large_ends_the_run_as_a_result_would() {
    const FAILS: Workflow<usize, ()> = Workflow::new("fails");
    let engine = TestEngine::builder()
        .payload_bytes_max(1_000)
        .workflow(FAILS, async |_: WorkflowContext, bytes| {
            Err(Failure::application("Long", "x".repeat(bytes)))
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(FAILS, 2_000).await.unwrap();
    let reason = terminated(run.result().await.unwrap_err());
    assert!(reason.starts_with("the failure of the workflow of 2004 bytes"), "{reason}");
    let run = engine.start_workflow(FAILS, 500).await.unwrap();
    assert_eq!(run.result().await.unwrap_err().failure().unwrap().message().len(), 500);
}
