//! The same behaviour under virtual and under real time: to the nanosecond under the one, in a
//! moment however long it is; never too early under the other.

use std::time::{Duration, Instant};

use entracte::EngineBuilder;
use entracte::model::RetryPolicy as OwnedPolicy;
use entracte::prelude::*;
use entracte::{FailureKind, TimeoutType};
use entracte_testing::TestEngine;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What a test of virtual time may take of the real one, on the slowest of machines. Nearly all
/// of it is room: these tests take milliseconds.
const MOMENT: Duration = Duration::from_secs(10);

const WORK: Activity<(), ()> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(3_600));

/// The delays between the starts of the attempts of an activity that fails until its last one.
async fn ladder(builder: EngineBuilder, policy: OwnedPolicy, attempts: u32) -> Vec<Duration> {
    const CLIMB: Workflow<OwnedPolicy, ()> = Workflow::new("climb");
    let (sender, mut starts) = mpsc::unbounded_channel();
    let engine = builder
        .workflow(CLIMB, async |ctx: WorkflowContext, policy| {
            ctx.activity(WORK, ()).retry_policy(policy).await
        })
        .activity(WORK, move |ctx: ActivityContext, ()| {
            let _ = sender.send(ctx.info().started_time);
            std::future::ready(match ctx.attempt() {
                last if last == attempts => Ok(()),
                attempt => Err(Failure::application("Again", format!("attempt {attempt}"))),
            })
        })
        .start()
        .await
        .unwrap();
    engine.start_workflow(CLIMB, policy).await.unwrap().result().await.unwrap();
    let mut times = Vec::new();
    while let Ok(time) = starts.try_recv() {
        times.push(time);
    }
    assert_eq!(times.len(), attempts as usize, "each attempt starts once");
    times.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect()
}

