//! Interceptors around attempts and around the calls of workflows (rule WRK-3).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{
    BoxFuture, Headers, Interceptor, NextActivity, ParkCause, Payload, PropagateHeaders,
    TurnFailure, WorkflowCall, WorkflowInfo,
};
use entracte_testing::TestEngine;

const WORK: Activity<u32, u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(10));
const CALL: Workflow<u32, u32> = Workflow::new("call");

async fn call(ctx: WorkflowContext, number: u32) -> WorkflowResult<u32> {
    ctx.activity(WORK, number).await
}

type Log = Arc<Mutex<Vec<String>>>;

/// Notes what it is around, and how that ends.
struct Notes {
    name: &'static str,
    log: Log,
}

impl Notes {
    fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: Arc::clone(log) }
    }

    fn note(&self, text: impl std::fmt::Display) {
        self.log.lock().unwrap().push(format!("{} {text}", self.name));
    }
}

/// Notes an attempt that is dropped before its end.
struct Dropped<'a>(Option<&'a Notes>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let Some(notes) = self.0 {
            notes.note("dropped");
        }
    }
}

impl Interceptor for Notes {
    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            self.note(format_args!("begins {} #{}", ctx.info().activity_type, ctx.attempt()));
            let mut dropped = Dropped(Some(self));
            let result = next.run(ctx, input).await;
            dropped.0 = None;
            match &result {
                Ok(output) => self.note(output.decode::<u32>().unwrap()),
                Err(failure) => self.note(failure),
            }
            result
        })
    }
}

