//! Results that come later and from elsewhere than the activity's code.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::{
    ActivityCancellationType, ActivityNotFound, AsyncActivityError, EngineBuilder, Event,
    EventAttributes as A, HeartbeatAnswer, RetryState, RunId, TaskToken, TimeoutType,
};
use entracte_testing::TestEngine;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const ASK: Activity<(), u32> = Activity::new("ask")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .heartbeat_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(10)).maximum_attempts(3))
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
const RUN_ASK: Workflow<(), u32> = Workflow::new("run-ask");

async fn run_ask(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(ASK, ()).await
}

type Tokens = mpsc::UnboundedReceiver<TaskToken>;

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// An engine whose activity hands its token out and leaves its result to others.
fn engine() -> (EngineBuilder, Tokens) {
    let (tell, tokens) = mpsc::unbounded_channel();
    let ask = move |ctx: ActivityContext, ()| {
        let tell = tell.clone();
        async move {
            tell.send(ctx.task_token())?;
            Err(ctx.result_pending())
        }
    };
    (with_ask(memory(), ask), tokens)
}

fn with_ask<F, Fut>(store: Arc<dyn Store>, ask: F) -> EngineBuilder
where
    F: Fn(ActivityContext, ()) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ActivityResult<u32>> + Send + 'static,
{
    TestEngine::on_store(store).workflow(RUN_ASK, run_ask).activity(ASK, ask)
}

async fn start(engine: &Engine) -> WorkflowHandle<u32> {
    engine.start_workflow(RUN_ASK, ()).workflow_id("one").await.unwrap()
}

