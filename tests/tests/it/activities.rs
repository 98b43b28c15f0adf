//! Activities as their workflow sees them: results, retries, timeouts, errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{EventAttributes, EventType, FailureKind, RetryState, TimeoutType};
use entracte_testing::TestEngine;
use entracte_tests::look::{assert_well_formed, event_types};
use entracte_tests::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};

const WORK: Activity<(), u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(30));
const CALL: Workflow<(), u32> = Workflow::new("call");

async fn call(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(WORK, ()).await.context("call the activity")
}

/// Fails as often as told, then returns the number of the attempt.
fn failing(times: u32) -> impl Fn(ActivityContext, ()) -> std::future::Ready<ActivityResult<u32>> {
    move |ctx, ()| {
        std::future::ready(if ctx.attempt() <= times {
            Err(Failure::application("Flaky", format!("attempt {} failed", ctx.attempt())))
        } else {
            Ok(ctx.attempt())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_sequence_of_activities_completes_with_the_shortest_history() {
    let engine = TestEngine::builder()
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(THREE_STEPS, 39).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    use EventType as T;
    let step = [T::ActivityTaskScheduled, T::ActivityTaskStarted, T::ActivityTaskCompleted];
    let mut expected = vec![T::WorkflowExecutionStarted];
    expected.extend([step, step, step].concat());
    expected.push(T::WorkflowExecutionCompleted);
    assert_eq!(event_types(&history), expected);
}

#[tokio::test(start_paused = true)]
async fn ret_5_and_ret_19_the_default_ladder_leaves_one_scheduled_and_one_started_event() {
    let engine = TestEngine::builder()
        .workflow(CALL, call)
        .activity(WORK, failing(9))
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 10);
    let history = run.history().await.unwrap();
    use EventType as T;
    assert_eq!(
        event_types(&history),
        [
            T::WorkflowExecutionStarted,
            T::ActivityTaskScheduled,
            T::ActivityTaskStarted,
            T::ActivityTaskCompleted,
            T::WorkflowExecutionCompleted,
        ]
    );
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    assert_eq!(started.attempt, 10);
    let last_failure = started.last_failure.as_ref().unwrap();
    assert_eq!(last_failure.to_string(), "attempt 9 failed");
    assert_eq!(started.started_time.saturating_since(history[1].time).as_secs(), 327);
    // 1 + 2 + 4 + 8 + 16 + 32 + 64 + 100 + 100 seconds of back-off.
    let waited = history[3].time.saturating_since(history[1].time);
    assert_eq!(waited.as_secs(), 327);
}

#[tokio::test(start_paused = true)]
async fn ret_6_the_last_attempt_s_failure_comes_back() {
    const LIMITED: Workflow<(), u32> = Workflow::new("limited");
    async fn limited(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
        let policy = RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(3);
        ctx.activity(WORK, ()).retry_policy(policy).await.context("call the activity")
    }
    let engine = TestEngine::builder()
        .workflow(LIMITED, limited)
        .activity(WORK, failing(99))
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(LIMITED, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "call the activity: attempt 3 failed");
    let FailureKind::Activity(activity) = error.failure().unwrap().kind() else {
        panic!("{error:?}")
    };
    assert_eq!(activity.retry_state, RetryState::MaximumAttemptsReached);
    assert_eq!(activity.activity_type, "work");
}

#[tokio::test(start_paused = true)]
async fn ret_10_a_non_retryable_failure_is_not_retried() {
    let engine = TestEngine::builder()
        .workflow(CALL, call)
        .activity(WORK, |_, ()| async { Err(Failure::non_retryable("Declined", "no")) })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.application_type(), Some("Declined"));
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::NonRetryableFailure);
}

#[tokio::test(start_paused = true)]
async fn fail_3_a_panic_of_an_activity_is_retried() {
    let engine = TestEngine::builder()
        .workflow(CALL, call)
        .activity(WORK, |ctx: ActivityContext, ()| async move {
            assert!(ctx.attempt() > 1, "the first attempt panics");
            Ok(ctx.attempt())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    let failure = started.last_failure.as_ref().unwrap();
    assert_eq!(failure.application_type(), Some("PanicError"));
    assert_eq!(failure.to_string(), "the first attempt panics");
}

#[tokio::test(start_paused = true)]
async fn fail_7_an_unregistered_activity_fails_its_attempts_and_can_be_registered_later() {
    let store: Arc<dyn entracte::store::Store> = Arc::new(entracte::store::MemoryStore::new());
    let engine =
        TestEngine::on_store(Arc::clone(&store)).workflow(CALL, call).start().await.unwrap();
    let run = engine.start_workflow(CALL, ()).workflow_id("waits").await.unwrap();
    let pending = loop {
        let description = run.describe().await.unwrap();
        match description.pending_activities.first() {
            Some(pending) if pending.last_failure.is_some() => break pending.clone(),
            _ => tokio::task::yield_now().await,
        }
    };
    let failure = pending.last_failure.unwrap();
    assert_eq!(failure.to_string(), "unable to find activityType=work. Supported types: []");
    drop(engine);
    let engine = TestEngine::on_store(store)
        .workflow(CALL, call)
        .activity(WORK, failing(0))
        .start()
        .await
        .unwrap();
    let run = engine.workflow_handle(CALL, "waits").await.unwrap();
    assert!(run.result().await.unwrap() > 1);
}

/// Sets a flag when it is dropped.
struct OnDrop(Arc<AtomicU32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn tmo_1_an_attempt_that_takes_too_long_is_really_stopped_and_retried() {
    let stopped = Arc::new(AtomicU32::new(0));
    let in_activity = Arc::clone(&stopped);
    let engine = TestEngine::builder()
        .workflow(CALL, call)
        .activity(WORK, move |ctx: ActivityContext, ()| {
            let on_drop = OnDrop(Arc::clone(&in_activity));
            async move {
                if ctx.attempt() == 1 {
                    std::future::pending::<()>().await;
                }
                drop(on_drop);
                Ok(ctx.attempt())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    assert_eq!(stopped.load(Ordering::SeqCst), 2, "both futures are gone");
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    let failure = started.last_failure.as_ref().unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::StartToClose));
    assert_eq!(failure.to_string(), "activity StartToClose timeout");
    // 30 seconds of timeout and one of back-off.
    assert_eq!(history[3].time.saturating_since(history[1].time).as_secs(), 31);
}

#[tokio::test(start_paused = true)]
async fn ret_15_the_final_timeout_carries_the_failure_before_it() {
    const TWICE: Workflow<(), u32> = Workflow::new("twice");
    async fn twice(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
        let policy = RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(2);
        ctx.activity(WORK, ()).retry_policy(policy).await
    }
    let engine = TestEngine::builder()
        .workflow(TWICE, twice)
        .activity(WORK, |ctx: ActivityContext, ()| async move {
            if ctx.attempt() == 1 {
                return Err(Failure::application("Refused", "connection refused"));
            }
            std::future::pending().await
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TWICE, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "activity StartToClose timeout: connection refused");
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_is_told_and_the_winner_s_value_counts() {
    const RACE: Workflow<(), &'static str> = Workflow::new("race");
    async fn race(ctx: WorkflowContext, (): ()) -> WorkflowResult<&'static str> {
        let won = select! {
            _ = ctx.activity(WORK, ()) => "the activity",
            () = ctx.sleep(Duration::from_secs(5)) => "the timer",
        };
        // Stay open until the loser has come to its end.
        ctx.sleep(Duration::from_secs(5)).await;
        Ok(won)
    }
    let engine = TestEngine::builder()
        .workflow(RACE, race)
        .activity(WORK, |ctx: ActivityContext, ()| async move {
            let cause = ctx.cancelled().await;
            assert_eq!(cause, CancelCause::Cancelled);
            Err(Failure::canceled())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(RACE, ()).await.unwrap();
    let types = loop {
        let types = event_types(&run.history().await.unwrap());
        if types.last().is_some_and(|last| last.is_close()) {
            break types;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    use EventType as T;
    assert_eq!(
        types,
        [
            T::WorkflowExecutionStarted,
            T::ActivityTaskScheduled,
            T::TimerStarted,
            T::TimerFired,
            T::TimerStarted,
            T::ActivityTaskCancelRequested,
            T::ActivityTaskStarted,
            T::ActivityTaskCanceled,
            T::TimerFired,
            T::WorkflowExecutionCompleted,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn tmo_2_options_without_a_close_timeout_are_refused_at_the_start_of_the_engine() {
    const ENDLESS: Activity<u64, u64> = Activity::new("endless");
    let error =
        TestEngine::builder().activity(ENDLESS, add_one).start().await.err().unwrap().to_string();
    assert!(error.contains("endless"), "{error}");
    assert!(error.contains("StartToCloseTimeout or ScheduleToCloseTimeout"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_result_that_is_too_large_fails_the_attempt() {
    const BIG: Activity<usize, String> =
        Activity::new("big").start_to_close_timeout(Duration::from_secs(1));
    const FETCH: Workflow<usize, usize> = Workflow::new("fetch");
    async fn fetch(ctx: WorkflowContext, bytes: usize) -> WorkflowResult<usize> {
        Ok(ctx.activity(BIG, bytes).await?.len())
    }
    let engine = TestEngine::builder()
        .payload_bytes_max(1_000)
        .workflow(FETCH, fetch)
        .activity(BIG, |_, bytes| async move { Ok("x".repeat(bytes)) })
        .start()
        .await
        .unwrap();
    let small = engine.start_workflow(FETCH, 900).await.unwrap();
    assert_eq!(small.result().await.unwrap(), 900);
    let big = engine.start_workflow(FETCH, 1_001).await.unwrap();
    let error = big.result().await.unwrap_err();
    assert_eq!(error.failure().unwrap().application_type(), Some("PayloadTooLarge"));
}

#[tokio::test(start_paused = true)]
async fn ret_14_a_timeout_is_told_as_one_though_the_code_panics_when_it_is_dropped() {
    const LONG: Activity<(), ()> = Activity::new("long")
        .start_to_close_timeout(Duration::from_secs(1))
        .retry_policy(RetryPolicy::none());
    const WAITING: Workflow<(), ()> = Workflow::new("waiting");
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let engine = TestEngine::builder()
        .workflow(WAITING, |ctx: WorkflowContext, ()| async move { ctx.activity(LONG, ()).await })
        .activity(LONG, |_: ActivityContext, ()| async {
            let _bomb = Bomb;
            std::future::pending().await
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(WAITING, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "activity StartToClose timeout");
}
