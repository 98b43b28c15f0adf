//! Thousands of activities, children and timers in one run. That the time for each does not depend
//! on their number is measured by `load fan-out` and `load children`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entracte::EngineBuilder;
use entracte::prelude::*;
use entracte_testing::TestEngine;
use entracte_testing::crash::CrashTest;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const ADD: Activity<u64, u64> =
    Activity::new("add").start_to_close_timeout(Duration::from_secs(600));
const CHILD: Workflow<u64, u64> = Workflow::new("child");
const BULK: Workflow<Plan, u64> = Workflow::new("bulk");

#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
enum Kind {
    Activities,
    Children,
    Timers,
    /// Activities whose first attempts fail, with back-offs that are all different.
    Retried,
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Plan {
    kind: Kind,
    count: u64,
    limit: usize,
}

/// Adds up so many numbers, so many at a time.
async fn bulk(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<u64> {
    let Plan { kind, count, limit } = plan;
    let numbers = try_map_concurrent(0..count, limit, async |number| match kind {
        Kind::Activities | Kind::Retried => ctx.activity(ADD, number).await,
        Kind::Children => {
            let id = format!("{}-{number}", ctx.workflow_id());
            ctx.child(CHILD, number).workflow_id(id).await
        }
        Kind::Timers => {
            ctx.sleep(SECOND + MS * u32::try_from(number).unwrap_or(0)).await;
            Ok(number)
        }
    });
    Ok(numbers.await?.into_iter().sum())
}

async fn child(_: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    Ok(number)
}

/// With `fails`, the first attempts fail, each with a back-off of its own.
fn workflows(engine: EngineBuilder, fails: bool, most: &Arc<AtomicUsize>) -> EngineBuilder {
    let (most, running) = (Arc::clone(most), Arc::new(AtomicUsize::new(0)));
    engine.workflow(BULK, bulk).workflow(CHILD, child).activity(
        ADD,
        move |ctx: ActivityContext, number: u64| {
            let (most, running) = (Arc::clone(&most), Arc::clone(&running));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                if fails && ctx.attempt() == 1 {
                    let delay = SECOND + MS * u32::try_from(number)?;
                    return Err(Failure::application("Later", "later").with_next_retry_delay(delay));
                }
                Ok(number)
            }
        },
    )
}

#[tokio::test(start_paused = true)]
async fn two_thousand_operations_of_a_kind_come_to_their_sum() {
    for kind in [Kind::Activities, Kind::Retried, Kind::Timers, Kind::Children] {
        for limit in [50, usize::MAX] {
            let engine = TestEngine::builder().replay_every_event(false);
            let engine = workflows(engine, kind == Kind::Retried, &Arc::default());
            let engine = engine.start().await.unwrap();
            let plan = Plan { kind, count: 2_000, limit };
            let run = engine.start_workflow(BULK, plan).await.unwrap();
            assert_eq!(run.result().await.unwrap(), 1_999_000, "{plan:?}");
            engine.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_allowed() {
    let most = Arc::new(AtomicUsize::new(0));
    let engine = workflows(TestEngine::builder(), false, &most).start().await.unwrap();
    let plan = Plan { kind: Kind::Activities, count: 40, limit: 7 };
    let run = engine.start_workflow(BULK, plan).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 780);
    assert_eq!(most.load(Ordering::Relaxed), 7);
}

#[test]
fn work_on_many_inputs_survives_a_crash_at_every_commit() {
    for kind in [Kind::Retried, Kind::Children] {
        let set_up = |engine| workflows(engine, kind == Kind::Retried, &Arc::default());
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let plan = Plan { kind, count: 5, limit: 2 };
            let run = engine.start_workflow(BULK, plan).workflow_id("b").request_id("b").await?;
            assert_eq!(run.result().await?, 10);
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("{kind:?}: {failure}"));
        println!("{kind:?}: {} plays, {} faults", report.plays, report.faults);
    }
}
