//! Heartbeats: what keeps an attempt alive, and what of its details the next one sees.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::{
    EngineBuilder, EventAttributes, FailureKind, HeartbeatError, RetryState, TimeoutType,
};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use tokio::sync::{Notify, mpsc};

const BEATS: Activity<(), u32> = Activity::new("beats")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .heartbeat_timeout(Duration::from_secs(10))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(3));
const RUN_BEATS: Workflow<(), u32> = Workflow::new("run-beats");

async fn run_beats(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(BEATS, ()).await
}

fn engine<F, Fut>(store: Arc<dyn Store>, activity: F) -> EngineBuilder
where
    F: Fn(ActivityContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ActivityResult<u32>> + Send + 'static,
{
    TestEngine::on_store(store)
        .workflow(RUN_BEATS, run_beats)
        .activity(BEATS, move |ctx, ()| activity(ctx))
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn beat_every(ctx: &ActivityContext, seconds: u64, times: u32) -> Result<(), HeartbeatError> {
    for number in 1..=times {
        ctx.heartbeat(&number)?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn tmo_6_an_attempt_that_is_silent_for_too_long_is_stopped_and_retried() {
    let engine = engine(memory(), |ctx: ActivityContext| async move {
        if ctx.attempt() == 1 {
            // Silent from the start.
            std::future::pending::<()>().await;
        }
        if ctx.attempt() == 2 {
            // Silent from the second heartbeat on, which comes after nine seconds.
            beat_every(&ctx, 9, 2).await?;
            std::future::pending::<()>().await;
        }
        Ok(ctx.attempt())
    });
    let engine = engine.start().await.unwrap();
    let run = engine.start_workflow(RUN_BEATS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    let last_failure = started.last_failure.as_ref().unwrap();
    assert_eq!(last_failure.timeout_type(), Some(TimeoutType::Heartbeat));
    assert_eq!(last_failure.to_string(), "activity Heartbeat timeout");
    // Ten seconds and a back-off of one, then nineteen and a back-off of two.
    assert_eq!(started.started_time.saturating_since(history[1].time).as_secs(), 32);
}

#[tokio::test(start_paused = true)]
async fn tmo_6_every_heartbeat_feeds_the_timeout_at_once() {
    let engine = engine(memory(), |ctx: ActivityContext| async move {
        // Far more often than the store is told, and for longer than the timeout.
        for number in 0..1_000_u32 {
            ctx.heartbeat(&number)?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        beat_every(&ctx, 9, 20).await?;
        Ok(ctx.attempt())
    });
    let engine = engine.start().await.unwrap();
    let run = engine.start_workflow(RUN_BEATS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn ret_9_and_ret_15_a_listed_heartbeat_timeout_is_final_and_carries_the_details() {
    const LISTED: Workflow<(), u32> = Workflow::new("listed");
    const POLICY: RetryPolicy = RetryPolicy::DEFAULT.non_retryable(&["TemporalTimeout:Heartbeat"]);
    let engine = engine(memory(), |ctx: ActivityContext| async move {
        beat_every(&ctx, 1, 5).await?;
        std::future::pending().await
    });
    let engine = engine.workflow(LISTED, async |ctx: WorkflowContext, ()| {
        ctx.activity(BEATS, ()).retry_policy(POLICY).await
    });
    let engine = engine.start().await.unwrap();
    let run = engine.start_workflow(LISTED, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::Heartbeat));
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::NonRetryableFailure);
    // The latest, although the store had not been given them yet.
    assert_eq!(failure.details::<u32>(), Some(Ok(5)));
}

/// What is stored of an attempt that beats every second, just before and after each of the
/// given seconds.
async fn stored_around(heartbeat_timeout: Option<Duration>, seconds: &[u64]) -> Vec<[u32; 2]> {
    const QUIET: Activity<(), ()> =
        Activity::new("quiet").start_to_close_timeout(Duration::from_secs(3_600));
    const RUN_QUIET: Workflow<Option<Duration>, ()> = Workflow::new("run-quiet");
    let engine = TestEngine::builder()
        .workflow(RUN_QUIET, async |ctx: WorkflowContext, heartbeat| {
            let call = ctx.activity(QUIET, ());
            match heartbeat {
                Some(timeout) => call.heartbeat_timeout(timeout).await,
                None => call.await,
            }
        })
        .activity(
            QUIET,
            |ctx: ActivityContext, ()| async move { Ok(beat_every(&ctx, 1, 3_000).await?) },
        )
        .start()
        .await
        .unwrap();
    let begin = tokio::time::Instant::now();
    let run = engine.start_workflow(RUN_QUIET, heartbeat_timeout).await.unwrap();
    let stored = async |at: Duration| {
        tokio::time::sleep_until(begin + at).await;
        let pending = run.describe().await.unwrap().pending_activities.remove(0);
        assert!(pending.heartbeat_time.is_some());
        pending.heartbeat_details.unwrap().decode::<u32>().unwrap()
    };
    let mut found = Vec::new();
    for second in seconds {
        let before = stored(Duration::from_millis(second * 1_000 - 200)).await;
        let after = stored(Duration::from_millis(second * 1_000 + 200)).await;
        found.push([before, after]);
    }
    found
}

#[tokio::test(start_paused = true)]
async fn hb_4_the_first_is_stored_at_once_and_then_the_latest_of_each_interval() {
    // The n-th heartbeat comes n - 1 seconds after the start.
    let ten = Some(Duration::from_secs(10));
    assert_eq!(stored_around(ten, &[1, 8, 12, 16]).await, [[1, 1], [1, 9], [9, 9], [9, 17]]);
    assert_eq!(stored_around(None, &[1, 30, 59, 60]).await, [[1, 1], [1, 31], [31, 31], [31, 61]]);
    let long = Some(Duration::from_secs(600));
    assert_eq!(
        stored_around(long, &[1, 60, 119, 120]).await,
        [[1, 1], [1, 61], [61, 61], [61, 121]]
    );
}

#[tokio::test(start_paused = true)]
async fn hb_2_and_hb_3_the_last_details_go_with_a_failure_and_stay_until_overwritten() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let engine = engine(memory(), move |ctx: ActivityContext| {
        let sender = sender.clone();
        async move {
            sender.send(ctx.heartbeat_details::<u32>()?)?;
            match ctx.attempt() {
                1 => {
                    beat_every(&ctx, 0, 3).await?;
                    Err(Failure::application("Halfway", "at three"))
                }
                2 => Err(Failure::application("Silent", "without a heartbeat")),
                attempt => Ok(attempt),
            }
        }
    });
    let engine = engine.start().await.unwrap();
    let run = engine.start_workflow(RUN_BEATS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
    for expected in [None, Some(3), Some(3)] {
        assert_eq!(seen.recv().await.unwrap(), expected);
    }
}

/// Beats three times in three seconds in its first attempt, and then hangs; any other attempt
/// returns what it finds.
fn three_beats(
    store: Arc<dyn Store>,
    third: &Arc<Notify>,
    between: Duration,
) -> entracte::EngineBuilder {
    let third = Arc::clone(third);
    engine(store, move |ctx: ActivityContext| {
        let third = Arc::clone(&third);
        async move {
            if ctx.attempt() > 1 {
                return Ok(ctx.heartbeat_details()?.unwrap_or(0));
            }
            for number in 1..=3 {
                ctx.heartbeat(&number)?;
                tokio::time::sleep(between).await;
            }
            third.notify_one();
            std::future::pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn hb_4_a_crash_takes_no_more_than_the_last_interval() {
    // Within the first interval of eight seconds only the first one is stored; of the beats
    // at 0, 7 and 14 seconds the second one is stored after eight.
    for (between, expected) in [(1, 1), (7, 2)] {
        let (store, third) = (memory(), Arc::new(Notify::new()));
        let between = Duration::from_secs(between);
        let first = three_beats(Arc::clone(&store), &third, between).start().await.unwrap();
        first.start_workflow(RUN_BEATS, ()).workflow_id("beats").await.unwrap();
        tokio::time::sleep(between * 2 + Duration::from_millis(500)).await;
        drop(first);
        let second = three_beats(store, &third, between).start().await.unwrap();
        let run = second.workflow_handle(RUN_BEATS, "beats").await.unwrap();
        assert_eq!(run.result().await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn hb_8_heartbeats_are_taken_during_a_shutdown_and_the_last_one_is_stored() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let third = Arc::new(Notify::new());
    let between = Duration::from_secs(2);
    let first = three_beats(disk.reopen(), &third, between)
        .shutdown_grace(Duration::from_secs(5))
        .start()
        .await
        .unwrap();
    first.start_workflow(RUN_BEATS, ()).workflow_id("beats").await.unwrap();
    // The third beat comes within the grace, the attempt outlasts it.
    first.shutdown().await.unwrap();
    let second = three_beats(disk.reopen(), &third, between).start().await.unwrap();
    let run = second.workflow_handle(RUN_BEATS, "beats").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn lim_4_details_that_are_too_large_are_a_typed_error_at_the_call() {
    let engine = engine(memory(), |ctx: ActivityContext| async move {
        let error = ctx.heartbeat(&"x".repeat(1_000)).unwrap_err();
        assert!(matches!(error, HeartbeatError::TooLarge { bytes_max: 500, .. }), "{error:?}");
        Ok(u32::from(ctx.heartbeat_details::<String>()?.is_none()))
    });
    let engine = engine.payload_bytes_max(500).start().await.unwrap();
    let run = engine.start_workflow(RUN_BEATS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
}
