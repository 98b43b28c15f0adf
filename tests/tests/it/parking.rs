//! Parking: a failed turn is visible, fails no run, and is over when the code is mended.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::{ParkCause, TurnFailure, WorkflowDescription};
use entracte_testing::TestEngine;
use entracte_tests::look::assert_well_formed;
use entracte_tests::steps::{ADD_ONE, add_one};

const TASK: Workflow<u64, u64> = Workflow::new("task");

/// The code that all the broken versions are mended to.
async fn mended(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let number = ctx.activity(ADD_ONE, number).await?;
    ctx.sleep(Duration::from_secs(10)).await;
    ctx.activity(ADD_ONE, number).await
}

async fn start<F, Fut>(store: &Arc<dyn Store>, function: F) -> Engine
where
    F: Fn(WorkflowContext, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = WorkflowResult<u64>> + Send + 'static,
{
    TestEngine::on_store(Arc::clone(store))
        // A workflow that is put out of memory after each event is not there to be woken.
        .replay_every_event(false)
        .workflow(TASK, function)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap()
}

async fn parked(run: &WorkflowHandle<u64>) -> WorkflowDescription {
    loop {
        let description = run.describe().await.unwrap();
        if description.parked.is_some() {
            return description;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn turn_failure(description: &WorkflowDescription) -> TurnFailure {
    match &description.parked.as_ref().unwrap().cause {
        ParkCause::Turn { failure } => failure.clone(),
        cause => panic!("{cause:?}"),
    }
}

/// Starts a run with broken code, sees it parked, mends the code, and sees the run finish.
async fn parks_and_goes_on<F, Fut>(broken: F) -> TurnFailure
where
    F: Fn(WorkflowContext, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = WorkflowResult<u64>> + Send + 'static,
{
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = start(&store, broken).await;
    let run = engine.start_workflow(TASK, 40).workflow_id("task").await.unwrap();
    let description = parked(&run).await;
    assert_eq!(description.status, WorkflowStatus::Running);
    drop(engine);
    let engine = start(&store, mended).await;
    let run = engine.workflow_handle(TASK, "task").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    assert!(run.describe().await.unwrap().parked.is_none());
    assert_well_formed(&run.history().await.unwrap());
    turn_failure(&description)
}

#[tokio::test(start_paused = true)]
async fn det_9_a_workflow_that_awaits_a_tokio_timer_alone_is_parked_at_once() {
    let failure = parks_and_goes_on(|_ctx, number| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(number)
    })
    .await;
    assert_eq!(failure, TurnFailure::ForeignWait);
    let text = failure.to_string();
    assert!(text.contains("ctx.sleep") && text.contains("ctx.activity"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn det_9_a_tokio_timer_beside_an_operation_is_found_when_it_wakes_the_run() {
    let failure = parks_and_goes_on(|ctx, number| async move {
        let number = ctx.activity(ADD_ONE, number).await?;
        select! {
            () = ctx.sleep(Duration::from_secs(10)) => {},
            () = tokio::time::sleep(Duration::from_secs(1)) => {},
        }
        ctx.activity(ADD_ONE, number).await
    })
    .await;
    assert_eq!(failure, TurnFailure::ForeignWake);
    assert!(failure.to_string().contains("outside its turns"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn det_9_a_workflow_that_awaits_a_spawned_task_is_parked() {
    let failure = parks_and_goes_on(|_ctx, number| async move {
        let task = tokio::spawn(async move { number + 2 });
        task.await.context("join the task")
    })
    .await;
    assert_eq!(failure, TurnFailure::ForeignWait);
    assert!(failure.to_string().contains("a spawned task or its join"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn fail_4_a_panic_parks_the_run_with_its_message() {
    let failure = parks_and_goes_on(|ctx, number| async move {
        let number = ctx.activity(ADD_ONE, number).await?;
        assert!(number > 1_000, "the number {number} is too small");
        Ok(number)
    })
    .await;
    let TurnFailure::Panic { message } = &failure else { panic!("{failure:?}") };
    assert_eq!(message, "the number 41 is too small");
}

#[tokio::test(start_paused = true)]
async fn det_2_changed_code_parks_the_run_with_both_sides_and_the_old_code_finishes_it() {
    const OTHER: Activity<u64, u64> =
        Activity::new("other").start_to_close_timeout(Duration::from_secs(30));
    async fn changed(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
        let number = ctx.activity(OTHER, number).await?;
        ctx.sleep(Duration::from_secs(10)).await;
        ctx.activity(ADD_ONE, number).await
    }
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = start(&store, mended).await;
    let run = engine.start_workflow(TASK, 40).workflow_id("task").await.unwrap();
    while run.describe().await.unwrap().pending_timers.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(engine);

    let engine = start(&store, changed).await;
    let run = engine.workflow_handle(TASK, "task").await.unwrap();
    let description = parked(&run).await;
    let TurnFailure::Nondeterminism(mismatch) = turn_failure(&description) else {
        panic!("{description:?}")
    };
    let text = mismatch.to_string();
    for part in ["add-one", "other", "parking.rs:"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(mismatch.event_id.get(), 2);
    let length = description.history_length;
    drop(engine);

    let engine = start(&store, mended).await;
    let run = engine.workflow_handle(TASK, "task").await.unwrap();
    assert!(run.history().await.unwrap().len() as u64 >= length, "nothing was lost");
    assert_eq!(run.result().await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn a_failed_turn_is_retried_with_back_off_and_keeps_what_arrives() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let failures = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&failures);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = start(&store, move |ctx, number| {
        let failures = Arc::clone(&counted);
        async move {
            let number = ctx.activity(ADD_ONE, number).await?;
            // Code that depends on the world outside: mended by the world, not by a deploy.
            assert!(failures.fetch_add(1, Ordering::SeqCst) >= 3, "the world is not ready");
            ctx.activity(ADD_ONE, number).await
        }
    })
    .await;
    let run = engine.start_workflow(TASK, 40).await.unwrap();
    let description = parked(&run).await;
    assert!(description.pending_activities.is_empty());
    assert_eq!(run.result().await.unwrap(), 42);
    assert!(failures.load(Ordering::SeqCst) > 3);
    assert_well_formed(&run.history().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_can_be_terminated_and_its_cancel_request_is_kept() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let broken = |_ctx, number: u64| async move {
        assert!(number == 0, "never works");
        Ok(number)
    };
    let engine = start(&store, broken).await;
    let first = engine.start_workflow(TASK, 1).workflow_id("first").await.unwrap();
    let second = engine.start_workflow(TASK, 2).workflow_id("second").await.unwrap();
    parked(&first).await;
    parked(&second).await;
    first.terminate("it never works").await.unwrap();
    let error = first.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error:?}");
    assert_well_formed(&first.history().await.unwrap());
    second.cancel("not wanted").await.unwrap();
    drop(engine);
    let engine = start(&store, mended).await;
    let second = engine.workflow_handle(TASK, "second").await.unwrap();
    let error = second.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_workflow_is_not_registered_waits_for_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = start(&store, mended).await;
    engine.start_workflow(TASK, 40).workflow_id("task").await.unwrap();
    drop(engine);
    let engine = TestEngine::on_store(Arc::clone(&store)).start().await.unwrap();
    let run = engine.workflow_handle(TASK, "task").await.unwrap();
    let description = parked(&run).await;
    let cause = &description.parked.as_ref().unwrap().cause;
    assert!(matches!(cause, ParkCause::NotRegistered { .. }), "{cause:?}");
    assert!(!run.history().await.unwrap().is_empty());
    drop(engine);
    let engine = start(&store, mended).await;
    let run = engine.workflow_handle(TASK, "task").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_parked_run_keeps_one_request_to_cancel() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let broken = |_ctx, number: u64| async move {
        assert!(number == 0, "never works");
        Ok(number)
    };
    let engine = start(&store, broken).await;
    let run = engine.start_workflow(TASK, 1).await.unwrap();
    parked(&run).await;
    for _ in 0..10 {
        run.cancel("not wanted").await.unwrap();
    }
    // The start, and the request.
    let kept = entracte::store::StoreExt::inbox(&*store, run.run_id()).unwrap();
    assert_eq!(kept.len(), 2);
}
