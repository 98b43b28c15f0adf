//! How runs end: failures as chains, compensations, cancellation, termination.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{EventType, FailureKind, RunError};
use entracte_testing::TestEngine;
use entracte_tests::look::{assert_well_formed, event_types};

const DO: Activity<String, ()> =
    Activity::new("do").start_to_close_timeout(Duration::from_secs(30));
const UNDO: Activity<String, ()> =
    Activity::new("undo").start_to_close_timeout(Duration::from_secs(30));
const TRIP: Workflow<(), ()> = Workflow::new("trip");

async fn trip(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.saga(async |saga| {
        for step in ["flight", "hotel", "car"] {
            saga.undo(ctx.activity(UNDO, step.to_owned()));
            ctx.activity(DO, step.to_owned()).await.with_context(|| format!("book the {step}"))?;
        }
        ctx.sleep(Duration::from_secs(3_600)).await;
        Ok(())
    })
    .await
    .context("plan the trip")
}

/// What was done and undone, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn logging(
    log: &Log,
    what: &'static str,
    fails_at: &'static str,
) -> impl Fn(ActivityContext, String) -> std::future::Ready<ActivityResult<()>> + use<> {
    let log = Arc::clone(log);
    move |_, step| {
        std::future::ready(if step == fails_at {
            Err(Failure::non_retryable("NoneLeft", format!("no {step} left")))
        } else {
            log.lock().unwrap().push(format!("{what} {step}"));
            Ok(())
        })
    }
}

async fn engine(log: &Log, do_fails_at: &'static str, undo_fails_at: &'static str) -> Engine {
    TestEngine::builder()
        .workflow(TRIP, trip)
        .activity(DO, logging(log, "do", do_fails_at))
        .activity(UNDO, logging(log, "undo", undo_fails_at))
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failed_saga_is_undone_in_reverse_and_reads_as_a_chain() {
    let log = Log::default();
    let engine = engine(&log, "car", "nothing").await;
    let run = engine.start_workflow(TRIP, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "plan the trip: book the car: no car left");
    assert_eq!(error.failure().unwrap().application_type(), Some("NoneLeft"));
    let log = log.lock().unwrap().clone();
    // The undo of a step is registered before the step: an outcome may be unknown.
    assert_eq!(log, ["do flight", "do hotel", "undo car", "undo hotel", "undo flight"]);
}

#[tokio::test(start_paused = true)]
async fn failed_compensations_are_reported_and_the_others_still_run() {
    let log = Log::default();
    let engine = engine(&log, "car", "hotel").await;
    let run = engine.start_workflow(TRIP, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let failed = error.failure().unwrap().failed_compensations();
    assert_eq!(failed.len(), 1, "{error}");
    assert_eq!(failed[0].name, "undo");
    assert!(failed[0].failure.to_string().contains("no hotel left"), "{error}");
    let log = log.lock().unwrap().clone();
    assert_eq!(log, ["do flight", "do hotel", "undo car", "undo flight"]);
}

#[tokio::test(start_paused = true)]
async fn can_4_a_cancelled_saga_is_undone_and_the_run_closes_as_cancelled() {
    const JOURNEY: Workflow<(), ()> = Workflow::new("journey");
    async fn journey(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
        ctx.saga(async |saga| {
            saga.undo(ctx.activity(UNDO, "flight".to_owned()));
            ctx.activity(DO, "flight".to_owned()).await?;
            ctx.sleep_or_cancelled(Duration::from_secs(3_600)).await
        })
        .await
    }
    let log = Log::default();
    let engine = TestEngine::builder()
        .workflow(JOURNEY, journey)
        .activity(DO, logging(&log, "do", ""))
        .activity(UNDO, logging(&log, "undo", ""))
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(JOURNEY, ()).await.unwrap();
    while run.describe().await.unwrap().pending_timers.is_empty() {
        tokio::task::yield_now().await;
    }
    run.cancel("plans have changed").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
    assert_eq!(*log.lock().unwrap(), ["do flight", "undo flight"]);
    assert_eq!(run.describe().await.unwrap().status, WorkflowStatus::Canceled);
    // A request to a closed run is a success that changes nothing (rule CAN-1).
    run.cancel("again").await.unwrap();
    assert_well_formed(&run.history().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn can_6_a_terminated_run_ends_at_once_and_cleans_nothing_up() {
    let log = Log::default();
    let engine = engine(&log, "", "").await;
    let run = engine.start_workflow(TRIP, ()).await.unwrap();
    while run.describe().await.unwrap().pending_timers.is_empty() {
        tokio::task::yield_now().await;
    }
    run.terminate("by hand").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(
        matches!(&error, WorkflowError::Terminated { reason, .. } if reason == "by hand"),
        "{error:?}"
    );
    assert_eq!(*log.lock().unwrap(), ["do flight", "do hotel", "do car"]);
    let types = event_types(&run.history().await.unwrap());
    assert_eq!(types.last(), Some(&EventType::WorkflowExecutionTerminated));
    let error = run.terminate("again").await.unwrap_err();
    assert!(matches!(error, RunError::AlreadyClosed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_attempt_is_told_and_stopped_when_its_run_is_terminated() {
    let (told, tell) = tokio::sync::oneshot::channel();
    let told = Mutex::new(Some(told));
    let engine = TestEngine::builder()
        .workflow(TRIP, trip)
        .activity(UNDO, |_, _| async { Ok(()) })
        .activity(DO, move |ctx: ActivityContext, _| {
            let told = told.lock().unwrap().take();
            async move {
                struct Told(ActivityContext, Option<tokio::sync::oneshot::Sender<CancelCause>>);
                impl Drop for Told {
                    fn drop(&mut self) {
                        if let (Some(cause), Some(told)) = (self.0.cancel_cause(), self.1.take()) {
                            let _ = told.send(cause);
                        }
                    }
                }
                let _told = Told(ctx, told);
                std::future::pending().await
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TRIP, ()).await.unwrap();
    while engine.run_actors().await.unwrap()[0].1.get_children().is_empty() {
        tokio::task::yield_now().await;
    }
    run.terminate("by hand").await.unwrap();
    assert_eq!(tell.await.unwrap(), CancelCause::WorkflowClosed);
}

#[tokio::test(start_paused = true)]
async fn fail_1_the_client_sees_the_whole_typed_chain() {
    const STOP: Activity<String, ()> = Activity::new("stop")
        .start_to_close_timeout(Duration::from_secs(5))
        .retry_policy(RetryPolicy::none());
    const REMOVE: Workflow<String, ()> = Workflow::new("remove");
    async fn remove(ctx: WorkflowContext, id: String) -> WorkflowResult<()> {
        ctx.activity(STOP, id.clone()).await.with_context(|| format!("stop container {id}"))
    }
    let engine = TestEngine::builder()
        .workflow(REMOVE, remove)
        .activity(STOP, |_, _| async {
            Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused"))?
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(REMOVE, "abc123".to_owned()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "stop container abc123: connection refused");
    let failure = error.failure().unwrap();
    let kinds: Vec<_> = failure.chain().map(Failure::kind).collect();
    assert!(
        matches!(kinds.as_slice(), [FailureKind::Activity(_), FailureKind::Application(_)]),
        "{kinds:?}"
    );
    // The type is the name of the error's own type.
    assert_eq!(failure.application_type(), Some("Error"));
}
