//! What operators do to pending activities: pause, unpause, reset, change their options.
//!
//! Where the rules leave something open, it is as Temporal's server 1.32 does it, or a comment
//! says what that does.

use std::sync::Arc;
use std::time::Duration;

use entracte::model::options::ActivityOptionsError;
use entracte::prelude::*;
use entracte::store::MemoryStore;
use entracte::{
    ActivityNotFound, ActivityOptionsUpdate, EventAttributes as A, PendingActivityDescription,
    PendingActivityError, PendingActivityState as State, RetryState, TaskToken, TimeoutType,
};
use entracte_testing::TestEngine;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const WORK: Activity<u32, u32> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1_000)).maximum_attempts(3));
const RUN_WORK: Workflow<u32, u32> = Workflow::new("run-work");
const BOTH: Workflow<(), u32> = Workflow::new("both");

/// What an attempt of the test's activity is told to do.
type Order = tokio::sync::oneshot::Sender<ActivityResult<u32>>;

/// An attempt that has started: its number, its context, and what it waits for.
struct Started {
    attempt: u32,
    ctx: ActivityContext,
    order: Order,
    at: Instant,
}

/// An engine whose attempts do what the test says.
async fn engine() -> (Engine, mpsc::UnboundedReceiver<Started>) {
    let (tell, started) = mpsc::unbounded_channel();
    let work = move |ctx: ActivityContext, _: u32| {
        let tell = tell.clone();
        async move {
            let (order, ordered) = tokio::sync::oneshot::channel();
            let at = Instant::now();
            tell.send(Started { attempt: ctx.attempt(), ctx: ctx.clone(), order, at })?;
            ordered.await?
        }
    };
    let engine = TestEngine::on_store(Arc::new(MemoryStore::new()))
        .workflow(RUN_WORK, async |ctx: WorkflowContext, input| ctx.activity(WORK, input).await)
        .workflow(BOTH, async |ctx: WorkflowContext, ()| {
            let both = join!(ctx.activity(WORK, 1), ctx.activity(WORK, 2));
            Ok(both.0? + both.1?)
        })
        .activity(WORK, work);
    (engine.start().await.unwrap(), started)
}

async fn start(engine: &Engine) -> WorkflowHandle<u32> {
    engine.start_workflow(RUN_WORK, 1).workflow_id("one").await.unwrap()
}

async fn describe(run: &WorkflowHandle<u32>) -> PendingActivityDescription {
    run.pending_activity("1").describe().await.unwrap()
}

fn busy() -> Failure {
    Failure::application("Busy", "later")
}

/// Lets an attempt fail, and waits until its activity waits for the next one.
async fn fail(run: &WorkflowHandle<u32>, started: Started, failure: Failure) {
    started.order.send(Err(failure)).unwrap();
    while !matches!(describe(run).await.state, State::Scheduled | State::Paused) {
        sleep(Duration::from_millis(1)).await;
    }
}

fn seconds(since: Instant) -> u64 {
    since.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn pau_2_a_paused_back_off_starts_nothing_until_it_is_unpaused() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    fail(&run, started.recv().await.unwrap(), busy()).await;
    let activity = run.pending_activity("1");
    activity.pause("the bank is down").await.unwrap();
    let paused = activity.describe().await.unwrap();
    assert_eq!((paused.state, paused.attempt), (State::Paused, 2));
    assert_eq!((paused.next_attempt_time, paused.retry_interval), (None, None));
    assert_eq!(paused.paused.unwrap().reason, "the bank is down");
    // Temporal's server 1.32 says nothing to a second pause; its documentation does.
    let again = activity.pause("again").await.unwrap_err();
    assert!(matches!(again, PendingActivityError::AlreadyPaused { .. }));
    assert_eq!(again.to_string(), format!("activity 1 of run {} is already paused", run.run_id()));
    sleep(Duration::from_secs(100_000)).await;
    assert!(started.try_recv().is_err());
    let begin = Instant::now();
    activity.unpause().await.unwrap();
    let second = started.recv().await.unwrap();
    assert_eq!((second.attempt, seconds(begin)), (2, 0));
    assert_eq!(describe(&run).await.paused, None);
    // Of what is not paused nothing is changed.
    activity.unpause().reset_attempts().await.unwrap();
    assert_eq!(describe(&run).await.attempt, 2);
    second.order.send(Ok(5)).unwrap();
    assert_eq!(run.result().await.unwrap(), 5);
    let gone = activity.pause("late").await.unwrap_err();
    let PendingActivityError::NotFound(ActivityNotFound::RunClosed { .. }) = gone else {
        panic!("{gone:?}")
    };
    let none_of_it = run.history().await.unwrap();
    assert_eq!(none_of_it.len(), 5, "{none_of_it:#?}");
}

