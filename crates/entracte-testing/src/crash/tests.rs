use std::sync::atomic::{AtomicU32, Ordering};

use entracte_engine::Durability;
use entracte_workflow::{
    Activity, ActivityContext, ActivityResult, RetryPolicy, Workflow, WorkflowContext,
    WorkflowResult,
};

use super::*;

const STEP: Activity<(), u32> =
    Activity::new("step").start_to_close_timeout(Duration::from_secs(30));
const STEPS: Workflow<(), u32> = Workflow::new("steps");

async fn steps(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    Ok(ctx.activity(STEP, ()).await? + ctx.activity(STEP, ()).await?)
}

async fn one(_ctx: ActivityContext, (): ()) -> ActivityResult<u32> {
    Ok(1)
}

async fn start(engine: Engine) -> ScriptResult {
    engine.start_workflow(STEPS, ()).workflow_id("steps").request_id("steps").await?;
    Ok(())
}

#[test]
fn each_fault_strikes_at_each_commit() {
    let test = CrashTest::new(|engine| engine.workflow(STEPS, steps).activity(STEP, one), start);
    let report = test.run().unwrap();
    // The start, the end of each activity.
    assert_eq!(report.commits, 3);
    // Undisturbed; each kind once and twice, at each commit and at one more, which never comes.
    assert_eq!(report.plays, 1 + 6 * 4);
    // Not every second strike finds a commit that it could strike at.
    assert!(report.faults > 2 * 3 * 3, "{report:?}");
}

#[test]
fn an_outcome_that_depends_on_the_attempt_is_found() {
    async fn attempt(ctx: ActivityContext, (): ()) -> ActivityResult<u32> {
        Ok(ctx.attempt())
    }
    let test =
        CrashTest::new(|engine| engine.workflow(STEPS, steps).activity(STEP, attempt), start);
    let failure = test.run().unwrap_err();
    assert!(matches!(*failure.problem, Problem::OutcomeDiffers { .. }), "{failure}");
    let text = "crash before commit 2 is durable with seed 0: the runs of workflow `steps` ended \
                otherwise than undisturbed: ";
    assert!(failure.to_string().starts_with(text), "{failure}");
}

#[test]
fn an_activity_with_one_attempt_is_found() {
    async fn once(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
        ctx.activity(STEP, ()).retry_policy(RetryPolicy::none()).await
    }
    let test = CrashTest::new(|engine| engine.workflow(STEPS, once).activity(STEP, one), start);
    let failure = test.run().unwrap_err();
    assert!(failure.to_string().contains("attempt lost"), "{failure}");
}

#[test]
fn a_script_whose_starts_have_no_request_ids_is_found() {
    let test = CrashTest::new(
        |engine| engine.workflow(STEPS, steps).activity(STEP, one),
        async |engine| {
            engine.start_workflow(STEPS, ()).workflow_id("steps").await?;
            Ok(())
        },
    );
    let failure = test.run().unwrap_err();
    assert!(matches!(*failure.problem, Problem::Script { .. }), "{failure}");
}

#[test]
fn a_run_that_never_ends_is_found_with_what_it_waits_for() {
    let test = CrashTest::new(
        |engine| engine.workflow(STEPS, steps).activity(STEP, |_, ()| std::future::pending()),
        start,
    );
    let failure = test.time_limit(Duration::from_secs(3_600)).run().unwrap_err();
    let Problem::TimeLimit { open } = &*failure.problem else { panic!("{failure}") };
    assert!(open[0].contains("activity_type: \"step\""), "{failure}");
}

#[test]
fn unsynced_work_is_done_again() {
    let done = AtomicU32::new(0);
    let test = CrashTest::new(
        |engine| {
            engine.workflow(STEPS, steps).activity(STEP, one).durability(Durability::OsBuffered)
        },
        async |engine| {
            done.fetch_add(1, Ordering::Relaxed);
            start(engine).await
        },
    );
    let report = test.run().unwrap();
    assert_eq!(u64::from(done.into_inner()), report.plays + report.faults);
}
