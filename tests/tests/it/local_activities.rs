//! Local activities as their workflow sees them (rules LAC-1 to LAC-7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::model::event::{LocalActivityMarker, LocalActivityOutcome, Marker, MarkerRecorded};
use entracte::prelude::*;
use entracte::{
    ActivityCancellationType, Event, EventAttributes, EventType, FailureKind, PendingActivityState,
    RetryState, TimeoutType,
};
use entracte_testing::TestEngine;
use entracte_tests::look::{assert_well_formed, event_types};
use tokio::sync::Notify;

const LOOK: Activity<u64, u64> =
    Activity::new("look-up").start_to_close_timeout(Duration::from_secs(30));
const CALL: Workflow<u64, u64> = Workflow::new("call");

async fn call(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.local_activity(LOOK, number).await.context("look it up")
}

/// Fails as often as told, then gives back what it was asked for.
fn failing(
    times: u32,
    failure: fn() -> Failure,
) -> impl Fn(ActivityContext, u64) -> std::future::Ready<ActivityResult<u64>> {
    move |ctx, number| {
        std::future::ready(if ctx.attempt() <= times { Err(failure()) } else { Ok(number) })
    }
}

fn flaky() -> Failure {
    Failure::application("Flaky", "not now")
}

/// The markers of a history.
fn markers(history: &[Event]) -> Vec<LocalActivityMarker> {
    let marker = |event: &Event| match &event.attributes {
        EventAttributes::MarkerRecorded(MarkerRecorded {
            marker: Marker::LocalActivity(marker),
        }) => Some(marker.clone()),
        _ => None,
    };
    history.iter().filter_map(marker).collect()
}

/// Runs a workflow to its end on an engine with one activity; gives the result and the history.
async fn run<W, WF, A, AF>(workflow: W, activity: A) -> (Result<u64, WorkflowError>, Vec<Event>)
where
    W: Fn(WorkflowContext, u64) -> WF + Send + Sync + 'static,
    WF: Future<Output = WorkflowResult<u64>> + Send + 'static,
    A: Fn(ActivityContext, u64) -> AF + Send + Sync + 'static,
    AF: Future<Output = ActivityResult<u64>> + Send + 'static,
{
    let builder = TestEngine::builder().workflow(CALL, workflow).activity(LOOK, activity);
    let engine = builder.start().await.unwrap();
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    let result = run.result().await;
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    engine.shutdown().await.unwrap();
    (result, history)
}

#[tokio::test(start_paused = true)]
async fn local_activity_complete_immediately_leaves_a_marker_and_nothing_else() {
    let (result, history) = run(call, failing(0, flaky)).await;
    assert_eq!(result.unwrap(), 40);
    use EventType as T;
    let expected = [T::WorkflowExecutionStarted, T::MarkerRecorded, T::WorkflowExecutionCompleted];
    assert_eq!(event_types(&history), expected);
    let [marker] = &markers(&history)[..] else { panic!("{history:#?}") };
    assert_eq!((&*marker.activity_id, &*marker.activity_type), ("1", "look-up"));
    assert_eq!(marker.attempt, 1);
    let LocalActivityOutcome::Completed { result } = &marker.outcome else { panic!("{marker:?}") };
    assert_eq!(result.decode::<u64>(), Ok(40));
    assert!(marker.source.as_str().contains("local_activities.rs:"), "{marker:?}");
}

