//! The cancellation of activities: what is told, what is waited for, what is recorded.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::MemoryStore;
use entracte::{
    ActivityCancellationType as Kind, Event, EventAttributes, EventType as T, FailureKind,
    PendingActivityState, RetryState, TimeoutType, WorkflowHandle,
};
use entracte_testing::crash::CrashTest;
use entracte_testing::{Outcome, SimulatedDisk, SimulatedOptions, TestEngine};
use entracte_tests::look::{assert_well_formed, event_types};
use tokio::sync::{Notify, mpsc};

const WORK: Activity<(), String> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(600));
const CANCELS: Workflow<Kind, Ended> = Workflow::new("cancels");

/// How the activity ended for its workflow, and after how many seconds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Ended {
    text: String,
    seconds: u64,
}

/// Calls the activity, and stays open for what comes later.
async fn cancels(ctx: WorkflowContext, kind: Kind) -> WorkflowResult<Ended> {
    let begin = ctx.now();
    let result = ctx.activity(WORK, ()).cancellation_type(kind).await;
    let text = match result {
        Ok(text) => format!("completed: {text}"),
        Err(failure) => match failure.kind() {
            FailureKind::Activity(activity) => format!("{}: {failure}", activity.retry_state),
            other => format!("{other:?}"),
        },
    };
    let seconds = ctx.now().saturating_since(begin).as_secs();
    ctx.shield(async { ctx.sleep(Duration::from_secs(60)).await }).await;
    Ok(Ended { text, seconds })
}

/// What an attempt does when it is told of its cancellation.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Returns,
    Fails,
    Cancels,
    Ignores,
}