#[tokio::test(start_paused = true)]
async fn ret_5_in_virtual_time_the_default_ladder_to_its_cap_takes_a_moment() {
    let begin = Instant::now();
    let gaps = ladder(TestEngine::builder(), OwnedPolicy::default(), 12).await;
    assert!(begin.elapsed() < MOMENT, "{:?}", begin.elapsed());
    let expected = [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 100].map(Duration::from_secs);
    assert_eq!(gaps, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn ret_5_in_real_time_a_short_ladder_to_its_cap() {
    let directory = tempfile::tempdir().unwrap();
    let policy = OwnedPolicy {
        initial_interval: Duration::from_millis(10),
        maximum_interval: Some(Duration::from_millis(100)),
        ..OwnedPolicy::default()
    };
    let gaps = ladder(Engine::builder(directory.path()), policy, 7).await;
    let expected = [10, 20, 40, 80, 100, 100].map(Duration::from_millis);
    for (found, expected) in gaps.iter().zip(expected) {
        assert!(*found >= expected && *found < expected + MOMENT, "{gaps:?}");
    }
}

/// A call of an activity that never ends, with its timeouts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Call {
    start_to_close: Duration,
    heartbeat: Option<Duration>,
    schedule_to_close: Option<Duration>,
    /// How often its attempt beats, and how many times, before it falls silent.
    beats: (Duration, u32),
}

/// Which timeout an activity ran into, and after how long, by the times of its history.
type TimedOut = (TimeoutType, Duration);

/// The three timeouts of a running attempt, in units of time; then a timer of the workflow.
async fn timeouts(builder: EngineBuilder, unit: Duration) -> (Vec<TimedOut>, Duration) {
    const BEATS: Activity<(Duration, u32), ()> =
        Activity::new("beats").start_to_close_timeout(Duration::from_secs(1));
    const ENDURE: Workflow<Call, TimedOut> = Workflow::new("endure");
    const SLEEP: Workflow<Duration, Duration> = Workflow::new("sleep");
    let engine = builder
        .workflow(ENDURE, async |ctx: WorkflowContext, call: Call| {
            let begin = ctx.now();
            let mut activity =
                ctx.activity(BEATS, call.beats).start_to_close_timeout(call.start_to_close);
            if let Some(timeout) = call.heartbeat {
                activity = activity.heartbeat_timeout(timeout);
            }
            activity = match call.schedule_to_close {
                Some(timeout) => activity.schedule_to_close_timeout(timeout),
                None => activity.retry_policy(RetryPolicy::none()),
            };
            let failure = activity.await.unwrap_err();
            Ok((failure.timeout_type().unwrap(), ctx.now().saturating_since(begin)))
        })
        .activity(BEATS, |ctx: ActivityContext, (gap, times)| async move {
            for number in 0..times {
                ctx.heartbeat(&number)?;
                tokio::time::sleep(gap).await;
            }
            std::future::pending().await
        })
        .workflow(SLEEP, async |ctx: WorkflowContext, duration| {
            let begin = ctx.now();
            ctx.sleep(duration).await;
            Ok(ctx.now().saturating_since(begin))
        })
        .start()
        .await
        .unwrap();
    let silent = Call {
        start_to_close: unit * 100,
        heartbeat: None,
        schedule_to_close: None,
        beats: (unit, 0),
    };
    let calls = [
        Call { start_to_close: unit * 3, ..silent },
        Call { heartbeat: Some(unit * 2), beats: (unit, 3), ..silent },
        Call { schedule_to_close: Some(unit * 5), ..silent },
    ];
    let mut found = Vec::new();
    for call in calls {
        found.push(engine.start_workflow(ENDURE, call).await.unwrap().result().await.unwrap());
    }
    let slept = engine.start_workflow(SLEEP, unit * 7).await.unwrap().result().await.unwrap();
    (found, slept)
}

#[tokio::test(start_paused = true)]
async fn tmo_1_in_virtual_time_timeouts_and_timers_come_to_the_nanosecond() {
    let begin = Instant::now();
    let day = Duration::from_secs(86_400);
    let (found, slept) = timeouts(TestEngine::builder(), day).await;
    assert!(begin.elapsed() < MOMENT, "{:?}", begin.elapsed());
    assert_eq!(
        found,
        [
            (TimeoutType::StartToClose, day * 3),
            // Two days after the third beat, which came after two.
            (TimeoutType::Heartbeat, day * 4),
            // It bounds the attempt as well, and leaves no time for another one (rule RET-13).
            (TimeoutType::ScheduleToClose, day * 5),
        ]
    );
    assert_eq!(slept, day * 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn tmo_1_in_real_time_timeouts_and_timers_never_come_too_early() {
    let directory = tempfile::tempdir().unwrap();
    let unit = Duration::from_millis(20);
    let (found, slept) = timeouts(Engine::builder(directory.path()), unit).await;
    let at_least = |(which, after): TimedOut, expected, units| {
        assert_eq!(which, expected, "{found:?}");
        assert!(after >= unit * units && after < unit * units + MOMENT, "{found:?}");
    };
    at_least(found[0], TimeoutType::StartToClose, 3);
    // A beat that a busy machine delays may be the one that comes too late.
    at_least(found[1], TimeoutType::Heartbeat, 2);
    at_least(found[2], TimeoutType::ScheduleToClose, 5);
    assert!(slept >= unit * 7 && slept < unit * 7 + MOMENT, "{slept:?}");
}

#[tokio::test(start_paused = true)]
async fn ret_2_an_activity_without_a_policy_is_retried_for_as_long_as_it_takes() {
    // A thousand attempts take more than a day.
    let gaps = ladder(TestEngine::builder(), OwnedPolicy::default(), 1_000).await;
    assert!(gaps.iter().sum::<Duration>() > Duration::from_secs(86_400));
}

#[tokio::test(start_paused = true)]
async fn ret_8_a_listed_type_counts_only_as_it_is_written() {
    const LISTED: Workflow<String, ()> = Workflow::new("listed");
    let engine = TestEngine::builder()
        .workflow(LISTED, async |ctx: WorkflowContext, listed| {
            let policy = OwnedPolicy {
                maximum_attempts: 3,
                non_retryable_error_types: vec![listed],
                ..OwnedPolicy::default()
            };
            ctx.activity(WORK, ()).retry_policy(policy).await
        })
        .activity(WORK, |ctx: ActivityContext, ()| {
            let failure = Failure::application("Declined", format!("attempt {}", ctx.attempt()));
            std::future::ready(Err(failure))
        })
        .start()
        .await
        .unwrap();
    for (listed, last) in [("Declined", "attempt 1"), ("declined", "attempt 3")] {
        let run = engine.start_workflow(LISTED, listed.to_owned()).await.unwrap();
        let error = run.result().await.unwrap_err();
        let failure = error.failure().unwrap();
        assert!(matches!(failure.kind(), FailureKind::Activity(_)), "{failure:?}");
        assert_eq!(failure.to_string(), last);
    }
}
