//! The four timeouts of an activity: which one ends it, when, and with which words.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::{Event, EventAttributes, FailureKind, RetryState, TimeoutType};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TEST_EPOCH, TestEngine};
use entracte_tests::look::assert_well_formed;
use tokio::sync::{Notify, mpsc};

const NOT_ENOUGH_TIME: &str = "Not enough time to schedule next retry before activity \
                               ScheduleToClose timeout, giving up retrying";

/// Ten seconds for the whole, and nothing else.
const WHOLE: Activity<(), u32> =
    Activity::new("whole").schedule_to_close_timeout(Duration::from_secs(10));
const RUN_WHOLE: Workflow<(), u32> = Workflow::new("run-whole");

async fn run_whole(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(WHOLE, ()).await
}

/// How an attempt behaves.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Hangs,
    FailsAfter(u64),
    Succeeds,
}

impl Manner {
    async fn play(self, attempt: u32) -> ActivityResult<u32> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::FailsAfter(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Err(Failure::application("Refused", format!("attempt {attempt} was refused")))
            }
            Self::Succeeds => Ok(attempt),
        }
    }
}

/// An engine on a store whose clock starts late; each attempt behaves as the list says, those
/// beyond it succeed.
fn engine(store: &Arc<dyn Store>, seconds: u64, manners: &[Manner]) -> entracte::EngineBuilder {
    let manners = manners.to_vec();
    TestEngine::on_store(Arc::clone(store))
        .virtual_time(TEST_EPOCH.saturating_add(Duration::from_secs(seconds)))
        .workflow(RUN_WHOLE, run_whole)
        .activity(WHOLE, move |ctx: ActivityContext, ()| {
            let attempt = ctx.attempt();
            let manner = manners.get(attempt as usize - 1).copied().unwrap_or(Manner::Succeeds);
            manner.play(attempt)
        })
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// How the only activity of a history ended, how many seconds after it was scheduled, and the
/// number of its last attempt, if one was running then.
#[derive(Debug)]
struct End {
    attributes: EventAttributes,
    seconds: u64,
    attempt: Option<u32>,
}

impl End {
    fn of(history: &[Event]) -> Self {
        use EventAttributes as A;
        assert_well_formed(history);
        let find = |wanted: fn(&A) -> bool| history.iter().find(|it| wanted(&it.attributes));
        let scheduled = find(|it| matches!(it, A::ActivityTaskScheduled(_))).unwrap();
        let attempt = history.iter().find_map(|event| match &event.attributes {
            A::ActivityTaskStarted(started) => Some(started.attempt),
            _ => None,
        });
        let is_end = |it: &A| {
            matches!(
                it,
                A::ActivityTaskCompleted(_)
                    | A::ActivityTaskFailed(_)
                    | A::ActivityTaskTimedOut(_)
                    | A::ActivityTaskCanceled(_)
            )
        };
        let ended = find(is_end).unwrap_or_else(|| panic!("no end in {history:#?}"));
        let seconds = ended.time.saturating_since(scheduled.time).as_secs();
        Self { attributes: ended.attributes.clone(), seconds, attempt }
    }

    /// The failure and the retry state of an activity that timed out.
    fn timed_out(&self) -> (&Failure, RetryState) {
        match &self.attributes {
            EventAttributes::ActivityTaskTimedOut(it) => (&it.failure, it.retry_state),
            other => panic!("{other:#?}"),
        }
    }
}

async fn end_of(engine: entracte::EngineBuilder) -> End {
    let engine = engine.start().await.unwrap();
    let run = engine.start_workflow(RUN_WHOLE, ()).workflow_id("whole").await.unwrap();
    let _ = run.result().await;
    End::of(&run.history().await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn tmo_3_schedule_to_close_alone_bounds_the_attempt() {
    let end = end_of(engine(&memory(), 0, &[Manner::Hangs])).await;
    assert_eq!((end.seconds, end.attempt), (10, Some(1)));
    // The attempt's own timeout comes first of two at the same instant; as no time is left for
    // another attempt, it is told as the whole's (rules TMO-7 and RET-13).
    let (failure, retry_state) = end.timed_out();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::ScheduleToClose));
    assert_eq!(failure.to_string(), NOT_ENOUGH_TIME);
    assert_eq!(failure.cause(), None);
    assert_eq!(retry_state, RetryState::Timeout);
}

#[tokio::test(start_paused = true)]
async fn ret_14_schedule_to_close_ends_a_running_attempt_and_tells_the_failure_before() {
    let end = end_of(engine(&memory(), 0, &[Manner::FailsAfter(2), Manner::Hangs])).await;
    assert_eq!((end.seconds, end.attempt), (10, Some(2)));
    let (failure, retry_state) = end.timed_out();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::ScheduleToClose));
    assert_eq!(failure.message(), NOT_ENOUGH_TIME);
    // Rule RET-15.
    assert_eq!(failure.cause().unwrap().message(), "attempt 1 was refused");
    assert_eq!(retry_state, RetryState::Timeout);
}

