//! Retries of whole runs: a run that fails is followed by another one of the same workflow id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::model::event::ContinueAsNewInitiator;
use entracte::model::{RetryState, WorkflowStatus};
use entracte::prelude::*;
use entracte::store::StoreExt;
use entracte::store::rows::WorkflowIdRow;
use entracte::{EngineBuilder, EventAttributes as A, RunError};
use entracte_testing::crash::CrashTest;
use entracte_testing::{SimulatedDisk, SimulatedOptions, StoredRun, TestEngine, check_store};

use crate::children::assert_nothing_under_way;

const SECOND: Duration = Duration::from_secs(1);
const POLICY: RetryPolicy = RetryPolicy::exponential(SECOND);

/// Fails until this attempt, and then returns its number.
pub(crate) const FLAKY: Workflow<u32, u32> = Workflow::new("flaky");
/// Ends as it is told, each time.
const ENDS: Workflow<String, ()> = Workflow::new("ends").retry_policy(POLICY);
/// Fails once, then waits for a signal or its cancellation, and counts the signals that it saw
/// in its first turn.
pub(crate) const WAITER: Workflow<(), u32> = Workflow::new("waiter");
pub(crate) const GO: Signal<u32> = Signal::new("go");
/// Runs a flaky child.
const PARENT: Workflow<u32, u32> = Workflow::new("parent");
/// Never ends.
const SLOW: Workflow<(), ()> = Workflow::new("slow");

fn refused() -> Failure {
    Failure::application("Refused", "connection refused")
}

async fn flaky(ctx: WorkflowContext, from: u32) -> WorkflowResult<u32> {
    let last = ctx.last_failure().map(ToString::to_string);
    assert_eq!(last, (ctx.attempt() > 1).then(|| "connection refused".to_owned()));
    assert_eq!(ctx.continued_execution_run_id().is_some(), ctx.attempt() > 1);
    ctx.sleep(Duration::from_millis(10)).await;
    if ctx.attempt() < from { Err(refused()) } else { Ok(ctx.attempt()) }
}

async fn ends(ctx: WorkflowContext, how: String) -> WorkflowResult<()> {
    match how.as_str() {
        "non-retryable" => Err(Failure::non_retryable("Declined", "no")),
        "cancelled" => ctx.sleep_or_cancelled(Duration::from_secs(1_000)).await,
        "failed after a cancellation" if ctx.attempt() == 1 => {
            ctx.sleep(Duration::from_secs(1_000)).await;
            Err(refused())
        }
        _ => {
            ctx.sleep(Duration::from_secs(1_000)).await;
            Ok(())
        }
    }
}

async fn waiter(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    if ctx.attempt() == 1 {
        return Err(refused());
    }
    let mut signals = ctx.signals(GO);
    let mut seen = 0;
    while signals.try_recv().is_some() {
        seen += 1;
    }
    if seen == 0 {
        signals.recv_or_cancelled().await?;
    }
    Ok(seen)
}

async fn parent(ctx: WorkflowContext, from: u32) -> WorkflowResult<u32> {
    ctx.child(FLAKY, from)
        .workflow_id(format!("{}-child", ctx.workflow_id()))
        .retry_policy(POLICY)
        .await
}

pub(crate) fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(FLAKY, flaky)
        .workflow(ENDS, ends)
        .workflow(WAITER, waiter)
        .workflow(PARENT, parent)
        .workflow(SLOW, async |ctx: WorkflowContext, ()| {
            ctx.cancelled().await;
            ctx.shield(ctx.sleep(Duration::from_secs(1_000_000))).await;
            Ok(())
        })
}

pub(crate) async fn engine() -> (Engine, SimulatedDisk) {
    let options = SimulatedOptions { delay_max: Duration::ZERO, ..SimulatedOptions::default() };
    let disk = SimulatedDisk::new(options);
    (workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap(), disk)
}

