//! What becomes of local activities, with retries and timeouts, as their workflow sees it (rules
//! LAC-1 to LAC-4 and LAC-7).

use std::sync::Arc;
use std::time::Duration;

use entracte::model::event::{LocalActivityMarker, LocalActivityOutcome, Marker, MarkerRecorded};
use entracte::prelude::*;
use entracte::{Event, EventAttributes, EventType, FailureKind, RetryState, TimeoutType};
use entracte_testing::TestEngine;
use entracte_tests::look::{assert_well_formed, event_types};

pub(crate) const LOOK: Activity<u64, u64> =
    Activity::new("look-up").start_to_close_timeout(Duration::from_secs(30));
pub(crate) const CALL: Workflow<u64, u64> = Workflow::new("call");

pub(crate) async fn call(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.local_activity(LOOK, number).await.context("look it up")
}

/// Fails as often as told, then gives back what it was asked for.
pub(crate) fn failing(
    times: u32,
    failure: fn() -> Failure,
) -> impl Fn(ActivityContext, u64) -> std::future::Ready<ActivityResult<u64>> {
    move |ctx, number| {
        std::future::ready(if ctx.attempt() <= times { Err(failure()) } else { Ok(number) })
    }
}

pub(crate) fn flaky() -> Failure {
    Failure::application("Flaky", "not now")
}

/// The markers of a history.
pub(crate) fn markers(history: &[Event]) -> Vec<LocalActivityMarker> {
    let marker = |event: &Event| match &event.attributes {
        EventAttributes::MarkerRecorded(MarkerRecorded {
            marker: Marker::LocalActivity(marker),
        }) => Some(marker.clone()),
        _ => None,
    };
    history.iter().filter_map(marker).collect()
}

/// Runs a workflow to its end on an engine with one activity; gives the result and the history.
pub(crate) async fn run<W, WF, A, AF>(
    workflow: W,
    activity: A,
) -> (Result<u64, WorkflowError>, Vec<Event>)
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