#[tokio::test(start_paused = true)]
async fn pau_2_a_running_attempt_is_told_at_once_and_may_go_on() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let first = started.recv().await.unwrap();
    run.pending_activity("1").pause("").await.unwrap();
    assert_eq!(first.ctx.cancelled().await, CancelCause::Paused);
    assert_eq!(describe(&run).await.state, State::PauseRequested);
    first.order.send(Ok(9)).unwrap();
    assert_eq!(run.result().await.unwrap(), 9);
}

#[tokio::test(start_paused = true)]
async fn acx_8_what_a_paused_attempt_returns_as_cancelled_counts_as_failed_and_waits() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let first = started.recv().await.unwrap();
    run.pending_activity("1").pause("").await.unwrap();
    fail(&run, first, Failure::canceled()).await;
    let paused = describe(&run).await;
    assert_eq!((paused.state, paused.attempt), (State::Paused, 2));
    let failure = paused.last_failure.unwrap();
    assert_eq!(failure.application_type(), Some("CancelledError"));
    sleep(Duration::from_secs(100_000)).await;
    assert!(started.try_recv().is_err());
}

/// As on Temporal's server: the pause comes before the policy's end in the order of decisions,
/// so that there is one attempt more than the policy allows.
#[tokio::test(start_paused = true)]
async fn ret_11_a_pause_is_judged_before_the_attempts_are_counted_and_behind_final_failures() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    for attempt in 1..4 {
        let current = started.recv().await.unwrap();
        assert_eq!(current.attempt, attempt);
        activity.pause("").await.unwrap();
        fail(&run, current, busy()).await;
        assert_eq!(describe(&run).await.state, State::Paused);
        activity.unpause().await.unwrap();
    }
    let fourth = started.recv().await.unwrap();
    assert_eq!(fourth.attempt, 4);
    activity.pause("").await.unwrap();
    fourth.order.send(Err(Failure::non_retryable("Fatal", "no"))).unwrap();
    assert!(run.result().await.is_err());
    let history = run.history().await.unwrap();
    assert!(history.iter().any(|event| matches!(
        &event.attributes,
        A::ActivityTaskFailed(end) if end.retry_state == RetryState::NonRetryableFailure
    )));
}

#[tokio::test(start_paused = true)]
async fn tmo_9_no_timeout_comes_while_a_waiting_activity_is_paused() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    fail(&run, started.recv().await.unwrap(), busy()).await;
    activity.pause("").await.unwrap();
    let whole = ActivityOptionsUpdate::new().schedule_to_close_timeout(Duration::from_secs(2_000));
    activity.update_options(whole).await.unwrap();
    sleep(Duration::from_secs(5_000)).await;
    assert_eq!(describe(&run).await.state, State::Paused);
    // It has gone on to count meanwhile.
    activity.unpause().await.unwrap();
    let error = run.result().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::ScheduleToClose));
}

#[tokio::test(start_paused = true)]
async fn tmo_9_no_timeout_comes_while_a_running_attempt_is_paused() {
    let (engine, mut started) = engine().await;
    let begin = Instant::now();
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    // Unpaused in time, the attempt keeps its deadline.
    let first = started.recv().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    activity.pause("").await.unwrap();
    sleep(Duration::from_secs(200)).await;
    activity.unpause().await.unwrap();
    let second = started.recv().await.unwrap();
    assert_eq!((second.attempt, seconds(begin)), (2, 1_600));
    assert_eq!(first.ctx.cancel_cause(), Some(CancelCause::TimedOut));
    assert!(first.order.is_closed());
    // What is over when it is unpaused comes at that moment.
    activity.pause("").await.unwrap();
    sleep(Duration::from_secs(5_000)).await;
    assert_eq!(describe(&run).await.state, State::PauseRequested);
    assert!(!second.order.is_closed());
    let unpaused = Instant::now();
    activity.unpause().await.unwrap();
    let third = started.recv().await.unwrap();
    assert_eq!((third.attempt, seconds(unpaused)), (3, 2_000));
    let failure = describe(&run).await.last_failure.unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::StartToClose));
    // A result that comes meanwhile counts.
    activity.pause("").await.unwrap();
    sleep(Duration::from_secs(5_000)).await;
    third.order.send(Ok(3)).unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn tmo_9_no_timeout_comes_while_a_pending_result_is_paused() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    let first = started.recv().await.unwrap();
    first.order.send(Err(first.ctx.result_pending())).unwrap();
    while !describe(&run).await.result_pending {
        sleep(Duration::from_millis(1)).await;
    }
    activity.pause("").await.unwrap();
    sleep(Duration::from_secs(5_000)).await;
    assert_eq!(describe(&run).await.state, State::PauseRequested);
    let unpaused = Instant::now();
    activity.unpause().await.unwrap();
    let second = started.recv().await.unwrap();
    assert_eq!((second.attempt, seconds(unpaused)), (2, 1_000));
    let failure = describe(&run).await.last_failure.unwrap();
    assert_eq!(failure.timeout_type(), Some(TimeoutType::StartToClose));
}