#[tokio::test(start_paused = true)]
async fn wrk_3_interceptors_nest_around_each_attempt_in_the_order_of_registration() {
    let log = Log::default();
    let engine = TestEngine::builder()
        .interceptor(Notes::new("outer", &log))
        .interceptor(Notes::new("inner", &log))
        .workflow(CALL, call)
        .activity(WORK, |ctx: ActivityContext, number: u32| async move {
            if ctx.attempt() == 1 { Err(Failure::application("E", "no")) } else { Ok(number) }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
    let expected = [
        "outer begins work #1",
        "inner begins work #1",
        "inner no",
        "outer no",
        "outer begins work #2",
        "inner begins work #2",
        "inner 7",
        "outer 7",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn wrk_3_blocking_activities_run_within_their_interceptors() {
    let log = Log::default();
    let engine = TestEngine::builder()
        .interceptor(Notes::new("around", &log))
        .workflow(CALL, call)
        .blocking_activity(WORK, |ctx: ActivityContext, number: u32| {
            assert!(ctx.attempt() > 1, "the first one panics");
            Ok(number + 1)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 8);
    let expected = [
        "around begins work #1",
        "around the first one panics",
        "around begins work #2",
        "around 8",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn wrk_3_an_attempt_that_times_out_is_dropped_within_its_interceptors() {
    let log = Log::default();
    let engine = TestEngine::builder()
        .interceptor(Notes::new("around", &log))
        .workflow(CALL, call)
        .activity(WORK, |ctx: ActivityContext, number: u32| async move {
            if ctx.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(number)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
    let expected = ["around begins work #1", "around dropped", "around begins work #2", "around 7"];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// Does with the first attempts what it says.
enum Meddler {
    Refuse,
    Panic,
    Change,
}

impl Interceptor for Meddler {
    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        Box::pin(async move {
            match self {
                Self::Refuse => Err(Failure::non_retryable("Unauthorised", "not you")),
                Self::Panic if ctx.attempt() == 1 => panic!("the interceptor is broken"),
                Self::Panic => next.run(ctx, input).await,
                Self::Change => {
                    let mut headers = ctx.headers().clone();
                    headers.insert("principal", "ada")?;
                    let input = vec![Payload::encode(&20)?];
                    let output = next.run(ctx.with_headers(headers), input).await?;
                    Ok(Payload::encode(&(output.decode::<u32>()? + 1))?)
                }
            }
        })
    }
}

/// Runs an activity that gives its input, or ten times as much if it knows for whom.
async fn meddled(meddler: Meddler) -> (Result<u32, WorkflowError>, u32) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let engine = TestEngine::builder()
        .interceptor(meddler)
        .workflow(CALL, call)
        .activity(WORK, move |ctx: ActivityContext, number: u32| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                let known = ctx.headers().get("principal") == Some(Ok("ada".to_owned()));
                Ok(if known { number * 10 } else { number })
            }
        })
        .start()
        .await
        .unwrap();
    let result = engine.start_workflow(CALL, 7).await.unwrap().result().await;
    (result, calls.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn wrk_3_an_interceptor_refuses_attempts_and_their_code_never_runs() {
    let (result, calls) = meddled(Meddler::Refuse).await;
    let error = result.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!((failure.application_type(), calls), (Some("Unauthorised"), 0));
    assert_eq!(failure.to_string(), "not you");
}

#[tokio::test(start_paused = true)]
async fn fail_3_a_panic_of_an_interceptor_is_its_attempt_s() {
    // The second attempt has its turn: a panic is retried.
    let (result, calls) = meddled(Meddler::Panic).await;
    assert_eq!((result.unwrap(), calls), (7, 1));
}

#[tokio::test(start_paused = true)]
async fn wrk_3_an_interceptor_changes_input_headers_and_result() {
    let (result, calls) = meddled(Meddler::Change).await;
    assert_eq!((result.unwrap(), calls), (201, 1));
}

#[tokio::test(start_paused = true)]
async fn wrk_3_headers_are_handed_on_to_attempts_after_a_crash_too() {
    let store: Arc<dyn entracte::store::Store> = Arc::new(entracte::store::MemoryStore::new());
    let attempts = Arc::new(tokio::sync::Notify::new());
    let build = |attempts: Arc<tokio::sync::Notify>| {
        TestEngine::on_store(Arc::clone(&store))
            .interceptor(PropagateHeaders::all())
            .workflow(CALL, call)
            .activity(WORK, move |ctx: ActivityContext, _: u32| {
                let attempts = Arc::clone(&attempts);
                async move {
                    let number = ctx.headers().get("number").unwrap()?;
                    if ctx.attempt() == 1 {
                        attempts.notify_one();
                        std::future::pending::<()>().await;
                    }
                    Ok(number)
                }
            })
            .start()
    };
    let engine = build(Arc::clone(&attempts)).await.unwrap();
    let mut headers = Headers::new();
    headers.insert("number", &42).unwrap();
    engine.start_workflow(CALL, 7).workflow_id("w").headers(headers).await.unwrap();
    attempts.notified().await;
    drop(engine);
    let engine = build(attempts).await.unwrap();
    let run = engine.workflow_handle(CALL, "w").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
}

/// Notes the calls of workflows; panics as long as it is broken.
struct Watch {
    log: Log,
    broken: bool,
}

impl Interceptor for Watch {
    fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        assert!(!self.broken, "the interceptor is broken");
        let replay = if workflow.is_replaying { "replays" } else { "calls" };
        self.log.lock().unwrap().push(format!("{replay} with {} input", call.input.len()));
        call.headers.insert("seen", &true).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn wrk_3_a_workflow_s_interceptor_runs_again_on_replay() {
    let log = Log::default();
    let engine = TestEngine::builder()
        .interceptor(Watch { log: Arc::clone(&log), broken: false })
        .workflow(CALL, |ctx: WorkflowContext, number| async move {
            let first = ctx.activity(WORK, number).await?;
            let late = LateCall(ctx.clone());
            let second = ctx.activity(WORK, first).await?;
            drop(late);
            Ok(second)
        })
        .activity(WORK, |ctx: ActivityContext, number: u32| async move {
            assert_eq!(ctx.headers().get("seen"), Some(Ok(true)));
            Ok(number + 1)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 9);
    // The engine replays before every event. The late call is seen once, where it is made in
    // a turn, and not when the machine is put out of memory.
    let expected =
        ["calls with 1 input", "replays with 1 input", "calls with 1 input"].map(str::to_owned);
    let seen = log.lock().unwrap().clone();
    assert_eq!(seen[..3], expected);
    assert_eq!(seen.iter().filter(|seen| seen.starts_with("calls")).count(), 3);
    assert_eq!(run.history().await.unwrap().len(), 8);
}

/// Calls an activity when it is dropped.
struct LateCall(WorkflowContext);

impl Drop for LateCall {
    fn drop(&mut self) {
        drop(self.0.activity(WORK, 0).start());
    }
}

#[tokio::test(start_paused = true)]
async fn wrk_3_a_panic_of_a_workflow_s_interceptor_fails_the_turn_until_it_is_mended() {
    let store: Arc<dyn entracte::store::Store> = Arc::new(entracte::store::MemoryStore::new());
    let build = |broken| {
        TestEngine::on_store(Arc::clone(&store))
            .interceptor(Watch { log: Log::default(), broken })
            .workflow(CALL, call)
            .activity(WORK, |_: ActivityContext, number: u32| async move { Ok(number) })
            .start()
    };
    let engine = build(true).await.unwrap();
    let run = engine.start_workflow(CALL, 7).workflow_id("w").await.unwrap();
    let parked = run.describe().await.unwrap().parked.unwrap();
    let ParkCause::Turn { failure: TurnFailure::Panic { message } } = parked.cause else {
        panic!("{parked:?}")
    };
    assert_eq!(message, "the interceptor is broken");
    drop(engine);
    let engine = build(false).await.unwrap();
    let run = engine.workflow_handle(CALL, "w").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
}