#[tokio::test(start_paused = true)]
async fn ret_13_a_failure_without_time_for_another_attempt_stays_the_failure_it_is() {
    // An attempt may start at the very end (rule RET-12), but then its time is over already.
    let end = end_of(engine(&memory(), 0, &[Manner::FailsAfter(9)])).await;
    assert_eq!((end.seconds, end.attempt), (10, None));
    assert_eq!(end.timed_out().0.cause().unwrap().message(), "attempt 1 was refused");
    // A later one is not even scheduled: the activity ends now.
    let end = end_of(engine(&memory(), 0, &[Manner::FailsAfter(3), Manner::FailsAfter(5)])).await;
    assert_eq!((end.seconds, end.attempt), (9, Some(2)));
    let EventAttributes::ActivityTaskFailed(failed) = &end.attributes else { panic!("{end:#?}") };
    assert_eq!(failed.failure.to_string(), "attempt 2 was refused");
    assert_eq!(failed.retry_state, RetryState::Timeout);
}

#[tokio::test(start_paused = true)]
async fn ret_12_schedule_to_close_counts_from_the_first_schedule_also_over_a_crash() {
    let store = memory();
    let first = engine(&store, 0, &[Manner::FailsAfter(6)]).start().await.unwrap();
    let run = first.start_workflow(RUN_WHOLE, ()).workflow_id("whole").await.unwrap();
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    let described = run.describe().await.unwrap().pending_activities.remove(0);
    assert_eq!(described.attempt, 2, "the first attempt has failed");
    drop(first);
    // The second engine's clock goes on from what was journaled, after six seconds.
    let second = engine(&store, 0, &[Manner::FailsAfter(6), Manner::Hangs]).start().await.unwrap();
    let run = second.workflow_handle(RUN_WHOLE, "whole").await.unwrap();
    assert!(run.result().await.is_err());
    let end = End::of(&run.history().await.unwrap());
    assert_eq!((end.seconds, end.attempt), (10, Some(2)));
    assert_eq!(end.timed_out().0.timeout_type(), Some(TimeoutType::ScheduleToClose));
}

#[tokio::test(start_paused = true)]
async fn ret_12_an_attempt_that_would_start_after_the_whole_is_over_never_starts() {
    let store = memory();
    let first = engine(&store, 0, &[Manner::FailsAfter(6)]).start().await.unwrap();
    let run = first.start_workflow(RUN_WHOLE, ()).workflow_id("whole").await.unwrap();
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    assert_eq!(run.describe().await.unwrap().pending_activities[0].attempt, 2);
    drop(first);
    // An hour later: back-off and deadline are both long over.
    let second = engine(&store, 3_600, &[]).start().await.unwrap();
    let run = second.workflow_handle(RUN_WHOLE, "whole").await.unwrap();
    assert!(run.result().await.is_err());
    let end = End::of(&run.history().await.unwrap());
    assert_eq!((end.seconds, end.attempt), (3_600, None));
    let (failure, retry_state) = end.timed_out();
    // The wait for the start is bounded by the whole, but counts from the end of the back-off.
    assert_eq!(failure.timeout_type(), Some(TimeoutType::ScheduleToClose));
    assert_eq!(failure.cause().unwrap().message(), "attempt 1 was refused");
    assert_eq!(retry_state, RetryState::Timeout);
}

const FIRST: Activity<(), ()> =
    Activity::new("first").start_to_close_timeout(Duration::from_secs(3_600));
const SECOND: Activity<(), u32> = Activity::new("second")
    .start_to_close_timeout(Duration::from_secs(60))
    .schedule_to_start_timeout(Duration::from_secs(5));