#[tokio::test(start_paused = true)]
async fn acx_3_a_paused_activity_is_cancelled_at_once_if_no_attempt_runs() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    fail(&run, started.recv().await.unwrap(), busy()).await;
    run.pending_activity("1").pause("").await.unwrap();
    run.cancel("enough").await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Canceled { .. })));
}

#[tokio::test(start_paused = true)]
async fn pau_3_a_reset_back_off_starts_the_first_attempt_now() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let first = started.recv().await.unwrap();
    first.ctx.heartbeat(&7_u32).unwrap();
    fail(&run, first, busy()).await;
    let begin = Instant::now();
    let activity = run.pending_activity("1");
    activity.reset().await.unwrap();
    let again = started.recv().await.unwrap();
    assert_eq!((again.attempt, seconds(begin)), (1, 0));
    assert_eq!(again.ctx.heartbeat_details::<u32>().unwrap(), Some(7));
    // The key is that of the activity, and the token that of an attempt, for ever.
    assert_eq!(again.ctx.task_token().attempt, 2);
    fail(&run, again, busy()).await;
    activity.reset().reset_heartbeat().await.unwrap();
    let third = started.recv().await.unwrap();
    assert_eq!(third.ctx.heartbeat_details::<u32>().unwrap(), None);
    // Back-off and attempts are counted from the reset on.
    fail(&run, third, busy()).await;
    assert_eq!(describe(&run).await.retry_interval, Some(Duration::from_secs(1_000)));
    let last = started.recv().await.unwrap();
    assert_eq!(last.attempt, 2);
    last.order.send(Ok(1)).unwrap();
    run.result().await.unwrap();
    let history = run.history().await.unwrap();
    assert!(history.iter().any(|event| matches!(
        &event.attributes,
        A::ActivityTaskStarted(started) if started.attempt == 2
    )));
}

/// Temporal's server 1.32 refuses what the attempt that runs returns after a reset; here it
/// counts, and the reset applies to the next attempt.
#[tokio::test(start_paused = true)]
async fn pau_3_a_running_attempt_is_told_of_its_reset_and_the_next_one_is_the_first() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    for _ in 0..2 {
        fail(&run, started.recv().await.unwrap(), busy()).await;
    }
    // The last one that the policy allows.
    let third = started.recv().await.unwrap();
    assert_eq!(third.attempt, 3);
    third.ctx.heartbeat(&3_u32).unwrap();
    activity.reset().reset_heartbeat().await.unwrap();
    assert_eq!(third.ctx.cancelled().await, CancelCause::Reset);
    let described = describe(&run).await;
    assert_eq!((described.state, described.reset_requested), (State::Started, true));
    let begin = Instant::now();
    fail(&run, third, Failure::canceled()).await;
    let first = started.recv().await.unwrap();
    assert_eq!((first.attempt, seconds(begin)), (1, 1_000));
    assert_eq!(first.ctx.heartbeat_details::<u32>().unwrap(), None);
    assert!(!describe(&run).await.reset_requested);
    activity.reset().await.unwrap();
    first.order.send(Ok(4)).unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn pau_3_a_reset_unpauses_unless_it_is_to_keep_the_pause() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    fail(&run, started.recv().await.unwrap(), busy()).await;
    activity.pause("").await.unwrap();
    activity.reset().keep_paused().await.unwrap();
    let kept = describe(&run).await;
    assert_eq!((kept.state, kept.attempt), (State::Paused, 1));
    sleep(Duration::from_secs(5_000)).await;
    assert!(started.try_recv().is_err());
    activity.reset().await.unwrap();
    let again = started.recv().await.unwrap();
    assert_eq!(again.attempt, 1);
    // The same of an attempt that runs.
    activity.pause("").await.unwrap();
    activity.unpause().reset_attempts().await.unwrap();
    fail(&run, again, busy()).await;
    assert_eq!(describe(&run).await.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn pau_4_timeouts_are_changed_also_of_an_attempt_that_runs() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let activity = run.pending_activity("1");
    let first = started.recv().await.unwrap();
    sleep(Duration::from_secs(100)).await;
    let shorter = ActivityOptionsUpdate::new().start_to_close_timeout(Duration::from_secs(200));
    activity.update_options(shorter).await.unwrap();
    let timeout = describe(&run).await.options.start_to_close_timeout;
    assert_eq!(timeout, Some(Duration::from_secs(200)));
    while describe(&run).await.attempt == 1 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seconds(first.at), 200);
    let policy = ActivityOptionsUpdate::new()
        .retry_initial_interval(Duration::from_secs(500))
        .retry_maximum_attempts(1);
    activity.update_options(policy).await.unwrap();
    // Counted from the end of the attempt before; fewer attempts do not end what waits.
    let second = started.recv().await.unwrap();
    assert_eq!((second.attempt, seconds(first.at)), (2, 200 + 500));
    activity.reset().restore_original_options().await.unwrap();
    let restored = describe(&run).await.options;
    assert_eq!(restored.start_to_close_timeout, Some(Duration::from_secs(600)));
    assert_eq!(restored.retry_policy.maximum_attempts, 3);
    second.order.send(Ok(2)).unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn pau_4_options_that_would_be_wrong_are_refused_and_change_nothing() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    started.recv().await.unwrap();
    let activity = run.pending_activity("1");
    let none = ActivityOptionsUpdate::new().start_to_close_timeout(Duration::ZERO);
    let refused = activity.update_options(none).await.unwrap_err();
    let PendingActivityError::InvalidOptions { activity: id, source, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!((id.as_str(), source), ("1", &ActivityOptionsError::NoCloseTimeout));
    let timeout = describe(&run).await.options.start_to_close_timeout;
    assert_eq!(timeout, Some(Duration::from_secs(600)));
    let unknown = run.pending_activity("2").reset().await.unwrap_err();
    assert!(matches!(unknown, PendingActivityError::NotFound(ActivityNotFound::NotPending { .. })));
}