/// Waits until the code has returned and that is durable.
async fn left_pending(run: &WorkflowHandle<u32>) {
    loop {
        let pending = run.describe().await.unwrap().pending_activities;
        if pending.first().is_some_and(|activity| activity.result_pending) {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn is_not_found<T>(answer: Result<T, AsyncActivityError>) -> bool {
    matches!(answer, Err(AsyncActivityError::NotFound(_)))
}

async fn history(run: &WorkflowHandle<u32>) -> Vec<Event> {
    run.history().await.unwrap()
}

/// The attempt and the start of the activity's started event.
fn started(history: &[Event]) -> (u32, entracte::Timestamp) {
    let started = history.iter().find_map(|event| match &event.attributes {
        A::ActivityTaskStarted(started) => Some((started.attempt, started.started_time)),
        _ => None,
    });
    started.unwrap_or_else(|| panic!("{history:#?}"))
}

#[tokio::test(start_paused = true)]
async fn asy_1_an_activity_is_completed_by_its_token_long_after_its_code_has_returned() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    left_pending(&run).await;
    sleep(Duration::from_secs(500)).await;
    // As text, as another system would keep it.
    let activity = engine.async_activity(token.to_string().parse().unwrap());
    activity.complete(&42_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    assert_eq!(started(&history(&run).await).0, 1);
    // It is over: for whoever tries again, and for the workflow (rule ASY-2).
    let run_id = run.run_id();
    let again = activity.complete(&42_u32).await.unwrap_err();
    assert!(matches!(
        again,
        AsyncActivityError::NotFound(ActivityNotFound::RunClosed { run_id: id }) if id == run_id
    ));
    assert!(is_not_found(activity.heartbeat(&()).await));
}

#[tokio::test(start_paused = true)]
async fn asy_1_a_blocking_activity_leaves_its_result_to_others_too() {
    let (tell, mut tokens) = mpsc::unbounded_channel();
    let (engine, _) = engine();
    let engine = engine
        .blocking_activity(ASK, move |ctx: ActivityContext, ()| {
            tell.send(ctx.task_token())?;
            Err(ctx.result_pending())
        })
        .start()
        .await
        .unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    left_pending(&run).await;
    assert_eq!(engine.overrunning_attempts(), []);
    engine.async_activity(token).complete(&7_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn asy_1_a_completion_counts_while_the_code_runs_and_stops_it() {
    struct Gone(mpsc::UnboundedSender<Option<CancelCause>>, ActivityContext);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(self.1.cancel_cause());
        }
    }
    let (tell, mut tokens) = mpsc::unbounded_channel();
    let (gone, mut causes) = mpsc::unbounded_channel();
    let engine = with_ask(memory(), move |ctx, ()| {
        let (tell, gone) = (tell.clone(), gone.clone());
        async move {
            let _gone = Gone(gone, ctx.clone());
            tell.send(ctx.task_token())?;
            std::future::pending().await
        }
    });
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    engine.async_activity(token).complete(&1_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
    assert_eq!(causes.recv().await.unwrap(), Some(CancelCause::EndedElsewhere));
}

#[tokio::test(start_paused = true)]
async fn asy_2_a_failed_attempt_is_retried_beside_nothing_and_its_token_is_stale() {
    let (tell, mut tokens) = mpsc::unbounded_channel();
    let running = Arc::new(tokio::sync::Semaphore::new(1));
    let engine = with_ask(memory(), move |ctx, ()| {
        let (tell, running) = (tell.clone(), Arc::clone(&running));
        async move {
            let _alone = running.try_acquire().expect("attempts overlap");
            tell.send(ctx.task_token())?;
            std::future::pending().await
        }
    });
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let first = tokens.recv().await.unwrap();
    let busy = || Failure::application("Busy", "later");
    // The next attempt may start at once, so that it would overlap the code that is told.
    let at_once = busy().with_next_retry_delay(Duration::from_nanos(1));
    engine.async_activity(first).fail(at_once).await.unwrap();
    let second = tokens.recv().await.unwrap();
    assert_eq!((second.attempt, second.seq), (2, first.seq));
    let stale = engine.async_activity(first).complete(&1_u32).await.unwrap_err();
    let AsyncActivityError::NotFound(ActivityNotFound::Attempt { token, .. }) = &stale else {
        panic!("{stale:?}")
    };
    assert_eq!(*token, Some(first));
    assert_eq!(
        stale.to_string(),
        format!("activity 1 of run {} is pending, but its attempt 1 has ended", run.run_id())
    );
    engine.async_activity(second).fail(busy()).await.unwrap();
    // It backs off: nobody has a token of what does not run.
    assert!(is_not_found(engine.async_activity(second).fail(busy()).await));
    let third = tokens.recv().await.unwrap();
    engine.async_activity(third).fail(busy()).await.unwrap();
    assert!(run.result().await.unwrap_err().failure().is_some());
    let history = history(&run).await;
    assert!(history.iter().any(|event| matches!(
        &event.attributes,
        A::ActivityTaskFailed(failed) if failed.retry_state == RetryState::MaximumAttemptsReached
    )));
}

#[tokio::test(start_paused = true)]
async fn asy_1_an_activity_is_ended_by_its_ids() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    tokens.recv().await.unwrap();
    left_pending(&run).await;
    let by_ids = |workflow: &str, activity: &str| engine.async_activity_by_id(workflow, activity);
    assert!(is_not_found(by_ids("two", "1").complete(&1_u32).await));
    assert!(is_not_found(by_ids("one", "2").complete(&1_u32).await));
    let of_another_run = RunId::from_bytes([7; 16]);
    assert!(is_not_found(by_ids("one", "1").run_id(of_another_run).complete(&1_u32).await));
    let invalid = by_ids("", "1").complete(&1_u32).await;
    assert!(matches!(invalid, Err(AsyncActivityError::InvalidId { .. })));
    by_ids("one", "1").run_id(run.run_id()).complete(&3_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
}

/// Seen on Temporal's server 1.32: of an activity in back-off, only a completion by id is taken;
/// the history then tells a start of the attempt that was to come.
#[tokio::test(start_paused = true)]
async fn asy_1_an_activity_in_back_off_is_completed_by_its_ids_alone() {
    let engine = with_ask(memory(), |_, ()| async { Err(Failure::application("Busy", "later")) });
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    sleep(Duration::from_secs(5)).await;
    let activity = engine.async_activity_by_id("one", "1");
    assert!(is_not_found(activity.heartbeat(&()).await));
    assert!(is_not_found(activity.fail(Failure::application("E", "no")).await));
    assert!(is_not_found(activity.report_cancelled(&()).await));
    activity.complete(&4_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
    assert_eq!(started(&history(&run).await).0, 2);
}

#[tokio::test(start_paused = true)]
async fn asy_1_what_is_not_the_attempt_s_own_is_no_pending_result() {
    const TWICE: Workflow<(), u32> = Workflow::new("twice");
    // The second attempt returns what the first one should have.
    let kept = Arc::new(std::sync::Mutex::new(None));
    let engine = with_ask(memory(), move |ctx: ActivityContext, ()| {
        let kept = Arc::clone(&kept);
        async move {
            let earlier = kept.lock().unwrap().replace(ctx.result_pending());
            Err(earlier.unwrap_or_else(|| Failure::application("Busy", "later")))
        }
    });
    let engine = engine.workflow(TWICE, async |ctx: WorkflowContext, ()| {
        Err(ctx.activity(ASK, ()).await.unwrap_err())
    });
    let engine = engine.start().await.unwrap();
    for workflow in [RUN_ASK, TWICE] {
        let run = engine.start_workflow(workflow, ()).await.unwrap();
        let error = run.result().await.unwrap_err();
        let failure = error.failure().unwrap();
        assert_eq!(failure.application_type(), Some("ResultPending"), "{failure}");
        let closed = run.history().await.unwrap();
        assert!(closed.iter().any(|event| matches!(
            &event.attributes,
            A::ActivityTaskFailed(end) if end.retry_state == RetryState::NonRetryableFailure
        )));
    }
}

#[tokio::test(start_paused = true)]
async fn tmo_6_heartbeats_from_elsewhere_keep_a_pending_result_alive() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    left_pending(&run).await;
    let begin = Instant::now();
    for number in 0..5_u32 {
        sleep(Duration::from_secs(599)).await;
        let answer = engine.async_activity(token).heartbeat(&number).await.unwrap();
        assert_eq!(answer, HeartbeatAnswer::default());
    }
    // Acknowledged when durable, so described at once.
    let pending = &run.describe().await.unwrap().pending_activities[0];
    assert_eq!(pending.heartbeat_details.as_ref().unwrap().decode::<u32>().unwrap(), 4);
    assert_eq!((pending.attempt, pending.result_pending), (1, true));
    // Silent from here on: the heartbeat timeout, then a back-off.
    let second = tokens.recv().await.unwrap();
    assert_eq!(second.attempt, 2);
    assert_eq!(begin.elapsed().as_secs(), 5 * 599 + 600 + 10);
    let pending = &run.describe().await.unwrap().pending_activities[0];
    let failure = pending.last_failure.as_ref().unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::Heartbeat));
    // The whole attempt is bounded too.
    for _ in 0..6 {
        sleep(Duration::from_secs(595)).await;
        engine.async_activity(second).heartbeat(&()).await.unwrap();
    }
    assert_eq!(tokens.recv().await.unwrap().attempt, 3);
    let pending = &run.describe().await.unwrap().pending_activities[0];
    let failure = pending.last_failure.as_ref().unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::StartToClose));
    assert!(is_not_found(engine.async_activity(second).complete(&1_u32).await));
}

