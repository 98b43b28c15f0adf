//! Activities that block their thread: plain functions, which nobody can stop.
//!
//! These tests run in real time, because a paused clock stands still while such code runs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActivityCancellationType, EngineBuilder, FailureKind, PendingActivityState};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use tokio::sync::Notify;

const WORK: Activity<(), String> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)))
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
/// Times out at once.
const BRIEF: Activity<(), String> = WORK.start_to_close_timeout(Duration::from_millis(20));
const CALLS: Workflow<(), String> = Workflow::new("calls");
const CALLS_BRIEF: Workflow<(), String> = Workflow::new("calls-brief");

fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(CALLS, |ctx: WorkflowContext, ()| async move { ctx.activity(WORK, ()).await })
        .workflow(
            CALLS_BRIEF,
            |ctx: WorkflowContext, ()| async move { ctx.activity(BRIEF, ()).await },
        )
}

/// Holds the code of attempts until it is let go.
#[derive(Clone, Default)]
struct Gate {
    arrived: Arc<Notify>,
    letting_go: Arc<Mutex<Vec<mpsc::Sender<()>>>>,
}

impl Gate {
    /// Called by the code.
    fn wait(&self) {
        let (sender, receiver) = mpsc::channel();
        self.letting_go.lock().unwrap().push(sender);
        self.arrived.notify_one();
        receiver.recv().unwrap();
    }

    fn open(&self) {
        for waiting in self.letting_go.lock().unwrap().drain(..) {
            waiting.send(()).unwrap();
        }
    }
}