/// Shuts down, and gives the runs of a workflow id in the order of their chain.
pub(crate) async fn chain(
    engine: Engine,
    disk: &SimulatedDisk,
    workflow_id: &str,
) -> Vec<StoredRun> {
    engine.shutdown().await.unwrap();
    assert_nothing_under_way(disk);
    let runs = check_store(&*disk.reopen()).unwrap();
    let mut runs: Vec<_> =
        runs.into_iter().filter(|run| run.row.workflow_id.as_str() == workflow_id).collect();
    let mut chain: Vec<StoredRun> = Vec::new();
    let mut before = None;
    while let Some(next) = runs.iter().position(|it| it.row.continued_execution_run_id == before) {
        let run = runs.remove(next);
        before = Some(run.run_id);
        chain.push(run);
    }
    assert!(runs.is_empty(), "not in the chain: {runs:#?}");
    chain
}

pub(crate) fn statuses(chain: &[StoredRun]) -> Vec<WorkflowStatus> {
    chain.iter().map(|run| run.row.status).collect()
}

#[tokio::test(start_paused = true)]
async fn chd_10_each_retry_is_a_run_of_the_same_id_and_deadline_behind_its_back_off() {
    let (engine, disk) = engine().await;
    let start = engine.start_workflow(FLAKY, 5).workflow_id("f").request_id("r");
    let deadline = Duration::from_secs(3_600);
    let run = start.retry_policy(POLICY).execution_timeout(deadline).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 5);
    let own = run.run_result().await.unwrap_err();
    assert_eq!(own.to_string(), "connection refused");
    let described = run.describe().await.unwrap();
    assert_eq!((described.attempt, described.new_execution_run_id), (5, None));
    let first = run.of_run(run.run_id()).describe().await.unwrap();
    assert_eq!((first.attempt, first.status), (1, WorkflowStatus::Failed));
    // The same request, while the chain goes on or is over, starts nothing.
    let again = engine.start_workflow(FLAKY, 5).workflow_id("f").request_id("r").await.unwrap();
    assert_eq!(again.run_id(), run.run_id());
    assert_eq!(again.describe().await.unwrap().run_id, described.run_id);
    let chain = chain(engine, &disk, "f").await;
    assert_eq!(chain.len(), 5);
    let first_run = chain[0].run_id;
    for (number, run) in (1..).zip(&chain) {
        let A::WorkflowExecutionStarted(started) = &run.history[0].attributes else { panic!() };
        assert_eq!((run.row.attempt, started.attempt), (number, number));
        assert_eq!(started.first_execution_run_id, first_run);
        let expiration = chain[0].history[0].time.saturating_add(deadline);
        assert_eq!(started.execution_expiration, Some(expiration));
        assert_eq!(started.run_timeout, None);
        let is_first = number == 1;
        assert_eq!(started.initiator, (!is_first).then_some(ContinueAsNewInitiator::Retry));
        assert_eq!(started.continued_failure.is_none(), is_first);
        // 1, 2, 4, 8 seconds (rule RET-5).
        let waited = run.history[0].time.saturating_since(run.row.start_time);
        let expected = if is_first { 0 } else { 1 << (number - 2) };
        assert_eq!(waited.as_secs(), expected, "attempt {number}");
    }
    for pair in chain.windows(2) {
        let close = pair[0].history.last().unwrap();
        let A::WorkflowExecutionFailed(failed) = &close.attributes else { panic!("{close:?}") };
        assert_eq!(failed.retry_state, RetryState::InProgress);
        assert_eq!(failed.new_execution_run_id, Some(pair[1].run_id));
        assert_eq!(pair[1].row.start_time, close.time);
    }
}