#[tokio::test(start_paused = true)]
async fn hb_1_heartbeats_from_elsewhere_feed_the_timeout_of_running_code() {
    let (tell, mut tokens) = mpsc::unbounded_channel();
    let engine = with_ask(memory(), move |ctx, ()| {
        let tell = tell.clone();
        async move {
            tell.send(ctx.task_token())?;
            // For longer than the heartbeat timeout.
            sleep(Duration::from_secs(1_700)).await;
            Ok(ctx.attempt())
        }
    });
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    for _ in 0..2 {
        sleep(Duration::from_secs(590)).await;
        engine.async_activity(token).heartbeat(&()).await.unwrap();
    }
    assert_eq!(run.result().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn acx_4_only_what_was_asked_to_cancel_is_reported_as_cancelled() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let activity = engine.async_activity(tokens.recv().await.unwrap());
    left_pending(&run).await;
    let refused = activity.report_cancelled("stopped").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "unable to mark activity 1 of run {} as canceled without activity being request \
             canceled first",
            run.run_id()
        )
    );
    run.cancel("enough").await.unwrap();
    // The workflow waits for what becomes of it: it is not cancelled at once, though nothing
    // of it is in memory.
    sleep(Duration::from_secs(60)).await;
    assert!(run.describe().await.unwrap().status == WorkflowStatus::Running);
    assert!(activity.heartbeat(&()).await.unwrap().cancel_requested);
    activity.report_cancelled("stopped").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
    let details = history(&run).await.into_iter().find_map(|event| match event.attributes {
        A::ActivityTaskCanceled(canceled) => canceled.details,
        _ => None,
    });
    assert_eq!(details.unwrap().decode::<String>().unwrap(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn acx_8_an_uninvited_cancel_from_elsewhere_is_a_failure_like_any_other() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let token = tokens.recv().await.unwrap();
    engine.async_activity(token).fail(Failure::canceled()).await.unwrap();
    assert_eq!(tokens.recv().await.unwrap().attempt, 2);
    let pending = &run.describe().await.unwrap().pending_activities[0];
    let failure = pending.last_failure.as_ref().unwrap();
    assert_eq!(failure.application_type(), Some("CancelledError"));
}

#[tokio::test(start_paused = true)]
async fn lim_4_what_is_too_large_is_refused_and_changes_nothing() {
    let (engine, mut tokens) = engine();
    let engine = engine.payload_bytes_max(100).start().await.unwrap();
    let run = start(&engine).await;
    let activity = engine.async_activity(tokens.recv().await.unwrap());
    let large = "x".repeat(200);
    let failure = Failure::application("E", large.clone());
    for refused in [
        activity.complete(&large).await.unwrap_err(),
        activity.fail(failure).await.unwrap_err(),
        activity.report_cancelled(&large).await.unwrap_err(),
        activity.heartbeat(&large).await.unwrap_err(),
    ] {
        assert!(
            matches!(refused, AsyncActivityError::PayloadTooLarge { limit: 100, .. }),
            "{refused:?}"
        );
    }
    activity.complete(&1_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn asy_2_of_a_workflow_that_has_ended_nothing_is_taken() {
    let (engine, mut tokens) = engine();
    let engine = engine.start().await.unwrap();
    let run = start(&engine).await;
    let activity = engine.async_activity(tokens.recv().await.unwrap());
    left_pending(&run).await;
    run.terminate("by hand").await.unwrap();
    assert!(is_not_found(activity.complete(&1_u32).await));
    assert!(is_not_found(activity.heartbeat(&()).await));
    let by_id = engine.async_activity_by_id("one", "1");
    assert!(is_not_found(by_id.complete(&1_u32).await));
    engine.shutdown().await.unwrap();
    let stopped = activity.complete(&1_u32).await;
    assert!(matches!(stopped, Err(AsyncActivityError::EngineStopped(_))));
}
