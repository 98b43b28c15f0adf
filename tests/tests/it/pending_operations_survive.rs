//! Pauses, resets and changed options over crashes, restarts, parkings and killed actors.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{
    ActivityOptionsUpdate, EngineBuilder, PendingActivityError, PendingActivityState as State,
    RunId,
};
use entracte_testing::crash::CrashTest;
use entracte_testing::{Outcome, SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use tokio::time::sleep;

/// Fails until the world is mended.
const WORK: Activity<(), u32> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(86_400)));
const RUN_WORK: Workflow<(), u32> = Workflow::new("run-work");

/// Whether the world is mended.
type World = Arc<Mutex<bool>>;

fn engine(builder: EngineBuilder, world: &World) -> EngineBuilder {
    let world = Arc::clone(world);
    builder
        .workflow(RUN_WORK, async |ctx: WorkflowContext, ()| ctx.activity(WORK, ()).await)
        .activity(WORK, move |ctx: ActivityContext, ()| {
            let is_mended = *world.lock().unwrap();
            async move {
                if is_mended { Ok(ctx.attempt()) } else { Err(Failure::application("Busy", "")) }
            }
        })
}

async fn start(engine: &Engine) -> WorkflowHandle<u32> {
    engine.start_workflow(RUN_WORK, ()).workflow_id("one").request_id("one").await.unwrap()
}

async fn until(run: &WorkflowHandle<u32>, state: State) {
    while run.pending_activity("1").describe().await.unwrap().state != state {
        sleep(Duration::from_millis(1)).await;
    }
}

/// How far the operations have come on a run: the number of the last one that was acknowledged.
type Told = Mutex<(Option<RunId>, u32)>;

/// Pauses, changes and resets, and sees what was acknowledged before a crash.
async fn operate(run: &WorkflowHandle<u32>, told: &Told) -> Result<(), PendingActivityError> {
    let reached = {
        let mut told = told.lock().unwrap();
        if told.0 != Some(run.run_id()) {
            // Another play of the scenario.
            *told = (Some(run.run_id()), 0);
        }
        told.1
    };
    let step = |number| told.lock().unwrap().1 = number;
    let activity = run.pending_activity("1");
    let described = match activity.describe().await {
        // The reset was not acknowledged, or was: it is durable, and the run has ended.
        Err(PendingActivityError::NotFound(_)) if reached >= 2 => return Ok(()),
        described => described?,
    };
    if reached == 0 {
        match activity.pause("mending").await {
            Ok(()) | Err(PendingActivityError::AlreadyPaused { .. }) => step(1),
            Err(error) => return Err(error),
        }
    }
    if reached == 1 {
        assert!(described.paused.is_some(), "a pause is lost: {described:?}");
    }
    let longer = Duration::from_secs(700);
    if reached < 2 {
        let update = ActivityOptionsUpdate::new().start_to_close_timeout(longer);
        activity.update_options(update).await?;
        step(2);
    } else {
        let timeout = described.options.start_to_close_timeout;
        assert_eq!(timeout, Some(longer), "a change of options is lost");
    }
    if reached < 3 {
        match activity.reset().await {
            // As above.
            Err(PendingActivityError::NotFound(_)) if reached == 2 => {}
            answer => answer?,
        }
        step(3);
    }
    Ok(())
}