const TWO: Workflow<(), u32> = Workflow::new("two");

async fn two(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(FIRST, ()).await?;
    ctx.activity(SECOND, ()).await
}

/// Schedules the second activity while the engine shuts down, so that it waits for the next
/// engine, and opens that one some seconds later.
async fn waits_for_the_next_engine(seconds: u64) -> Result<u32, WorkflowError> {
    let disk =
        SimulatedDisk::new(SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() });
    let build = |seconds: u64, started: &Arc<Notify>| {
        let started = Arc::clone(started);
        TestEngine::on_store(disk.reopen())
            .virtual_time(TEST_EPOCH.saturating_add(Duration::from_secs(seconds)))
            .workflow(TWO, two)
            .activity(FIRST, move |ctx: ActivityContext, ()| {
                let started = Arc::clone(&started);
                async move {
                    started.notify_one();
                    assert_eq!(ctx.cancelled().await, CancelCause::EngineShutdown);
                    Ok(())
                }
            })
            .activity(SECOND, |ctx: ActivityContext, ()| async move { Ok(ctx.attempt()) })
    };
    let started = Arc::new(Notify::new());
    let first = build(0, &started).start().await.unwrap();
    first.start_workflow(TWO, ()).workflow_id("two").await.unwrap();
    started.notified().await;
    first.shutdown().await.unwrap();
    let second = build(seconds, &started).start().await.unwrap();
    second.workflow_handle(TWO, "two").await.unwrap().result().await
}

