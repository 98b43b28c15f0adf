//! Pending results over crashes, restarts, parkings and killed actors.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{AsyncActivityError, EngineBuilder, TaskToken, TimeoutType};
use entracte_testing::crash::{CrashTest, one_life};
use entracte_testing::{
    CrashPoint, Outcome, SimulatedDisk, SimulatedOptions, TEST_EPOCH, TestEngine, check_store,
};
use tokio::time::sleep;

/// At most once: a lost attempt would end the workflow.
const ONCE: Activity<(), u32> = Activity::new("once")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .heartbeat_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(1));
const STUBBORN_ASK: Activity<(), u32> = Activity::new("stubborn-ask")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));
const ASK_ONCE: Workflow<(), u32> = Workflow::new("ask-once");
const ASK: Workflow<(), u32> = Workflow::new("ask");

/// Where the attempts of all engines leave their latest token.
type Slot = Arc<Mutex<Option<TaskToken>>>;

fn engine(builder: EngineBuilder, slot: &Slot) -> EngineBuilder {
    let ask = {
        let slot = Arc::clone(slot);
        move |ctx: ActivityContext, ()| {
            slot.lock().unwrap().replace(ctx.task_token());
            async move { Err(ctx.result_pending()) }
        }
    };
    builder
        .workflow(ASK_ONCE, async |ctx: WorkflowContext, ()| ctx.activity(ONCE, ()).await)
        .workflow(ASK, async |ctx: WorkflowContext, ()| ctx.activity(STUBBORN_ASK, ()).await)
        .activity(ONCE, ask.clone())
        .activity(STUBBORN_ASK, ask)
}

async fn start(engine: &Engine, workflow: Workflow<(), u32>) -> WorkflowHandle<u32> {
    engine.start_workflow(workflow, ()).workflow_id("one").request_id("one").await.unwrap()
}

async fn left_pending(run: &WorkflowHandle<u32>) {
    while !run.describe().await.unwrap().pending_activities[0].result_pending {
        sleep(Duration::from_millis(1)).await;
    }
}

/// What the script does with the attempt.
#[derive(Debug, Clone, Copy)]
enum Do {
    Complete,
    FailThenComplete,
    HeartbeatThenComplete,
}