#[tokio::test(start_paused = true)]
async fn ret_3_and_ret_6_without_a_policy_there_is_one_run_and_with_one_as_many_as_it_allows() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(FLAKY, 2).workflow_id("no policy").await.unwrap();
    assert_eq!(run.result().await.unwrap_err().to_string(), "connection refused");
    let policy = POLICY.maximum_attempts(3);
    let start = engine.start_workflow(FLAKY, 9).workflow_id("three").retry_policy(policy);
    let error = start.await.unwrap().result().await.unwrap_err();
    assert_eq!(error.to_string(), "connection refused");
    let error = engine.start_workflow(FLAKY, 1).retry_policy(POLICY.backoff_coefficient(0.5));
    let error = error.await.unwrap_err().to_string();
    assert_eq!(error, "BackoffCoefficient cannot be less than 1 on retry policy.");
    let three = chain(engine, &disk, "three").await;
    assert_eq!(statuses(&three), [WorkflowStatus::Failed; 3]);
    let close = &three[2].history.last().unwrap().attributes;
    let A::WorkflowExecutionFailed(failed) = close else { panic!("{close:?}") };
    assert_eq!(failed.retry_state, RetryState::MaximumAttemptsReached);
    let runs = check_store(&*disk.reopen()).unwrap();
    assert_eq!(runs.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn can_5_and_can_6_cancelled_terminated_and_non_retryable_runs_end_their_chain() {
    let (engine, disk) = engine().await;
    let start = async |how: &str| {
        engine.start_workflow(ENDS, how.to_owned()).workflow_id(how).await.unwrap()
    };
    let run = start("non-retryable").await;
    assert!(matches!(run.result().await, Err(WorkflowError::Failed { .. })));
    let run = start("cancelled").await;
    run.cancel("enough").await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Canceled { .. })));
    let run = start("terminated").await;
    run.terminate("enough").await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Terminated { .. })));
    let run = start("failed after a cancellation").await;
    run.cancel("enough").await.unwrap();
    // As on Temporal's server: the request does not keep the failure from being retried.
    run.result().await.unwrap();
    assert_eq!(run.describe().await.unwrap().attempt, 2);
    engine.shutdown().await.unwrap();
    let runs = check_store(&*disk.reopen()).unwrap();
    assert_eq!(runs.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn wto_2_a_run_that_times_out_is_retried_until_its_chain_has_no_time_left() {
    let (engine, disk) = engine().await;
    let start = engine.start_workflow(SLOW, ()).workflow_id("s").retry_policy(POLICY);
    let start = start.run_timeout(SECOND).execution_timeout(7 * SECOND);
    let begun = tokio::time::Instant::now();
    let run = start.await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::TimedOut { .. }), "{error}");
    // Second 0 to 1, 2 to 3, 5 to 6: the next one would begin at second 10.
    assert_eq!(begun.elapsed().as_secs(), 6);
    let chain = chain(engine, &disk, "s").await;
    assert_eq!(statuses(&chain), [WorkflowStatus::TimedOut; 3]);
    let states: Vec<_> = chain
        .iter()
        .map(|run| match &run.history.last().unwrap().attributes {
            A::WorkflowExecutionTimedOut(it) => it.retry_state,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [RetryState::InProgress, RetryState::InProgress, RetryState::Timeout]);
}

#[tokio::test(start_paused = true)]
async fn wto_1_the_end_of_the_chains_time_is_final() {
    let (engine, disk) = engine().await;
    let start = engine.start_workflow(SLOW, ()).workflow_id("s").retry_policy(POLICY);
    let run = start.execution_timeout(7 * SECOND).await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::TimedOut { .. })));
    let chain = chain(engine, &disk, "s").await;
    assert_eq!(statuses(&chain), [WorkflowStatus::TimedOut]);
    let A::WorkflowExecutionTimedOut(it) = &chain[0].history.last().unwrap().attributes else {
        panic!()
    };
    assert_eq!(it.retry_state, RetryState::Timeout);
}

/// A handle never reaches beyond its chain (rule CAN-7).
#[tokio::test(start_paused = true)]
async fn can_7_a_handle_reaches_every_run_of_its_chain_and_no_other() {
    let (engine, disk) = engine().await;
    let first = engine.start_workflow(FLAKY, 3).workflow_id("f").retry_policy(POLICY);
    let first = first.await.unwrap();
    assert_eq!(first.result().await.unwrap(), 3);
    let second = engine.start_workflow(SLOW, ()).workflow_id("f").await.unwrap();
    first.cancel("enough").await.unwrap();
    let error = first.terminate("enough").await.unwrap_err();
    assert!(matches!(error, RunError::AlreadyClosed { .. }), "{error}");
    assert_eq!(first.describe().await.unwrap().attempt, 3);
    let described = second.describe().await.unwrap();
    assert!(described.status.is_open() && !described.cancel_requested);
    engine.shutdown().await.unwrap();
    let row: WorkflowIdRow = disk.reopen().get_workflow_id(second.workflow_id()).unwrap().unwrap();
    assert_eq!(row.run_id, second.run_id());
}