/// Starts a run, cancels it after ten seconds, and waits for its end.
async fn cancelled_after_ten_seconds(kind: Kind, manner: Manner) -> (Ended, Vec<Event>) {
    let engine = TestEngine::builder()
        .workflow(CANCELS, cancels)
        .activity(WORK, move |ctx: ActivityContext, ()| async move {
            assert_eq!(ctx.cancelled().await, CancelCause::Cancelled);
            assert!(ctx.is_cancelled());
            tokio::time::sleep(Duration::from_secs(5)).await;
            match manner {
                Manner::Returns => Ok("all the same".to_owned()),
                Manner::Fails => Err(Failure::application("Refused", "while cleaning up")),
                Manner::Cancels => Err(Failure::canceled().with_details(&7)?),
                Manner::Ignores => std::future::pending().await,
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CANCELS, kind).await.unwrap();
    cancel_after_ten_seconds(&run).await;
    let ended = run.result().await.unwrap();
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    (ended, history)
}

async fn cancel_after_ten_seconds(run: &WorkflowHandle<Ended>) {
    tokio::time::sleep(Duration::from_secs(10)).await;
    run.cancel("enough").await.unwrap();
}

fn ended(text: &str, seconds: u64) -> Ended {
    Ended { text: text.to_owned(), seconds }
}

#[tokio::test(start_paused = true)]
async fn acx_1_try_cancel_tells_the_attempt_and_goes_on_at_once() {
    for (manner, end) in [
        (Manner::Returns, T::ActivityTaskCompleted),
        (Manner::Fails, T::ActivityTaskFailed),
        (Manner::Cancels, T::ActivityTaskCanceled),
    ] {
        let (found, history) = cancelled_after_ten_seconds(Kind::TryCancel, manner).await;
        assert_eq!(found, ended("cancel requested: canceled", 10));
        // The workflow goes on after the request, in the same turn; what the attempt did later
        // is recorded and changes nothing (rule ACX-6).
        assert_eq!(
            event_types(&history),
            [
                T::WorkflowExecutionStarted,
                T::ActivityTaskScheduled,
                T::WorkflowExecutionCancelRequested,
                T::ActivityTaskCancelRequested,
                T::TimerStarted,
                T::ActivityTaskStarted,
                end,
                T::TimerFired,
                T::WorkflowExecutionCompleted,
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn acx_6_wait_cancellation_completed_gives_what_the_attempt_really_did() {
    for (manner, expected, end) in [
        (Manner::Returns, "completed: all the same", T::ActivityTaskCompleted),
        (Manner::Fails, "cancel requested: while cleaning up", T::ActivityTaskFailed),
        (Manner::Cancels, "cancel requested: canceled", T::ActivityTaskCanceled),
    ] {
        let kind = Kind::WaitCancellationCompleted;
        let (found, history) = cancelled_after_ten_seconds(kind, manner).await;
        assert_eq!(found, ended(expected, 15));
        // Also a failure that its policy would retry is the last one (rule ACX-5).
        assert_eq!(
            event_types(&history)[2..6],
            [
                T::WorkflowExecutionCancelRequested,
                T::ActivityTaskCancelRequested,
                T::ActivityTaskStarted,
                end
            ]
        );
        if let EventAttributes::ActivityTaskCanceled(canceled) = &history[5].attributes {
            assert_eq!(canceled.details.as_ref().unwrap().decode::<u32>().unwrap(), 7);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn acx_5_an_attempt_that_ignores_its_cancellation_times_out_and_is_not_retried() {
    let kind = Kind::WaitCancellationCompleted;
    let (found, history) = cancelled_after_ten_seconds(kind, Manner::Ignores).await;
    assert_eq!(found, ended("cancel requested: activity StartToClose timeout", 600));
    let EventAttributes::ActivityTaskTimedOut(timed_out) = &history[5].attributes else {
        panic!("{history:#?}")
    };
    assert_eq!(timed_out.failure.timeout_type(), Some(TimeoutType::StartToClose));
    assert_eq!(timed_out.retry_state, RetryState::CancelRequested);
}

#[tokio::test(start_paused = true)]
async fn acx_1_abandon_tells_nobody_and_goes_on_at_once() {
    let told = Arc::new(Notify::new());
    let tells = Arc::clone(&told);
    let engine = TestEngine::builder()
        .workflow(CANCELS, cancels)
        .activity(WORK, move |ctx: ActivityContext, ()| {
            let tells = Arc::clone(&tells);
            async move {
                tokio::time::sleep(Duration::from_secs(30)).await;
                assert!(!ctx.is_cancelled());
                tells.notify_one();
                Ok("undisturbed".to_owned())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CANCELS, Kind::Abandon).await.unwrap();
    cancel_after_ten_seconds(&run).await;
    told.notified().await;
    assert_eq!(run.result().await.unwrap(), ended("cancel requested: canceled", 10));
    assert_eq!(
        event_types(&run.history().await.unwrap())[2..6],
        [
            T::WorkflowExecutionCancelRequested,
            T::TimerStarted,
            T::ActivityTaskStarted,
            T::ActivityTaskCompleted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn acx_2_what_is_cancelled_before_it_is_scheduled_leaves_no_event() {
    const SCOPES: Workflow<(), String> = Workflow::new("scopes");
    let engine = TestEngine::builder()
        .workflow(SCOPES, async |ctx: WorkflowContext, ()| {
            // Started and dropped in one turn.
            drop(ctx.activity(WORK, ()).start());
            ctx.cancelled().await;
            // Called where everything is cancelled (rule CAN-3).
            let failure = ctx.activity(WORK, ()).await.unwrap_err();
            Ok(failure.to_string())
        })
        .activity(WORK, |_, ()| async { Ok("never".to_owned()) })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(SCOPES, ()).await.unwrap();
    run.cancel("enough").await.unwrap();
    assert_eq!(run.result().await.unwrap(), "canceled");
    assert_eq!(
        event_types(&run.history().await.unwrap()),
        [
            T::WorkflowExecutionStarted,
            T::WorkflowExecutionCancelRequested,
            T::WorkflowExecutionCompleted
        ]
    );
}

/// Fails its only attempt; the next one would come in an hour.
async fn fails_for_an_hour(_: ActivityContext, (): ()) -> ActivityResult<String> {
    let hour = Duration::from_secs(3_600);
    Err(Failure::application("Later", "in an hour").with_next_retry_delay(hour))
}

#[tokio::test(start_paused = true)]
async fn acx_3_an_activity_in_its_back_off_is_cancelled_at_once() {
    for kind in [Kind::TryCancel, Kind::WaitCancellationCompleted] {
        let engine = TestEngine::builder()
            .workflow(CANCELS, cancels)
            .activity(WORK, fails_for_an_hour)
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(CANCELS, kind).await.unwrap();
        cancel_after_ten_seconds(&run).await;
        assert_eq!(run.result().await.unwrap(), ended("cancel requested: canceled", 10));
        let history = run.history().await.unwrap();
        let mut types = event_types(&history);
        types.retain(|event_type| !matches!(event_type, T::TimerStarted | T::TimerFired));
        assert_eq!(
            types,
            [
                T::WorkflowExecutionStarted,
                T::ActivityTaskScheduled,
                T::WorkflowExecutionCancelRequested,
                T::ActivityTaskCancelRequested,
                T::ActivityTaskCanceled,
                T::WorkflowExecutionCompleted,
            ]
        );
        let canceled = history.iter().find_map(|event| match &event.attributes {
            EventAttributes::ActivityTaskCanceled(canceled) => Some(canceled),
            _ => None,
        });
        let canceled = canceled.unwrap();
        assert_eq!(canceled.started_event_id.get(), 0);
        let details: String = canceled.details.as_ref().unwrap().decode().unwrap();
        assert_eq!(details, "ACTIVITY_ID_NOT_STARTED");
    }
}

#[test]
fn acx_3_a_crash_between_the_request_and_its_end_changes_nothing() {
    const WAITS: Workflow<(), String> = Workflow::new("waits");
    async fn waits(ctx: WorkflowContext, (): ()) -> WorkflowResult<String> {
        let kind = Kind::WaitCancellationCompleted;
        ctx.activity(WORK, ()).cancellation_type(kind).await
    }
    let report = CrashTest::new(
        |engine| engine.workflow(WAITS, waits).activity(WORK, fails_for_an_hour),
        async |engine| {
            let start = engine.start_workflow(WAITS, ()).workflow_id("one").request_id("one");
            let run = start.await?;
            loop {
                let description = run.describe().await?;
                let minute = Duration::from_secs(60);
                let waits_long = |interval: Duration| interval > minute;
                match description.pending_activities.first() {
                    Some(pending) if pending.retry_interval.is_some_and(waits_long) => break,
                    None if !description.status.is_open() => break,
                    _ => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
            // A second request, also to a run that is closing, changes nothing (rule CAN-1).
            run.cancel("enough").await?;
            run.cancel("more than enough").await?;
            Ok(())
        },
    )
    .run()
    .unwrap();
    assert!(report.faults > 6, "{report:?}");
    let outcomes: Vec<_> = report.outcomes.into_values().flatten().collect();
    assert!(matches!(outcomes.as_slice(), [Outcome::Canceled { .. }]), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn acx_4_describe_tells_of_a_request_that_the_attempt_has_not_answered() {
    let engine = TestEngine::builder()
        .workflow(CANCELS, cancels)
        .activity(WORK, |_, ()| std::future::pending::<ActivityResult<String>>())
        .start()
        .await
        .unwrap();
    let kind = Kind::WaitCancellationCompleted;
    let run = engine.start_workflow(CANCELS, kind).await.unwrap();
    let pending = run.describe().await.unwrap().pending_activities.remove(0);
    assert_eq!(pending.state, PendingActivityState::Started);
    run.cancel("enough").await.unwrap();
    let pending = run.describe().await.unwrap().pending_activities.remove(0);
    assert_eq!(pending.state, PendingActivityState::CancelRequested);
    assert_eq!(pending.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn acx_7_an_activity_is_asked_to_cancel_once() {
    const TWICE: Workflow<(), ()> = Workflow::new("twice");
    let engine = TestEngine::builder()
        .workflow(TWICE, async |ctx: WorkflowContext, ()| {
            let kind = Kind::WaitCancellationCompleted;
            let started = ctx.activity(WORK, ()).cancellation_type(kind).start();
            ctx.cancelled().await;
            ctx.shield(async { ctx.sleep(Duration::from_secs(1)).await }).await;
            // Requested by the run's cancellation; dropping it requests nothing more.
            drop(started);
            ctx.shield(async { ctx.sleep(Duration::from_secs(1)).await }).await;
            Ok(())
        })
        .activity(WORK, |_, ()| std::future::pending::<ActivityResult<String>>())
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TWICE, ()).await.unwrap();
    run.cancel("enough").await.unwrap();
    run.cancel("more than enough").await.unwrap();
    run.result().await.unwrap();
    let types = event_types(&run.history().await.unwrap());
    let requests = types.iter().filter(|it| **it == T::ActivityTaskCancelRequested).count();
    assert_eq!(requests, 1, "{types:?}");
}

#[tokio::test(start_paused = true)]
async fn acx_8_an_uninvited_cancellation_is_retried_like_any_failure() {
    let engine = TestEngine::builder()
        .workflow(CANCELS, cancels)
        .activity(WORK, |ctx: ActivityContext, ()| async move {
            match ctx.attempt() {
                1 => Err(Failure::canceled().with_details(&7)?),
                _ => Ok("second".to_owned()),
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CANCELS, Kind::TryCancel).await.unwrap();
    assert_eq!(run.result().await.unwrap(), ended("completed: second", 1));
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    let failure = started.last_failure.as_ref().unwrap();
    assert_eq!(failure.application_type(), Some("CancelledError"));
    assert_eq!(failure.message(), "unexpected activity cancel error: canceled");
    assert_eq!(failure.details::<u32>(), Some(Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn acx_8_a_cancellation_on_the_engine_s_shutdown_is_retried_by_the_next_engine() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let build = || {
        TestEngine::on_store(disk.reopen()).workflow(CANCELS, cancels).activity(
            WORK,
            |ctx: ActivityContext, ()| async move {
                if ctx.attempt() > 1 {
                    return Ok("second".to_owned());
                }
                assert_eq!(ctx.cancelled().await, CancelCause::EngineShutdown);
                Err(Failure::canceled())
            },
        )
    };
    let first = build().start().await.unwrap();
    first.start_workflow(CANCELS, Kind::TryCancel).workflow_id("one").await.unwrap();
    first.shutdown().await.unwrap();
    let second = build().start().await.unwrap();
    let run = second.workflow_handle(CANCELS, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap().text, "completed: second");
}

#[tokio::test(start_paused = true)]
async fn hb_7_an_attempt_learns_why_it_is_to_stop() {
    let (sender, mut causes) = mpsc::unbounded_channel();
    let engine = TestEngine::on_store(Arc::new(MemoryStore::new()))
        .workflow(CANCELS, cancels)
        .activity(WORK, move |ctx: ActivityContext, ()| {
            let sender = sender.clone();
            // What an attempt has spawned outlives it, and learns its cause too.
            tokio::spawn(async move { sender.send(ctx.cancelled().await) });
            std::future::pending::<ActivityResult<String>>()
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CANCELS, Kind::TryCancel).await.unwrap();
    assert_eq!(causes.recv().await.unwrap(), CancelCause::TimedOut);
    until_started(&run, 2).await;
    run.cancel("enough").await.unwrap();
    assert_eq!(causes.recv().await.unwrap(), CancelCause::Cancelled);
    let run = engine.start_workflow(CANCELS, Kind::TryCancel).await.unwrap();
    until_started(&run, 1).await;
    run.terminate("enough").await.unwrap();
    assert_eq!(causes.recv().await.unwrap(), CancelCause::WorkflowClosed);
}

/// Waits, in virtual time, until an attempt runs.
async fn until_started(run: &WorkflowHandle<Ended>, attempt: u32) {
    loop {
        let pending = run.describe().await.unwrap().pending_activities.remove(0);
        if (pending.state, pending.attempt) == (PendingActivityState::Started, attempt) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