/// Does it by tokens until the run is closed, as somebody does who is told that a token is stale
/// and waits for the next one.
async fn end_by_token(
    engine: &Engine,
    slot: &Slot,
    what: Do,
) -> Result<(), Box<dyn std::error::Error>> {
    let run = engine.start_workflow(ASK, ()).workflow_id("one").request_id("one").await?;
    let mut failed = false;
    while run.describe().await?.status == WorkflowStatus::Running {
        let token = *slot.lock().unwrap();
        let Some(token) = token else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        let activity = engine.async_activity(token);
        let told = match what {
            Do::FailThenComplete if !std::mem::replace(&mut failed, true) => {
                activity.fail(Failure::application("Busy", "later")).await
            }
            Do::HeartbeatThenComplete => match activity.heartbeat(&1).await {
                Ok(_) => activity.complete(&7_u32).await,
                Err(error) => Err(error),
            },
            _ => activity.complete(&7_u32).await,
        };
        match told {
            Ok(()) | Err(AsyncActivityError::NotFound(_)) => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[test]
fn asy_1_completions_failures_and_heartbeats_survive_a_crash_at_every_commit() {
    for what in [Do::Complete, Do::FailThenComplete, Do::HeartbeatThenComplete] {
        let slot = Slot::default();
        let set_up = |builder| engine(builder, &slot);
        let script = async |engine: Engine| end_by_token(&engine, &slot, what).await;
        let report = CrashTest::new(set_up, script).run().unwrap_or_else(|failure| {
            panic!("{what:?}: {failure}");
        });
        let outcomes: Vec<_> = report.outcomes.values().flatten().collect();
        let [Outcome::Completed(result)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert_eq!(result.decode::<u32>().unwrap(), 7);
        // The start, the pending result, the completion.
        assert!(report.commits >= 3, "{what:?}: {report:?}");
    }
}

/// Runs an engine until its attempt's result is pending, and the machine dies at a commit.
fn die_at(commit: u64, point: CrashPoint) -> (SimulatedDisk, Slot) {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    disk.crash_at_commit(commit, point);
    let slot = Slot::default();
    let life = one_life(&disk, async |store: Arc<_>| {
        let engine = engine(TestEngine::on_store(store), &slot).start().await.unwrap();
        left_pending(&start(&engine, ASK_ONCE).await).await;
        // To give the machine something to die at.
        start(&engine, ASK).await
    });
    assert!(life.unwrap().is_none(), "the machine did not die");
    disk.clear_faults();
    (disk, slot)
}

#[test]
fn asy_1_a_crash_before_the_pending_result_is_durable_loses_the_attempt_and_one_after_does_not() {
    // The second commit says that the result is pending.
    for (point, survives) in [(CrashPoint::BeforeDurable, false), (CrashPoint::AfterDurable, true)]
    {
        let (disk, slot) = die_at(2, point);
        let token = slot.lock().unwrap().unwrap();
        let life = one_life(&disk, async |store: Arc<_>| {
            let engine = engine(TestEngine::on_store(store), &slot).start().await.unwrap();
            let run = start(&engine, ASK_ONCE).await;
            let answer = engine.async_activity(token).complete(&5_u32).await;
            (answer.is_ok(), run.result().await.ok())
        });
        let (completed, result) = life.unwrap().unwrap();
        assert_eq!((completed, result), (survives, survives.then_some(5)));
    }
}

#[test]
fn asy_1_after_a_restart_timeouts_count_from_the_journaled_times() {
    // Ten minutes of silence, of which the machine was down for some.
    for (down, heard) in [(500, false), (500, true), (5_000, false)] {
        let disk = SimulatedDisk::new(SimulatedOptions {
            delay_max: Duration::ZERO,
            ..SimulatedOptions::default()
        });
        let slot = Slot::default();
        let first = one_life(&disk, async |store: Arc<_>| {
            let engine = engine(TestEngine::on_store(store), &slot).start().await.unwrap();
            let run = start(&engine, ASK_ONCE).await;
            left_pending(&run).await;
            sleep(Duration::from_secs(50)).await;
            let token = slot.lock().unwrap().unwrap();
            if heard {
                engine.async_activity(token).heartbeat(&()).await.unwrap();
            }
        });
        first.unwrap().unwrap();
        let second = one_life(&disk, async |store: Arc<_>| {
            let up = TEST_EPOCH.saturating_add(Duration::from_secs(50 + down));
            let builder = TestEngine::on_store(store).virtual_time(up);
            let engine = engine(builder, &slot).start().await.unwrap();
            let run = start(&engine, ASK_ONCE).await;
            let failure = run.result().await.unwrap_err().failure().cloned().unwrap();
            assert_eq!(failure.timeout_type(), Some(TimeoutType::Heartbeat));
            let history = run.history().await.unwrap();
            let end = history.last().unwrap().time.saturating_since(history[0].time);
            end.as_millis()
        });
        let expected = match (down, heard) {
            (5_000, _) => 5_050_000,
            (_, true) => 650_000,
            (_, false) => 600_000,
        };
        let took = second.unwrap().unwrap();
        assert!((expected..expected + 100).contains(&took), "{down} s, {heard}: {took} ms");
    }
}

#[tokio::test]
async fn asy_1_a_pending_result_waits_through_a_restart_on_a_real_directory() {
    let directory = tempfile::tempdir().unwrap();
    let slot = Slot::default();
    for life in 0..3 {
        let engine = engine(Engine::builder(directory.path()), &slot).start().await.unwrap();
        let run = start(&engine, ASK_ONCE).await;
        left_pending(&run).await;
        let token = slot.lock().unwrap().unwrap();
        assert_eq!(token.attempt, 1);
        if life == 2 {
            engine.async_activity(token).complete(&9_u32).await.unwrap();
            assert_eq!(run.result().await.unwrap(), 9);
        }
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn asy_1_a_completion_finds_its_run_though_actors_are_killed() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let (slot, store) = (Slot::default(), disk.reopen());
    let engine = engine(TestEngine::on_store(store.clone()), &slot).start().await.unwrap();
    let run = start(&engine, ASK_ONCE).await;
    left_pending(&run).await;
    let kill = async || {
        for (_, run) in engine.run_actors().await.unwrap() {
            run.kill();
        }
    };
    kill().await;
    let token = slot.lock().unwrap().unwrap();
    let activity = engine.async_activity(token);
    activity.heartbeat(&1).await.unwrap();
    // The commit is held while the run is killed with the caller's question: it asks again, and
    // finds that this was its own completion.
    disk.hold();
    let completion = tokio::spawn({
        let activity = activity.clone();
        async move { activity.complete(&3_u32).await }
    });
    sleep(Duration::from_millis(50)).await;
    kill().await;
    sleep(Duration::from_millis(50)).await;
    disk.release();
    completion.await.unwrap().unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
    assert!(activity.complete(&4_u32).await.is_err());
    check_store(&*store).unwrap();
}

#[tokio::test(start_paused = true)]
async fn asy_1_a_parked_run_takes_completions_into_its_inbox() {
    const MENDED: Workflow<(), u32> = Workflow::new("mended");
    async fn broken(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
        let asked = ctx.activity(ONCE, ());
        let result = asked.await;
        if result.is_ok() { panic!("not yet") } else { result }
    }
    let slot = Slot::default();
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let token = {
        let builder = TestEngine::on_store(disk.reopen());
        let engine = engine(builder, &slot).workflow(MENDED, broken).start().await.unwrap();
        let run = start(&engine, MENDED).await;
        left_pending(&run).await;
        let token = slot.lock().unwrap().unwrap();
        // The turn fails in which the completion is taken: it is kept, and acknowledged.
        engine.async_activity(token).complete(&6_u32).await.unwrap();
        let description = run.describe().await.unwrap();
        assert!(description.parked.is_some());
        assert!(description.pending_activities.is_empty(), "{description:?}");
        assert!(engine.async_activity(token).complete(&7_u32).await.is_err());
        engine.shutdown().await.unwrap();
        token
    };
    let builder = TestEngine::on_store(disk.reopen());
    let mended = async |ctx: WorkflowContext, ()| ctx.activity(ONCE, ()).await;
    let engine = engine(builder, &slot).workflow(MENDED, mended).start().await.unwrap();
    let run = start(&engine, MENDED).await;
    assert_eq!(run.result().await.unwrap(), 6);
    assert!(engine.async_activity(token).complete(&7_u32).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn asy_1_what_a_run_parked_before_is_told_is_durable_when_answered() {
    let slot = Slot::default();
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    {
        let builder = TestEngine::on_store(disk.reopen());
        let engine = engine(builder, &slot).start().await.unwrap();
        left_pending(&start(&engine, ASK).await).await;
        engine.shutdown().await.unwrap();
    }
    let token = slot.lock().unwrap().unwrap();
    {
        // Its workflow is not registered here.
        let engine = TestEngine::on_store(disk.reopen()).start().await.unwrap();
        let activity = engine.async_activity(token);
        activity.heartbeat(&1).await.unwrap();
        activity.fail(Failure::application("Busy", "later")).await.unwrap();
        assert!(activity.complete(&1_u32).await.is_err());
        let run = engine.workflow_handle(ASK, "one").await.unwrap();
        assert!(run.describe().await.unwrap().parked.is_some());
        // Killed, not shut down.
    }
    let engine = engine(TestEngine::on_store(disk.reopen()), &slot).start().await.unwrap();
    let run = start(&engine, ASK).await;
    while run.describe().await.unwrap().pending_activities[0].attempt < 2
        || slot.lock().unwrap().unwrap().attempt < 2
    {
        sleep(Duration::from_millis(1)).await;
    }
    let token = slot.lock().unwrap().unwrap();
    engine.async_activity(token).complete(&8_u32).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 8);
}