#[tokio::test(start_paused = true)]
async fn chd_9_a_parent_hears_only_of_the_last_run_of_its_child() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(PARENT, 4).workflow_id("p").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
    let history = run.history().await.unwrap();
    assert_eq!(history.len(), 5, "{history:#?}");
    let chain = chain(engine, &disk, "p-child").await;
    assert_eq!(chain.len(), 4);
    let A::ChildWorkflowExecutionStarted(started) = &history[2].attributes else { panic!() };
    let A::ChildWorkflowExecutionCompleted(end) = &history[3].attributes else { panic!() };
    assert_eq!((started.run_id, end.run_id), (chain[0].run_id, chain[3].run_id));
    for run in &chain {
        assert_eq!(run.row.parent.as_ref().unwrap().initiated_event_id.get(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn chd_9_the_failure_of_the_last_run_carries_why_there_is_no_further_one() {
    const IMPATIENT: Workflow<(), String> = Workflow::new("impatient");
    let engine = workflows(TestEngine::builder())
        .workflow(IMPATIENT, async |ctx: WorkflowContext, ()| {
            let policy = POLICY.maximum_attempts(2);
            let failure = ctx.child(FLAKY, 9).retry_policy(policy).await.unwrap_err();
            let entracte::FailureKind::ChildWorkflow(child) = failure.kind() else { panic!() };
            Ok(format!("{}: {failure}", child.retry_state))
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(IMPATIENT, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "maximum attempts reached: connection refused");
    engine.shutdown().await.unwrap();
}

#[test]
fn retries_survive_a_crash_at_every_commit() {
    for replay in [true, false] {
        let set_up = |engine| workflows(engine).replay_every_event(replay);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let start = engine.start_workflow(PARENT, 3).workflow_id("p").request_id("p");
            let parent = start.await?;
            let start = engine.start_workflow(FLAKY, 2).workflow_id("f").request_id("f");
            let run = start.retry_policy(POLICY).await?;
            let _ = run.result().await;
            let _ = parent.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("replay {replay}: {failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        let runs: usize = report.outcomes.values().map(Vec::len).sum();
        assert_eq!(runs, 1 + 3 + 2);
    }
}

/// Kills the actor of every run at every moment: the chain goes on, and ends once.
#[tokio::test(start_paused = true)]
async fn an_actor_that_is_killed_at_any_moment_ends_no_chain() {
    for moment in 0..40 {
        let (engine, disk) = engine().await;
        let start = engine.start_workflow(FLAKY, 3).workflow_id("f").retry_policy(POLICY);
        let run = start.await.unwrap();
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        for round in 0..3_u64 {
            for (_, actor) in engine.run_actors().await.unwrap() {
                actor.kill();
            }
            tokio::time::sleep(Duration::from_millis(700 * round)).await;
        }
        let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
        assert_eq!(result.expect("the chain does not go on").unwrap(), 3, "{moment}");
        assert_eq!(chain(engine, &disk, "f").await.len(), 3, "{moment}");
    }
}

/// The activities of an attempt belong to that attempt alone.
#[tokio::test(start_paused = true)]
async fn a_retried_run_runs_its_activities_again_and_ends_those_that_are_pending() {
    const STEP: Activity<(), ()> =
        Activity::new("step").start_to_close_timeout(Duration::from_secs(60));
    const WORK: Workflow<(), u32> = Workflow::new("work").retry_policy(POLICY);
    let steps = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&steps);
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(WORK, async |ctx: WorkflowContext, ()| {
            ctx.activity(STEP, ()).await?;
            std::mem::forget(ctx.activity(STEP, ()).start());
            if ctx.attempt() < 3 { Err(refused()) } else { Ok(ctx.attempt()) }
        })
        .activity(STEP, move |_, ()| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(WORK, ()).workflow_id("w").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
    assert!(steps.load(Ordering::Relaxed) >= 3);
    assert_eq!(chain(engine, &disk, "w").await.len(), 3);
}