#[tokio::test(start_paused = true)]
async fn tmo_8_an_attempt_that_waited_too_long_for_its_start_is_not_retried() {
    assert_eq!(waits_for_the_next_engine(4).await.unwrap(), 1);
    let error = waits_for_the_next_engine(5).await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.to_string(), "activity ScheduleToStart timeout");
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::Timeout);
    assert_eq!(activity.started_event_id.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn tmo_7_timeouts_at_the_same_instant_come_in_the_order_of_the_schedule() {
    const SLOW: Activity<u32, ()> = Activity::new("slow")
        .start_to_close_timeout(Duration::from_secs(5))
        .retry_policy(RetryPolicy::none());
    const MANY: Workflow<u32, Vec<u32>> = Workflow::new("many");
    async fn many(ctx: WorkflowContext, count: u32) -> WorkflowResult<Vec<u32>> {
        let ended = std::sync::Mutex::new(Vec::new());
        join_all((0..count).map(|number| {
            let (call, ended) = (ctx.activity(SLOW, number), &ended);
            async move {
                assert!(call.await.is_err());
                ended.lock().unwrap().push(number);
            }
        }))
        .await;
        Ok(ended.into_inner().unwrap())
    }
    let engine = TestEngine::builder()
        .workflow(MANY, many)
        .activity(SLOW, |_, _| std::future::pending::<ActivityResult<()>>())
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(MANY, 20).await.unwrap();
    assert_eq!(run.result().await.unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn tmo_11_an_attempt_sees_the_earlier_one_of_its_deadlines() {
    const SEES: Activity<(), (u64, u64)> = Activity::new("sees")
        .start_to_close_timeout(Duration::from_secs(8))
        .schedule_to_close_timeout(Duration::from_secs(10));
    const LOOK: Workflow<(), (u64, u64)> = Workflow::new("look");
    let engine = TestEngine::builder()
        .workflow(LOOK, async |ctx: WorkflowContext, ()| ctx.activity(SEES, ()).await)
        .activity(SEES, |ctx: ActivityContext, ()| async move {
            let info = ctx.info();
            let seconds = info.deadline.unwrap().saturating_since(info.scheduled_time).as_secs();
            match info.attempt {
                1 => {
                    tokio::time::sleep(Duration::from_secs(4)).await;
                    Err(Failure::application("First", seconds.to_string()))
                }
                _ => Ok((8, seconds)),
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(LOOK, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), (8, 10));
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    assert_eq!(started.last_failure.as_ref().unwrap().message(), "8");
}

#[tokio::test(start_paused = true)]
async fn tmo_11_a_parked_run_keeps_the_timeout_for_when_its_code_is_back() {
    let store = memory();
    let first = engine(&store, 0, &[Manner::FailsAfter(1)]).start().await.unwrap();
    let run = first.start_workflow(RUN_WHOLE, ()).workflow_id("whole").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(run.describe().await.unwrap().pending_activities[0].attempt, 2);
    drop(first);
    // Without the workflow's code its activity goes on, and runs into its timeout.
    let second = TestEngine::on_store(Arc::clone(&store))
        .activity(WHOLE, |_, ()| std::future::pending::<ActivityResult<u32>>())
        .start()
        .await
        .unwrap();
    let run = second.workflow_handle(RUN_WHOLE, "whole").await.unwrap();
    while !run.describe().await.unwrap().pending_activities.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(run.describe().await.unwrap().parked.is_some());
    drop(second);
    let third = engine(&store, 0, &[]).start().await.unwrap();
    let run = third.workflow_handle(RUN_WHOLE, "whole").await.unwrap();
    assert!(run.result().await.is_err());
    let end = End::of(&run.history().await.unwrap());
    assert_eq!(end.attempt, Some(2));
    assert_eq!(end.timed_out().0.timeout_type(), Some(TimeoutType::ScheduleToClose));
}

#[tokio::test(start_paused = true)]
async fn tmo_12_the_next_attempt_starts_only_when_the_one_that_timed_out_is_gone() {
    /// Tells its attempt's end when it is dropped.
    struct Running(u32, mpsc::UnboundedSender<String>);
    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.1.send(format!("attempt {} is gone", self.0));
        }
    }
    const EAGER: Activity<(), ()> = Activity::new("eager")
        .start_to_close_timeout(Duration::from_secs(1))
        .retry_policy(RetryPolicy::exponential(Duration::ZERO).maximum_attempts(3));
    const RUN_EAGER: Workflow<(), ()> = Workflow::new("run-eager");
    let (sender, mut told) = mpsc::unbounded_channel();
    let engine = TestEngine::builder()
        .workflow(RUN_EAGER, async |ctx: WorkflowContext, ()| ctx.activity(EAGER, ()).await)
        .activity(EAGER, move |ctx: ActivityContext, ()| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(format!("attempt {} starts", ctx.attempt()));
                let _running = Running(ctx.attempt(), sender);
                std::future::pending().await
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(RUN_EAGER, ()).await.unwrap();
    assert!(run.result().await.is_err());
    for attempt in 1..=3 {
        assert_eq!(told.recv().await.unwrap(), format!("attempt {attempt} starts"));
        assert_eq!(told.recv().await.unwrap(), format!("attempt {attempt} is gone"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tmo_12_code_that_blocks_its_thread_is_given_up_and_its_late_result_refused() {
    const BLOCKS: Activity<(), u32> = Activity::new("blocks")
        .start_to_close_timeout(Duration::from_millis(50))
        .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)));
    const RUN_BLOCKS: Workflow<(), u32> = Workflow::new("run-blocks");
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let engine = Engine::in_memory()
        .workflow(RUN_BLOCKS, async |ctx: WorkflowContext, ()| ctx.activity(BLOCKS, ()).await)
        .activity(BLOCKS, move |ctx: ActivityContext, ()| {
            let blocked = Arc::clone(&blocked);
            async move {
                if ctx.attempt() == 1 {
                    let _ = blocked.lock().unwrap().recv();
                }
                Ok(ctx.attempt())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(RUN_BLOCKS, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    drop(release);
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ret_5_the_default_ladder_to_its_cap_in_virtual_time() {
    const LADDER: Activity<(), u32> =
        Activity::new("ladder").start_to_close_timeout(Duration::from_secs(1));
    const CLIMB: Workflow<(), u32> = Workflow::new("climb");
    let (sender, mut starts) = mpsc::unbounded_channel();
    let engine = TestEngine::builder()
        .workflow(CLIMB, async |ctx: WorkflowContext, ()| ctx.activity(LADDER, ()).await)
        .activity(LADDER, move |ctx: ActivityContext, ()| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(ctx.info().started_time);
                if ctx.attempt() < 12 {
                    return Err(Failure::application("Again", "not yet"));
                }
                Ok(ctx.attempt())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CLIMB, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 12);
    let mut times = Vec::new();
    while let Ok(time) = starts.try_recv() {
        times.push(time);
    }
    let gaps: Vec<_> =
        times.windows(2).map(|pair| pair[1].saturating_since(pair[0]).as_millis()).collect();
    let ladder = [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 100].map(|seconds| seconds * 1_000);
    assert_eq!(gaps, ladder);
}