#[tokio::test(start_paused = true)]
async fn pau_2_activities_are_paused_by_their_type() {
    let (engine, mut started) = engine().await;
    let run = engine.start_workflow(BOTH, ()).await.unwrap();
    let (first, second) = (started.recv().await.unwrap(), started.recv().await.unwrap());
    run.pending_activity("1").pause("one").await.unwrap();
    let both = run.pending_activities_of_type("work");
    both.pause("all").await.unwrap();
    assert!(matches!(both.pause("all").await, Err(PendingActivityError::AlreadyPaused { .. })));
    for attempt in [&first, &second] {
        assert_eq!(attempt.ctx.cancel_cause(), Some(CancelCause::Paused));
    }
    let none = run.pending_activities_of_type("play").pause("").await;
    assert!(matches!(none, Err(PendingActivityError::NotFound(_))));
    for attempt in [first, second] {
        attempt.order.send(Err(busy())).unwrap();
    }
    sleep(Duration::from_secs(5_000)).await;
    assert!(started.try_recv().is_err());
    both.unpause().await.unwrap();
    for _ in 0..2 {
        started.recv().await.unwrap().order.send(Ok(2)).unwrap();
    }
    assert_eq!(run.result().await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn hb_1_a_heartbeat_from_elsewhere_is_told_of_pause_and_reset() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let first = started.recv().await.unwrap();
    let token: TaskToken = first.ctx.task_token();
    first.order.send(Err(first.ctx.result_pending())).unwrap();
    while !describe(&run).await.result_pending {
        sleep(Duration::from_millis(1)).await;
    }
    let attempt = engine.async_activity(token);
    let activity = run.pending_activity("1");
    activity.pause("").await.unwrap();
    let answer = attempt.heartbeat(&()).await.unwrap();
    assert_eq!((answer.paused, answer.reset, answer.cancel_requested), (true, false, false));
    assert_eq!(describe(&run).await.state, State::PauseRequested);
    activity.reset().await.unwrap();
    let answer = attempt.heartbeat(&()).await.unwrap();
    assert_eq!((answer.paused, answer.reset), (false, true));
    // After the reset its token still names this attempt, and then none any more.
    attempt.fail(busy()).await.unwrap();
    let again = started.recv().await.unwrap();
    assert_eq!(again.attempt, 1);
    assert!(attempt.complete(&1_u32).await.is_err());
    engine.async_activity(again.ctx.task_token()).complete(&6_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn hb_7_a_cancellation_behind_a_pause_is_told_too() {
    let (engine, mut started) = engine().await;
    let run = start(&engine).await;
    let first = started.recv().await.unwrap();
    run.pending_activity("1").pause("").await.unwrap();
    assert_eq!(first.ctx.cancel_cause(), Some(CancelCause::Paused));
    run.cancel("enough").await.unwrap();
    assert_eq!(first.ctx.cancel_cause(), Some(CancelCause::Cancelled));
}