#[tokio::test(start_paused = true)]
async fn local_activity_serial_takes_one_commit_for_each_step() {
    let workflow = async |ctx: WorkflowContext, number: u64| {
        let number = ctx.local_activity(LOOK, number).await?;
        let number = ctx.local_activity(LOOK, number).await?;
        ctx.local_activity(LOOK, number).await
    };
    let engine = TestEngine::builder()
        .workflow(CALL, workflow)
        .activity(LOOK, |_, number| async move { Ok(number + 1) })
        .start()
        .await
        .unwrap();
    let before = engine.journal_stats();
    let run = engine.start_workflow(CALL, 39).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    let after = engine.journal_stats();
    // The start, three ends, and the close in the batch of the last.
    assert_eq!(after.commits - before.commits, 4);
    assert_eq!(after.events - before.events, 5);
    assert_eq!(markers(&run.history().await.unwrap()).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn local_activity_concurrent_ones_end_in_the_order_of_their_ends() {
    let workflow = async |ctx: WorkflowContext, _: u64| {
        let calls = [30, 10, 20].map(|seconds| ctx.local_activity(LOOK, seconds));
        Ok(try_join_all(calls).await?.into_iter().sum())
    };
    let activity = |_, seconds| async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(seconds)
    };
    let (result, history) = run(workflow, activity).await;
    assert_eq!(result.unwrap(), 60);
    let numbers: Vec<_> = markers(&history).iter().map(|marker| marker.seq.get()).collect();
    assert_eq!(numbers, [2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn local_activity_complete_eventually_however_long_it_takes() {
    let workflow = async |ctx: WorkflowContext, number| {
        ctx.local_activity(LOOK, number).start_to_close_timeout(Duration::from_secs(90_000)).await
    };
    let (result, history) = run(workflow, |_, number| async move {
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        Ok(number)
    })
    .await;
    assert_eq!(result.unwrap(), 40);
    assert_eq!(history[1].time.saturating_since(history[0].time).as_secs(), 86_400);
}

#[tokio::test(start_paused = true)]
async fn local_activity_retry_on_error_leaves_nothing_of_the_failed_attempts() {
    let (result, history) = run(call, failing(4, flaky)).await;
    assert_eq!(result.unwrap(), 40);
    assert_eq!(history.len(), 3);
    assert_eq!(markers(&history)[0].attempt, 5);
    let waited = history[1].time.saturating_since(history[0].time);
    assert_eq!(waited.as_secs(), 1 + 2 + 4 + 8);
}

#[tokio::test(start_paused = true)]
async fn local_activity_non_retryable_error_from_activity_is_not_retried() {
    let declined = || Failure::non_retryable("Declined", "no");
    let (result, history) = run(call, failing(9, declined)).await;
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "look it up: no");
    let failure = error.failure().unwrap();
    // Rule FAIL-1: the same wrapper as any activity.
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::NonRetryableFailure);
    assert_eq!((&*activity.activity_type, &*activity.activity_id), ("look-up", "1"));
    let marker = &markers(&history)[0];
    assert_eq!(marker.attempt, 1);
    assert!(matches!(marker.outcome, LocalActivityOutcome::Failed { .. }), "{marker:?}");
}

#[tokio::test(start_paused = true)]
async fn local_activity_non_retryable_error_in_options_and_ret_8_the_match_is_exact() {
    for (listed, attempts) in [(&["Flaky"], 1), (&["FLAKY"], 3)] {
        let workflow = move |ctx: WorkflowContext, number| async move {
            let policy = RetryPolicy::exponential(Duration::from_secs(1));
            let policy = policy.maximum_attempts(3).non_retryable(listed);
            ctx.local_activity(LOOK, number).retry_policy(policy).await
        };
        let (result, history) = run(workflow, failing(9, flaky)).await;
        result.unwrap_err();
        assert_eq!(markers(&history)[0].attempt, attempts, "{listed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lac_4_a_failure_can_ask_for_its_own_delay() {
    let in_45_s = || flaky().with_next_retry_delay(Duration::from_secs(45));
    let (result, history) = run(call, failing(2, in_45_s)).await;
    assert_eq!(result.unwrap(), 40);
    assert_eq!(history.len(), 3);
    assert_eq!(history[1].time.saturating_since(history[0].time).as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn local_activity_backoff_with_persistent_timer_keeps_id_key_and_attempts() {
    for (delay, is_durable) in [(60, false), (61, true)] {
        let keys = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = Arc::clone(&keys);
        let activity = move |ctx: ActivityContext, number| {
            seen.lock().unwrap().push((ctx.idempotency_key(), ctx.attempt()));
            std::future::ready(match ctx.attempt() {
                1 => Err(flaky().with_next_retry_delay(Duration::from_secs(delay))),
                2 => Err(flaky()),
                _ => Ok(number),
            })
        };
        let (result, history) = run(call, activity).await;
        assert_eq!(result.unwrap(), 40);
        use EventType as T;
        let back_off = [T::MarkerRecorded, T::TimerStarted, T::TimerFired];
        let mut expected = vec![T::WorkflowExecutionStarted];
        // A back-off that is as long as the threshold passes in memory.
        expected.extend(back_off.into_iter().filter(|_| is_durable));
        expected.extend([T::MarkerRecorded, T::WorkflowExecutionCompleted]);
        assert_eq!(event_types(&history), expected);
        let last = markers(&history).pop().unwrap();
        assert_eq!((&*last.activity_id, last.attempt), ("1", 3));
        let waited = history.last().unwrap().time.saturating_since(history[0].time);
        assert_eq!(waited.as_secs(), delay + 2);
        let keys = keys.lock().unwrap();
        assert!(keys.iter().all(|(key, _)| *key == keys[0].0), "{keys:?}");
        assert_eq!(keys.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn tmo_11_an_attempt_that_times_out_is_stopped_and_retried() {
    let (result, history) = run(call, |ctx: ActivityContext, number| async move {
        if ctx.attempt() == 1 {
            std::future::pending::<()>().await;
        }
        Ok(number)
    })
    .await;
    assert_eq!(result.unwrap(), 40);
    assert_eq!(markers(&history)[0].attempt, 2);
    assert_eq!(history[1].time.saturating_since(history[0].time).as_secs(), 31);
}

#[tokio::test(start_paused = true)]
async fn lac_2_schedule_to_close_bounds_everything() {
    let workflow = async |ctx: WorkflowContext, number| {
        ctx.local_activity(LOOK, number).schedule_to_close_timeout(Duration::from_secs(5)).await
    };
    let (result, history) = run(workflow, failing(9, flaky)).await;
    let error = result.unwrap_err();
    let FailureKind::Activity(activity) = error.failure().unwrap().kind() else { panic!() };
    assert_eq!(activity.retry_state, RetryState::Timeout);
    // At 0, 1 and 3 seconds: the next one would be too late.
    assert_eq!(markers(&history)[0].attempt, 3);
    let (result, _) = run(workflow, |_, _| std::future::pending()).await;
    let error = result.unwrap_err();
    assert_eq!(error.failure().unwrap().timeout_type(), Some(TimeoutType::ScheduleToClose));
}

#[tokio::test(start_paused = true)]
async fn fail_7_an_activity_without_code_is_retried() {
    let builder = TestEngine::builder().workflow(CALL, async |ctx: WorkflowContext, number| {
        let policy = RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(2);
        ctx.local_activity(LOOK, number).retry_policy(policy).await
    });
    let engine = builder.start().await.unwrap();
    let run = engine.start_workflow(CALL, 1).await.unwrap();
    let error = run.result().await.unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "unable to find activityType=look-up. Supported types: []");
    assert_eq!(markers(&run.history().await.unwrap())[0].attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn lac_7_no_queue_and_no_stored_heartbeats() {
    let (result, _) = run(call, |ctx: ActivityContext, number: u64| async move {
        assert!(ctx.info().is_local);
        assert_eq!(&*ctx.info().task_queue, "");
        if ctx.attempt() == 1 {
            ctx.heartbeat(&number)?;
            assert_eq!(ctx.heartbeat_details::<u64>()?, Some(number));
            return Err(flaky());
        }
        assert_eq!(ctx.heartbeat_details::<u64>()?, None);
        Ok(number)
    })
    .await;
    assert_eq!(result.unwrap(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_function_is_a_local_activity_too() {
    let builder = TestEngine::builder().workflow(CALL, call);
    let engine = builder.blocking_activity(LOOK, |_, number| Ok(number + 2)).start().await.unwrap();
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn lim_4_the_input_may_be_of_any_size_and_the_result_may_not() {
    const COUNT: Activity<Vec<u8>, usize> =
        Activity::new("count").start_to_close_timeout(Duration::from_secs(30));
    const MAKE: Activity<usize, Vec<u8>> =
        Activity::new("make").start_to_close_timeout(Duration::from_secs(30));
    let engine = TestEngine::builder()
        .payload_bytes_max(1_000)
        .workflow(CALL, async |ctx: WorkflowContext, bytes: u64| {
            let bytes = usize::try_from(bytes).unwrap();
            assert_eq!(ctx.local_activity(COUNT, vec![0; bytes]).await?, bytes);
            ctx.local_activity(MAKE, bytes).await.map(|made| made.len() as u64)
        })
        .activity(COUNT, |_: ActivityContext, bytes: Vec<u8>| async move { Ok(bytes.len()) })
        .activity(MAKE, |_: ActivityContext, bytes| async move { Ok(vec![0; bytes]) })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 10_000).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.failure().unwrap().application_type(), Some("PayloadTooLarge"));
    let run = engine.start_workflow(CALL, 100).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 100);
}

/// A run that waits for a local activity of a cancellation type; its attempt runs, and tells
/// what it was told.
async fn running(
    cancellation_type: ActivityCancellationType,
) -> (Engine, WorkflowHandle<u64>, Arc<Notify>) {
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let engine = TestEngine::builder()
        .workflow(CALL, move |ctx: WorkflowContext, number| async move {
            let call = ctx.local_activity(LOOK, number).cancellation_type(cancellation_type);
            let failure = call.await.unwrap_err();
            assert!(failure.is_canceled(), "{failure}");
            let said = failure.cause().and_then(Failure::details::<u64>);
            // Long enough to see what becomes of the attempt.
            ctx.shield(async { ctx.sleep(Duration::from_secs(10)).await }).await;
            Ok(said.map_or(0, Result::unwrap))
        })
        .activity(LOOK, move |ctx: ActivityContext, number: u64| {
            begins.notify_one();
            async move {
                tokio::select! {
                    cause = ctx.cancelled() => {
                        assert_eq!(cause, CancelCause::Cancelled);
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        Err(Failure::canceled().with_details(&(number + 1)).unwrap())
                    }
                    () = tokio::time::sleep(Duration::from_secs(5)) => Ok(number),
                }
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    begun.notified().await;
    (engine, run, begun)
}

#[tokio::test(start_paused = true)]
async fn local_activity_cancel_wait_completed_waits_for_the_outcome() {
    let waits = ActivityCancellationType::WaitCancellationCompleted;
    let (_engine, run, _) = running(waits).await;
    run.cancel("enough").await.unwrap();
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!(pending.state, PendingActivityState::CancelRequested);
    assert_eq!(run.result().await.unwrap(), 41);
    let history = run.history().await.unwrap();
    let marker = &markers(&history)[0];
    let LocalActivityOutcome::Canceled { details } = &marker.outcome else { panic!("{marker:?}") };
    assert_eq!(details.as_ref().unwrap().decode::<u64>(), Ok(41));
    // At once: without a heartbeat.
    assert_eq!(history[2].time.saturating_since(history[1].time).as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn local_activity_cancel_try_cancel_and_cancel_abandon_leave_nothing() {
    use ActivityCancellationType::{Abandon, TryCancel};
    for (cancellation_type, runs_for) in [(TryCancel, 2), (Abandon, 5)] {
        let (engine, run, _) = running(cancellation_type).await;
        run.cancel("enough").await.unwrap();
        let description = run.describe().await.unwrap();
        assert!(description.pending_local_activities.is_empty(), "{description:?}");
        let attempts = async || {
            let (_, actor) = engine.run_actors().await.unwrap().remove(0);
            // Beside the timer of ten seconds.
            actor.get_children().len() - 1
        };
        tokio::time::sleep(Duration::from_millis(runs_for * 1_000 - 100)).await;
        assert_eq!(attempts().await, 1, "{cancellation_type:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(attempts().await, 0, "{cancellation_type:?}");
        assert_eq!(run.result().await.unwrap(), 0);
        assert_eq!(markers(&run.history().await.unwrap()), []);
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn local_activity_cancel_failing_between_two_attempts() {
    for (delay, is_durable) in [(30, false), (300, true)] {
        let tries = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&tries);
        let engine = TestEngine::builder()
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                let failure = ctx.local_activity(LOOK, number).await.unwrap_err();
                assert!(failure.is_canceled(), "{failure}");
                Ok(7)
            })
            .activity(LOOK, move |_, _| {
                count.fetch_add(1, Ordering::Relaxed);
                let delay = Duration::from_secs(delay);
                std::future::ready(Err(flaky().with_next_retry_delay(delay)))
            })
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(CALL, 40).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
        assert_eq!((pending.state, pending.attempt), (PendingActivityState::Scheduled, 2));
        assert_eq!(pending.last_failure.unwrap().to_string(), "not now");
        let begun = run.history().await.unwrap()[0].time;
        let waits = pending.next_attempt_time.unwrap().saturating_since(begun);
        assert_eq!(waits.as_secs(), delay);
        run.cancel("enough").await.unwrap();
        assert_eq!(run.result().await.unwrap(), 7);
        let history = run.history().await.unwrap();
        use EventType as T;
        let expected = if is_durable {
            vec![
                T::WorkflowExecutionStarted,
                T::MarkerRecorded,
                T::TimerStarted,
                T::WorkflowExecutionCancelRequested,
                T::TimerCanceled,
                T::WorkflowExecutionCompleted,
            ]
        } else {
            vec![
                T::WorkflowExecutionStarted,
                T::WorkflowExecutionCancelRequested,
                T::MarkerRecorded,
                T::WorkflowExecutionCompleted,
            ]
        };
        assert_eq!(event_types(&history), expected);
        if !is_durable {
            let outcome = &markers(&history)[0].outcome;
            assert_eq!(*outcome, LocalActivityOutcome::Canceled { details: None });
        }
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn acx_8_an_uninvited_cancel_is_a_failure_like_any_other() {
    let (result, history) = run(call, failing(1, Failure::canceled)).await;
    assert_eq!(result.unwrap(), 40);
    assert_eq!(markers(&history)[0].attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_returns_takes_its_local_activities_along() {
    let engine = TestEngine::builder()
        .workflow(CALL, async |ctx: WorkflowContext, number| {
            let _lookup = ctx.local_activity(LOOK, number).start();
            ctx.sleep(Duration::from_secs(1)).await;
            Ok(number)
        })
        .activity(LOOK, |_, _| std::future::pending())
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_eq!(markers(&run.history().await.unwrap()), []);
    // Also the run's actor goes.
    while !engine.run_actors().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn acx_5_and_acx_6_after_the_request_there_is_no_retry_and_the_end_is_what_it_is() {
    type Ending = fn() -> ActivityResult<u64>;
    let completes: Ending = || Ok(7);
    let fails: Ending = || Err(flaky());
    for (ending, expected) in [(completes, "7"), (fails, "CancelRequested: Flaky")] {
        let begun = Arc::new(Notify::new());
        let begins = Arc::clone(&begun);
        let engine = TestEngine::builder()
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                ctx.local_activity(LOOK, number).await
            })
            .activity(LOOK, move |ctx: ActivityContext, _| {
                begins.notify_one();
                async move {
                    ctx.cancelled().await;
                    ending()
                }
            })
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(CALL, 40).await.unwrap();
        begun.notified().await;
        run.cancel("enough").await.unwrap();
        let found = match run.result().await {
            Ok(number) => number.to_string(),
            Err(error) => {
                let failure = error.failure().unwrap();
                let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
                let kind = failure.application_type().unwrap_or_default();
                format!("{:?}: {kind}", activity.retry_state)
            }
        };
        assert_eq!(found, expected);
        assert_eq!(markers(&run.history().await.unwrap())[0].attempt, 1);
    }
}
