//! Cancellation scopes in an engine (rules CAN-2, CAN-3 and CAN-6).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActivityCancellationType as Kind, EngineBuilder, EventType as T, WorkflowStatus};
use entracte_testing::TestEngine;
use entracte_testing::crash::CrashTest;
use entracte_tests::look::{assert_well_formed, event_types};

const HOUR: Duration = Duration::from_secs(3_600);
const WORK: Activity<(), ()> = Activity::new("work")
    .start_to_close_timeout(HOUR)
    .cancellation_type(Kind::WaitCancellationCompleted);
const CLEAN: Activity<String, ()> =
    Activity::new("clean").start_to_close_timeout(Duration::from_secs(5));
const FAMILY: Workflow<(), Vec<String>> = Workflow::new("family");
const CHILD: Workflow<(), String> = Workflow::new("child");
const CLEANS: Workflow<(), ()> = Workflow::new("cleans");

/// Gives two children and an activity up when the other branch says so, and cleans up.
async fn family(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<String>> {
    let scope = ctx.scope();
    let inner = scope.scope();
    let deadline = async {
        ctx.sleep(Duration::from_secs(60)).await;
        scope.cancel("a minute is over");
    };
    let everything = inner.run(async {
        let children = (1..=2).map(|number| {
            ctx.child(CHILD, ()).workflow_id(format!("{}-{number}", ctx.workflow_id()))
        });
        let (children, work) = join!(join_all(children), ctx.activity(WORK, ()));
        // The scope is cancelled, and so is what would be started in it.
        assert!(ctx.activity(CLEAN, "not at all".to_owned()).await.is_err());
        ctx.shield(ctx.activity(CLEAN, "inside".to_owned())).await?;
        ctx.shield(ctx.sleep(Duration::from_secs(5))).await;
        // Cancelled, or lost in a crash after it was asked to (rule ACX-5).
        let work = work.is_err();
        let mut told = children.into_iter().collect::<WorkflowResult<Vec<_>>>()?;
        told.push(format!("work given up: {work}"));
        Ok(told)
    });
    let (told, ()) = join!(everything, deadline);
    // What is outside of the scope goes on as ever.
    ctx.activity(CLEAN, "outside".to_owned()).await?;
    assert!(!ctx.is_cancelled() && inner.is_cancelled());
    told
}

/// Tells why it was cancelled.
async fn child(ctx: WorkflowContext, (): ()) -> WorkflowResult<String> {
    ctx.cancelled().await;
    Ok(ctx.cancel_reason().unwrap_or_default())
}

async fn work(ctx: ActivityContext, (): ()) -> ActivityResult<()> {
    ctx.cancelled().await;
    Err(Failure::canceled())
}

fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(FAMILY, family)
        .workflow(CHILD, child)
        .activity(WORK, work)
        .activity(CLEAN, async |_, _: String| Ok(()))
}

fn told() -> Vec<String> {
    let told = ["a minute is over", "a minute is over", "work given up: true"];
    told.map(str::to_owned).to_vec()
}

#[tokio::test(start_paused = true)]
async fn can_2_and_can_3_a_scope_is_cancelled_with_all_in_it_and_its_reason_reaches_children() {
    let engine = workflows(TestEngine::builder()).start().await.unwrap();
    let run = engine.start_workflow(FAMILY, ()).workflow_id("f").await.unwrap();
    assert_eq!(run.result().await.unwrap(), told());
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    let types = event_types(&history);
    let count = |wanted| types.iter().filter(|it| **it == wanted).count();
    assert_eq!(count(T::WorkflowExecutionCancelRequested), 0);
    assert_eq!(count(T::ActivityTaskCancelRequested), 1);
    assert_eq!(count(T::ActivityTaskCanceled), 1);
    assert_eq!(count(T::RequestCancelExternalWorkflowExecutionInitiated), 2);
    assert_eq!(count(T::ActivityTaskCompleted), 2);
    for number in 1..=2 {
        let child = engine.workflow_handle(CHILD, format!("f-{number}")).await.unwrap();
        assert_eq!(child.result().await.unwrap(), "a minute is over");
    }
}

#[test]
fn can_3_scopes_survive_a_crash_at_every_commit() {
    for replay in [true, false] {
        let set_up = |engine| workflows(engine).replay_every_event(replay);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let run = engine.start_workflow(FAMILY, ()).workflow_id("f").request_id("f").await?;
            let _ = run.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("replay {replay}: {failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        assert_eq!(report.outcomes.len(), 3);
    }
}

/// Works for an hour, and cleans up afterwards, whatever happened.
async fn cleans(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    let worked = ctx.activity(WORK, ()).await;
    ctx.shield(ctx.activity(CLEAN, ctx.cancel_reason().unwrap_or_default())).await?;
    worked
}

#[tokio::test(start_paused = true)]
async fn can_6_a_cancelled_run_cleans_up_and_a_terminated_one_does_not() {
    for terminates in [false, true] {
        let cleaned = Arc::new(AtomicU32::new(0));
        let cleans_up = Arc::clone(&cleaned);
        let engine = TestEngine::builder()
            .workflow(CLEANS, cleans)
            .activity(WORK, work)
            .activity(CLEAN, move |_, reason: String| {
                assert_eq!(reason, "enough");
                cleans_up.fetch_add(1, Ordering::Relaxed);
                async { Ok(()) }
            })
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(CLEANS, ()).await.unwrap();
        match terminates {
            true => run.terminate("enough").await.unwrap(),
            false => run.cancel("enough").await.unwrap(),
        }
        assert!(run.result().await.is_err());
        tokio::time::sleep(HOUR).await;
        let status = run.describe().await.unwrap().status;
        match terminates {
            true => assert_eq!(status, WorkflowStatus::Terminated),
            false => assert_eq!(status, WorkflowStatus::Canceled),
        }
        assert_eq!(cleaned.load(Ordering::Relaxed), u32::from(!terminates));
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_the_reason_of_a_request_is_told_to_the_workflow_and_by_describe() {
    const WAITS: Workflow<(), String> = Workflow::new("waits");
    let engine = TestEngine::builder()
        .workflow(WAITS, async |ctx: WorkflowContext, ()| {
            ctx.scope().cancelled().await;
            ctx.shield(ctx.sleep(HOUR)).await;
            Ok(ctx.cancel_reason().unwrap())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(WAITS, ()).await.unwrap();
    assert_eq!(run.describe().await.unwrap().cancel_reason, None);
    run.cancel("enough").await.unwrap();
    run.cancel("more than enough").await.unwrap();
    let description = run.describe().await.unwrap();
    assert!(description.cancel_requested);
    assert_eq!(description.cancel_reason.as_deref(), Some("enough"));
    assert_eq!(run.result().await.unwrap(), "enough");
}
