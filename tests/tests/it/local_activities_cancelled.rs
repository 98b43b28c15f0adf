//! Local activities that are cancelled, or that their workflow lets go of (rule LAC-5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::model::event::LocalActivityOutcome;
use entracte::prelude::*;
use entracte::{ActivityCancellationType, EventType, FailureKind, PendingActivityState};
use entracte_testing::TestEngine;
use entracte_tests::look::event_types;
use tokio::sync::Notify;

use crate::local_activities::{CALL, LOOK, call, failing, flaky, markers, run};

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