async fn until_nothing_overruns(engine: &Engine) {
    while !engine.overrunning_attempts().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_plain_function_is_an_activity_with_everything_that_belongs_to_one() {
    let engine = workflows(TestEngine::builder())
        .blocking_activity(WORK, |ctx: ActivityContext, ()| {
            let before: Option<u32> = ctx.heartbeat_details()?;
            ctx.heartbeat(&ctx.attempt())?;
            match before {
                None => Err(std::fs::read("/nowhere").unwrap_err().into()),
                Some(attempt) => Ok(format!("after attempt {attempt}")),
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALLS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "after attempt 1");
    assert_eq!(engine.overrunning_attempts(), []);
}

#[tokio::test]
async fn tmo_12_code_that_ignores_its_timeout_is_counted_and_its_late_result_refused() {
    let gate = Gate::default();
    // The attempt that is held: on a busy machine, one before it may not even get its thread.
    let held = Arc::new(Mutex::new(None));
    let cause = Arc::new(Mutex::new(None));
    let engine = workflows(TestEngine::builder())
        .blocking_activity(BRIEF, {
            let (gate, held, cause) = (gate.clone(), Arc::clone(&held), Arc::clone(&cause));
            move |ctx: ActivityContext, ()| {
                let is_first = held.lock().unwrap().replace(ctx.attempt()).is_none();
                if is_first {
                    gate.wait();
                    *cause.lock().unwrap() = ctx.cancel_cause();
                    return Ok("late".to_owned());
                }
                Ok("in time".to_owned())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALLS_BRIEF, ()).workflow_id("one").await.unwrap();
    gate.arrived.notified().await;
    let first = held.lock().unwrap().unwrap();
    assert_eq!(run.result().await.unwrap(), "in time");
    let overrunning = engine.overrunning_attempts().remove(0);
    assert_eq!(overrunning.workflow_id.as_str(), "one");
    assert_eq!(overrunning.run_id, run.run_id());
    assert_eq!((overrunning.activity_type.as_str(), overrunning.attempt), ("work", first));
    let events = run.history().await.unwrap().len();
    gate.open();
    until_nothing_overruns(&engine).await;
    assert_eq!(*cause.lock().unwrap(), Some(CancelCause::TimedOut));
    assert_eq!(run.history().await.unwrap().len(), events);
}

#[tokio::test]
async fn tmo_12_describe_tells_of_earlier_attempts_whose_code_still_runs() {
    const CALLS_TWICE: Workflow<(), String> = Workflow::new("calls-twice");
    let (gate, causes) = (Gate::default(), Arc::new(Mutex::new(Vec::new())));
    let engine = workflows(TestEngine::builder())
        .blocking_activity(WORK, {
            let (gate, causes) = (gate.clone(), Arc::clone(&causes));
            move |ctx: ActivityContext, ()| {
                gate.wait();
                causes.lock().unwrap().push(ctx.cancel_cause());
                Ok("done".to_owned())
            }
        })
        .workflow(CALLS_TWICE, |ctx: WorkflowContext, ()| async move {
            // The third attempt comes in an hour.
            let policy = entracte::model::RetryPolicy {
                initial_interval: Duration::from_millis(1),
                backoff_coefficient: 3_600_000.0,
                maximum_interval: Some(Duration::from_secs(3_600)),
                ..Default::default()
            };
            ctx.activity(WORK, ()).retry_policy(policy).await
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALLS_TWICE, ()).await.unwrap();
    for _ in 1..=2 {
        gate.arrived.notified().await;
        // The attempt ends with its run's actor, and is lost.
        engine.run_actors().await.unwrap()[0].1.kill();
    }
    let pending = loop {
        let pending = run.describe().await.unwrap().pending_activities.remove(0);
        if pending.attempt == 3 {
            break pending;
        }
    };
    assert_eq!(pending.state, PendingActivityState::Scheduled);
    assert_eq!(pending.overrunning_attempts, [1, 2]);
    run.terminate("enough").await.unwrap();
    assert_eq!(engine.overrunning_attempts().len(), 2);
    gate.open();
    until_nothing_overruns(&engine).await;
    // Told though its run could not tell it.
    assert_eq!(*causes.lock().unwrap(), [Some(CancelCause::Lost); 2]);
}

#[tokio::test]
async fn acx_4_a_plain_function_learns_of_its_cancellation_at_once() {
    let arrived = Arc::new(Notify::new());
    let engine = workflows(TestEngine::builder())
        .blocking_activity(WORK, {
            let arrived = Arc::clone(&arrived);
            move |ctx: ActivityContext, ()| {
                arrived.notify_one();
                let cause = ctx.wait_cancelled(Duration::MAX);
                Err(Failure::canceled().with_details(&format!("{cause:?}"))?)
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALLS, ()).await.unwrap();
    arrived.notified().await;
    run.cancel("enough").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
    let details: String = error.failure().unwrap().details().unwrap().unwrap();
    assert_eq!(details, "Some(Cancelled)");
}

#[tokio::test]
async fn wrk_2_a_shutdown_waits_for_a_plain_function_no_longer_than_its_grace() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let gate = Gate::default();
    let build = || {
        let gate = gate.clone();
        workflows(TestEngine::on_store(disk.reopen()))
            .shutdown_grace(Duration::from_millis(1))
            .blocking_activity(WORK, move |ctx: ActivityContext, ()| {
                if ctx.attempt() == 1 {
                    gate.wait();
                }
                Ok(format!("attempt {}", ctx.attempt()))
            })
    };
    let first = build().start().await.unwrap();
    first.start_workflow(CALLS, ()).workflow_id("one").await.unwrap();
    gate.arrived.notified().await;
    first.shutdown().await.unwrap();
    assert_eq!(first.overrunning_attempts().len(), 1);
    let second = build().start().await.unwrap();
    let run = second.workflow_handle(CALLS, "one").await.unwrap();
    // What was cut off is lost, and counts (design rule 6).
    assert_eq!(run.result().await.unwrap(), "attempt 2");
    assert_eq!(second.overrunning_attempts(), []);
    gate.open();
    until_nothing_overruns(&first).await;
}

#[test]
fn code_that_has_not_got_its_thread_does_not_run_once_its_attempt_is_over() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let (gate, brief_runs) = (Gate::default(), Arc::new(AtomicU32::new(0)));
        const NEVER: Activity<(), String> = Activity::new("never")
            .start_to_close_timeout(Duration::from_millis(20))
            .retry_policy(RetryPolicy::none());
        const CALLS_NEVER: Workflow<(), String> = Workflow::new("calls-never");
        let engine = workflows(TestEngine::builder())
            .workflow(CALLS_NEVER, |ctx: WorkflowContext, ()| async move {
                ctx.activity(NEVER, ()).await
            })
            .blocking_activity(WORK, {
                let gate = gate.clone();
                move |_, ()| {
                    gate.wait();
                    Ok("done".to_owned())
                }
            })
            .blocking_activity(NEVER, {
                let brief_runs = Arc::clone(&brief_runs);
                move |_, ()| {
                    brief_runs.fetch_add(1, Ordering::SeqCst);
                    Ok("ran".to_owned())
                }
            })
            .start()
            .await
            .unwrap();
        let holding = engine.start_workflow(CALLS, ()).await.unwrap();
        gate.arrived.notified().await;
        let never = engine.start_workflow(CALLS_NEVER, ()).await.unwrap();
        assert!(never.result().await.unwrap_err().failure().unwrap().timeout_type().is_some());
        assert_eq!(engine.overrunning_attempts(), []);
        gate.open();
        holding.result().await.unwrap();
        // The pool takes its work in order: behind this, nothing of before is left.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!(brief_runs.load(Ordering::SeqCst), 0);
    });
}

#[tokio::test]
async fn fail_3_a_panic_of_a_plain_function_is_a_retryable_failure_with_its_place() {
    let engine = workflows(TestEngine::builder())
        .blocking_activity(WORK, |ctx: ActivityContext, ()| {
            assert!(ctx.attempt() > 1, "the first one breaks");
            Ok(format!("attempt {}", ctx.attempt()))
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALLS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "attempt 2");
    let history = run.history().await.unwrap();
    let failure = history.iter().find_map(|event| match &event.attributes {
        entracte::EventAttributes::ActivityTaskStarted(started) => started.last_failure.clone(),
        _ => None,
    });
    let failure = failure.unwrap();
    assert!(matches!(failure.kind(), FailureKind::Application(_)));
    assert_eq!(failure.application_type(), Some("PanicError"));
    assert_eq!(failure.message(), "the first one breaks");
    assert!(failure.stack_trace().contains("blocking.rs:"), "{}", failure.stack_trace());
}