#[test]
fn pau_2_to_pau_4_what_is_acknowledged_survives_a_crash_at_every_commit() {
    let told = Told::default();
    let set_up = |builder: EngineBuilder| {
        engine(builder, &World::default()).activity(WORK, async |ctx: ActivityContext, ()| {
            // The first attempt fails, and the next one is a day away.
            match ctx.task_token().attempt {
                1 => Err(Failure::application("Busy", "later")),
                _ => Ok(1),
            }
        })
    };
    let script = async |engine: Engine| {
        let run = engine.start_workflow(RUN_WORK, ()).workflow_id("one").request_id("one").await?;
        operate(&run, &told).await?;
        Ok(())
    };
    let report = CrashTest::new(set_up, script).run().unwrap_or_else(|failure| panic!("{failure}"));
    let outcomes: Vec<_> = report.outcomes.values().flatten().collect();
    let [Outcome::Completed(_)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(report.commits >= 5, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn pau_2_a_pause_outlives_killed_actors_and_restarts() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let world = World::default();
    let first = engine(TestEngine::on_store(disk.reopen()), &world).start().await.unwrap();
    let run = start(&first).await;
    until(&run, State::Scheduled).await;
    run.pending_activity("1").pause("mending").await.unwrap();
    *world.lock().unwrap() = true;
    for _ in 0..3 {
        for (_, run) in first.run_actors().await.unwrap() {
            run.kill();
        }
        sleep(Duration::from_secs(200_000)).await;
        assert_eq!(run.pending_activity("1").describe().await.unwrap().state, State::Paused);
    }
    first.shutdown().await.unwrap();
    let second = engine(TestEngine::on_store(disk.reopen()), &world).start().await.unwrap();
    let run = start(&second).await;
    sleep(Duration::from_secs(200_000)).await;
    let activity = run.pending_activity("1");
    let paused = activity.describe().await.unwrap();
    assert_eq!(paused.paused.unwrap().reason, "mending");
    // The caller's question is killed with the run, and asked again.
    disk.hold();
    let unpause = tokio::spawn({
        let activity = activity.clone();
        async move { activity.unpause().reset_attempts().await }
    });
    sleep(Duration::from_millis(50)).await;
    for (_, run) in second.run_actors().await.unwrap() {
        run.kill();
    }
    sleep(Duration::from_millis(50)).await;
    disk.release();
    unpause.await.unwrap().unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
    second.shutdown().await.unwrap();
    check_store(&*disk.reopen()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn pau_3_a_reset_that_is_told_twice_is_carried_out_once() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let builder = engine(TestEngine::on_store(disk.reopen()), &World::default());
    let engine = builder
        .activity(WORK, async |ctx: ActivityContext, ()| match ctx.task_token().attempt {
            1 => std::future::pending().await,
            _ => Ok(ctx.attempt()),
        })
        .start()
        .await
        .unwrap();
    let run = start(&engine).await;
    until(&run, State::Started).await;
    let activity = run.pending_activity("1");
    // The reset is on its way to the disk when its run is killed, and the answer with it.
    disk.hold();
    let reset = tokio::spawn({
        let activity = activity.clone();
        async move { activity.reset().await }
    });
    sleep(Duration::from_millis(50)).await;
    for (_, run) in engine.run_actors().await.unwrap() {
        run.kill();
    }
    sleep(Duration::from_millis(50)).await;
    disk.release();
    reset.await.unwrap().unwrap();
    // The attempt is lost, and the next one is the first; its back-off has begun after the
    // reset, so that another reset would cut it short.
    let described = activity.describe().await.unwrap();
    assert_eq!((described.state, described.attempt), (State::Scheduled, 1));
    assert!(described.last_failure.is_some());
    sleep(Duration::from_secs(86_000)).await;
    assert_eq!(activity.describe().await.unwrap().state, State::Scheduled);
    // A reset of its own is another one.
    activity.reset().await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn pau_3_operations_reach_a_run_that_is_parked() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let world = World::default();
    let first = engine(TestEngine::on_store(disk.reopen()), &world).start().await.unwrap();
    until(&start(&first).await, State::Scheduled).await;
    first.shutdown().await.unwrap();
    {
        // Its workflow is not registered here, and its activity neither.
        let parked = TestEngine::on_store(disk.reopen()).start().await.unwrap();
        let run = parked.workflow_handle(RUN_WORK, "one").await.unwrap();
        let activity = run.pending_activity("1");
        activity.pause("").await.unwrap();
        assert!(run.describe().await.unwrap().parked.is_some());
        activity.reset().keep_paused().await.unwrap();
        let update = ActivityOptionsUpdate::new().retry_maximum_attempts(2);
        activity.update_options(update).await.unwrap();
        // Killed, not shut down.
    }
    *world.lock().unwrap() = true;
    let last = engine(TestEngine::on_store(disk.reopen()), &world).start().await.unwrap();
    let run = start(&last).await;
    let described = run.pending_activity("1").describe().await.unwrap();
    assert_eq!((described.state, described.attempt), (State::Paused, 1));
    assert_eq!(described.options.retry_policy.maximum_attempts, 2);
    run.pending_activity("1").unpause().await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
}

#[tokio::test]
async fn pau_2_a_pause_waits_through_a_restart_on_a_real_directory() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::default();
    for life in 0..3 {
        let builder = engine(Engine::builder(directory.path()), &world);
        let engine = builder.start().await.unwrap();
        let run = start(&engine).await;
        let activity = run.pending_activity("1");
        if life == 0 {
            until(&run, State::Scheduled).await;
            activity.pause("mending").await.unwrap();
        }
        assert_eq!(activity.describe().await.unwrap().state, State::Paused);
        if life == 2 {
            *world.lock().unwrap() = true;
            activity.unpause().await.unwrap();
            assert_eq!(run.result().await.unwrap(), 2);
        }
        engine.shutdown().await.unwrap();
    }
}
