//! Sagas in an engine: compensations of every kind, in both orders, and what is told of those
//! that fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{EngineBuilder, FailureKind};
use entracte_testing::crash::CrashTest;
use entracte_testing::{Outcome, TestEngine};

const SECOND: Duration = Duration::from_secs(1);
const DO: Activity<String, ()> = Activity::new("do").start_to_close_timeout(Duration::from_secs(5));
const UNDO: Activity<String, ()> = Activity::new("undo").start_to_close_timeout(SECOND);
const LOOSEN: Activity<String, ()> = Activity::new("loosen").start_to_close_timeout(SECOND);
const REMOVE: Workflow<String, ()> = Workflow::new("remove");
const BUILD: Workflow<Plan, ()> = Workflow::new("build");
const TOWN: Workflow<Plan, ()> = Workflow::new("town");

#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct Plan {
    is_parallel: bool,
    /// Whether it waits for its cancellation instead of failing.
    waits: bool,
}

/// Builds four floors, of which the last one cannot be built.
async fn build(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<()> {
    ctx.saga(async |saga| {
        if plan.is_parallel {
            saga.compensate_in_parallel();
        }
        saga.undo(ctx.activity(UNDO, "first".to_owned()));
        ctx.activity(DO, "first".to_owned()).await?;
        saga.undo(ctx.local_activity(LOOSEN, "second".to_owned()));
        ctx.activity(DO, "second".to_owned()).await?;
        ctx.activity(DO, "third".to_owned()).await?;
        saga.undo(
            ctx.child(REMOVE, "third".to_owned())
                .workflow_id(format!("{}-third", ctx.workflow_id())),
        );
        let cleaner = ctx.clone();
        saga.undo_with("sweep", async move {
            cleaner.sleep(SECOND).await;
            cleaner.activity(UNDO, "sweep".to_owned()).await
        });
        if plan.waits {
            ctx.sleep_or_cancelled(3_600 * SECOND).await?;
        }
        ctx.activity(DO, "fourth".to_owned()).await.context("build the fourth floor")
    })
    .await
}

async fn remove(ctx: WorkflowContext, floor: String) -> WorkflowResult<()> {
    ctx.activity(UNDO, floor).await
}

/// Builds a house as a child.
async fn town(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<()> {
    ctx.child(BUILD, plan).workflow_id("house").await.context("build a house")
}

type Log = Arc<Mutex<Vec<String>>>;

fn workflows(engine: EngineBuilder, log: &Log) -> EngineBuilder {
    let (does, undoes, loosens) = (Arc::clone(log), Arc::clone(log), Arc::clone(log));
    engine
        .workflow(BUILD, build)
        .workflow(REMOVE, remove)
        .workflow(TOWN, town)
        .activity(DO, move |_, floor: String| {
            does.lock().unwrap().push(format!("do {floor}"));
            async move {
                match floor.as_str() {
                    "fourth" => Err(Failure::non_retryable("TooHigh", "too high")),
                    _ => Ok(()),
                }
            }
        })
        .activity(UNDO, move |ctx: ActivityContext, floor: String| {
            undoes.lock().unwrap().push(format!("undo {floor}"));
            async move {
                match (floor.as_str(), ctx.attempt()) {
                    // Compensations are retried as any activity.
                    ("first", 1) => Err(Failure::application("Busy", "not now")),
                    ("sweep", _) => Err(Failure::non_retryable("NoBroom", "no broom")),
                    _ => Ok(()),
                }
            }
        })
        .activity(LOOSEN, move |_, floor: String| {
            loosens.lock().unwrap().push(format!("loosen {floor}"));
            async { Err(Failure::non_retryable("Stuck", "it is stuck")) }
        })
}

const TEXT: &str = "build the fourth floor: too high; compensation `sweep` failed too: no broom; \
                    compensation `loosen` failed too: it is stuck";

#[tokio::test(start_paused = true)]
async fn compensations_of_every_kind_run_in_reverse_order_and_are_retried() {
    let log = Log::default();
    let engine = workflows(TestEngine::builder(), &log).start().await.unwrap();
    let run = engine.start_workflow(BUILD, Plan::default()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), TEXT);
    assert_eq!(
        log.lock().unwrap()[4..],
        ["undo sweep", "undo third", "loosen second", "undo first", "undo first"]
    );
    let failure = error.failure().unwrap();
    assert_eq!(failure.application_type(), Some("TooHigh"));
    let failed = failure.failed_compensations();
    let failed: Vec<_> = failed.iter().map(|it| (it.name, it.failure.application_type())).collect();
    assert_eq!(failed, [("sweep", Some("NoBroom")), ("loosen", Some("Stuck"))]);
}

#[tokio::test(start_paused = true)]
async fn compensations_run_at_the_same_time_on_demand() {
    let log = Log::default();
    let engine = workflows(TestEngine::builder(), &log).start().await.unwrap();
    let plan = Plan { is_parallel: true, ..Plan::default() };
    let run = engine.start_workflow(BUILD, plan).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), TEXT);
    let mut undone = log.lock().unwrap()[4..].to_vec();
    // The one that sleeps first is not waited for.
    assert!(undone.iter().position(|it| it == "undo sweep") > Some(2), "{undone:?}");
    undone.sort();
    assert_eq!(undone, ["loosen second", "undo first", "undo first", "undo sweep", "undo third"]);
}

#[tokio::test(start_paused = true)]
async fn what_failed_to_be_undone_is_told_through_parents() {
    let log = Log::default();
    let engine = workflows(TestEngine::builder(), &log).start().await.unwrap();
    let run = engine.start_workflow(TOWN, Plan::default()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), format!("build a house: {TEXT}"));
    let failure = error.failure().unwrap();
    assert!(matches!(failure.kind(), FailureKind::ChildWorkflow(_)));
    assert_eq!(failure.failed_compensations().len(), 2);
}

#[test]
fn sagas_survive_a_crash_at_every_commit() {
    for is_parallel in [false, true] {
        for waits in [false, true] {
            let plan = Plan { is_parallel, waits };
            let log = Log::default();
            let set_up = |engine: EngineBuilder| workflows(engine, &log).replay_every_event(true);
            let report = CrashTest::new(set_up, async |engine: Engine| {
                let start = engine.start_workflow(BUILD, plan);
                let run = start.workflow_id("b").request_id("b").await?;
                while waits && run.describe().await?.status.is_open() {
                    if !run.describe().await?.pending_timers.is_empty() {
                        run.cancel("enough").await?;
                        break;
                    }
                    tokio::time::sleep(SECOND / 10).await;
                }
                let _ = run.result().await;
                Ok(())
            });
            let report = report.run().unwrap_or_else(|failure| panic!("{plan:?}: {failure}"));
            println!("{plan:?}: {} plays, {} faults", report.plays, report.faults);
            let (_, house) = report.outcomes.iter().find(|(id, _)| id.as_str() == "b").unwrap();
            match (waits, &house[..]) {
                (false, [Outcome::Failed(text)]) => assert_eq!(text, TEXT),
                (true, [Outcome::Canceled(text)]) => {
                    let (_, failed) = TEXT.split_once("; ").unwrap();
                    assert_eq!(*text, format!("canceled; {failed}"));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
