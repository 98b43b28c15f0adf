//! Children and parents that go on in further runs: who hears of whom, and who is hit.

use std::time::Duration;

use entracte::prelude::*;
use entracte::{EngineBuilder, EventAttributes as A, EventType};
use entracte_testing::crash::CrashTest;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};

use crate::children::assert_nothing_under_way;

const GO: Signal<u64> = Signal::new("go");
/// A child that goes on in so many runs, one each second, and then waits for a signal or its
/// cancellation.
const CHILD: Workflow<u64, u64> = Workflow::new("child");
/// Starts such a child, and does something with it.
const PARENT: Workflow<Plan, String> = Workflow::new("parent");

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Deed {
    /// Waits for the child, which waits for a signal of the parent.
    Signal,
    /// Asks the child to cancel, and waits for its end.
    Cancel,
    /// Ends while the child goes on.
    End,
    /// Continues as new, once, and then ends at once.
    ContinueAsNew,
    /// Fails in its first attempt.
    Fail,
}

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Plan {
    deed: Deed,
    policy: ParentClosePolicy,
    /// In how many runs the child goes on.
    runs: u64,
    /// After how many milliseconds the parent does it.
    after: u64,
}

async fn child(ctx: WorkflowContext, runs: u64) -> WorkflowResult<u64> {
    if runs == 0 {
        return ctx.signals(GO).recv_or_cancelled().await;
    }
    ctx.sleep_or_cancelled(Duration::from_secs(1)).await?;
    ctx.continue_as_new(CHILD, runs - 1).await
}

async fn parent(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<String> {
    if ctx.attempt() > 1 || ctx.continued_execution_run_id().is_some() {
        ctx.sleep(Duration::from_secs(100)).await;
        return Ok("went on".to_owned());
    }
    let call = ctx.child(CHILD, plan.runs).workflow_id(format!("{}-child", ctx.workflow_id()));
    let child = call.parent_close_policy(plan.policy).start().await?;
    ctx.sleep(Duration::from_millis(plan.after)).await;
    match plan.deed {
        Deed::Signal => {
            child.signal(GO, 7).await?;
            Ok(child.result().await?.to_string())
        }
        Deed::Cancel => {
            child.cancel("enough");
            Ok(child.result().await.unwrap_err().to_string())
        }
        Deed::End => Ok("ended".to_owned()),
        Deed::ContinueAsNew => ctx.continue_as_new(PARENT, plan).await,
        Deed::Fail => Err(Failure::application("Refused", "connection refused")),
    }
}

fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine.workflow(CHILD, child).workflow(PARENT, parent)
}

async fn engine() -> (Engine, SimulatedDisk) {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    (workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap(), disk)
}

async fn finish(engine: Engine, disk: &SimulatedDisk) -> usize {
    engine.shutdown().await.unwrap();
    assert_nothing_under_way(disk);
    check_store(&*disk.reopen()).unwrap().len()
}

fn plan(deed: Deed, policy: ParentClosePolicy, after: u64) -> Plan {
    Plan { deed, policy, runs: 3, after }
}

#[tokio::test(start_paused = true)]
async fn chd_9_a_signal_by_handle_reaches_the_run_of_the_child_that_is_open() {
    // Before, between and behind the runs of the child; each of them takes a second.
    for after in [0, 500, 999, 1_000, 1_001, 2_500, 3_500, 5_000] {
        let (engine, disk) = engine().await;
        let plan = plan(Deed::Signal, ParentClosePolicy::Terminate, after);
        let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
        assert_eq!(run.result().await.unwrap(), "7", "after {after} ms");
        let history = run.history().await.unwrap();
        let is_end = |it: &&entracte::Event| {
            it.attributes.event_type() == EventType::ChildWorkflowExecutionCompleted
        };
        assert_eq!(history.iter().filter(is_end).count(), 1);
        assert_eq!(finish(engine, &disk).await, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn chd_7_a_cancellation_by_handle_reaches_the_run_of_the_child_that_is_open() {
    for after in [0, 500, 1_000, 2_500, 3_500] {
        let (engine, disk) = engine().await;
        let plan = plan(Deed::Cancel, ParentClosePolicy::Terminate, after);
        let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
        assert_eq!(run.result().await.unwrap(), "canceled", "after {after} ms");
        finish(engine, &disk).await;
    }
}

#[tokio::test(start_paused = true)]
async fn chd_7_the_close_of_a_parent_hits_the_run_of_the_child_that_is_open() {
    for policy in
        [ParentClosePolicy::Terminate, ParentClosePolicy::RequestCancel, ParentClosePolicy::Abandon]
    {
        for after in [0, 999, 1_000, 2_500] {
            let (engine, disk) = engine().await;
            let plan = plan(Deed::End, policy, after);
            let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
            run.result().await.unwrap();
            let child = engine.workflow_handle(CHILD, "p-child").await.unwrap();
            if policy == ParentClosePolicy::Abandon {
                child.signal(GO, 9).await.unwrap();
            }
            let result = child.result().await;
            match (policy, &result) {
                (ParentClosePolicy::Terminate, Err(WorkflowError::Terminated { .. }))
                | (ParentClosePolicy::RequestCancel, Err(WorkflowError::Canceled { .. }))
                | (ParentClosePolicy::Abandon, Ok(9)) => {}
                _ => panic!("{policy:?} after {after} ms: {result:?}"),
            }
            finish(engine, &disk).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn chd_6_children_fall_when_their_parent_goes_on_in_another_run() {
    for deed in [Deed::ContinueAsNew, Deed::Fail] {
        for policy in [ParentClosePolicy::Terminate, ParentClosePolicy::Abandon] {
            let (engine, disk) = engine().await;
            let start = engine.start_workflow(PARENT, plan(deed, policy, 1_500)).workflow_id("p");
            let run = start.retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));
            let run = run.await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
            let described = run.describe().await.unwrap();
            assert!(described.status.is_open() && described.continued_execution_run_id.is_some());
            assert!(described.pending_children.is_empty(), "the new run does not know them");
            let child = engine.workflow_handle(CHILD, "p-child").await.unwrap();
            match policy {
                ParentClosePolicy::Terminate => {
                    let error = child.result().await.unwrap_err();
                    assert!(error.to_string().ends_with("by parent close policy"), "{error}");
                }
                _ => {
                    child.signal(GO, 9).await.unwrap();
                    assert_eq!(child.result().await.unwrap(), 9);
                }
            }
            assert_eq!(run.result().await.unwrap(), "went on");
            finish(engine, &disk).await;
        }
    }
}

/// Another workflow's request, and its signal, go to the run that is open when they arrive.
#[tokio::test(start_paused = true)]
async fn can_8_other_workflows_reach_the_run_that_is_open() {
    const OTHER: Workflow<bool, ()> = Workflow::new("other");
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = workflows(TestEngine::on_store(disk.reopen()))
        .workflow(OTHER, async |ctx: WorkflowContext, cancels: bool| {
            let other = ctx.external_workflow("c");
            if cancels { other.cancel("enough").await } else { other.signal(GO, 3).await }
        })
        .start()
        .await
        .unwrap();
    for cancels in [false, true] {
        for after in [0, 1_000, 1_500, 5_000] {
            let run = engine.start_workflow(CHILD, 2).workflow_id("c").await.unwrap();
            tokio::time::sleep(Duration::from_millis(after)).await;
            let other = engine.start_workflow(OTHER, cancels).await.unwrap();
            other.result().await.unwrap();
            let result = run.result().await;
            match (cancels, &result) {
                (false, Ok(3)) | (true, Err(WorkflowError::Canceled { .. })) => {}
                _ => panic!("{cancels} after {after} ms: {result:?}"),
            }
        }
    }
    finish(engine, &disk).await;
}

/// Starts children that are their chain's, in each of so many runs, and then does something.
const FAMILY: Workflow<Family, String> = Workflow::new("family");
/// Ends when it is asked to cancel, or signalled.
const MEMBER: Workflow<(), u64> = Workflow::new("member");

#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Family {
    runs: u64,
    children: u64,
    policy: ParentClosePolicy,
    /// Whether the last run fails in its first attempt.
    fails: bool,
}

async fn family(ctx: WorkflowContext, family: Family) -> WorkflowResult<String> {
    if ctx.attempt() == 1 {
        let children: Vec<_> = (0..family.children)
            .map(|child| {
                let id = format!("{}-{}-{child}", ctx.workflow_id(), family.runs);
                let call = ctx.child(MEMBER, ()).workflow_id(id);
                call.parent_close_policy(family.policy)
                    .parent_close_scope(ParentCloseScope::Chain)
                    .start()
            })
            .collect();
        for child in children {
            child.await?;
        }
    }
    if family.runs > 1 {
        ctx.sleep(Duration::from_secs(1)).await;
        return ctx.continue_as_new(FAMILY, Family { runs: family.runs - 1, ..family }).await;
    }
    if family.fails && ctx.attempt() == 1 {
        return Err(Failure::application("Refused", "connection refused"));
    }
    ctx.signals(GO).recv_or_cancelled().await?;
    Ok("ended".to_owned())
}

fn families(engine: EngineBuilder) -> EngineBuilder {
    engine.workflow(FAMILY, family).workflow(MEMBER, async |ctx: WorkflowContext, ()| {
        ctx.signals(GO).recv_or_cancelled().await
    })
}

async fn members(engine: &Engine, family: Family) -> Vec<WorkflowHandle<u64>> {
    let mut members = Vec::new();
    for run in 1..=family.runs {
        for child in 0..family.children {
            let id = format!("f-{run}-{child}");
            members.push(engine.workflow_handle(MEMBER, id).await.unwrap());
        }
    }
    members
}

/// Children of the chain go on while it does, and fall with its last run, however that ends.
#[tokio::test(start_paused = true)]
async fn chd_6_children_of_a_chain_fall_with_its_last_run() {
    for policy in [ParentClosePolicy::Terminate, ParentClosePolicy::RequestCancel] {
        // More than are told in one batch, and in several runs.
        for (runs, children) in [(1, 2), (4, 2), (2, 300)] {
            for fails in [false, true] {
                let disk = SimulatedDisk::new(SimulatedOptions::default());
                let engine = families(TestEngine::on_store(disk.reopen()));
                let engine = engine.replay_every_event(false).start().await.unwrap();
                let family = Family { runs, children, policy, fails };
                let start = engine.start_workflow(FAMILY, family).workflow_id("f");
                let policy_of_runs = RetryPolicy::exponential(Duration::from_secs(1));
                let run = start.retry_policy(policy_of_runs).await.unwrap();
                tokio::time::sleep(Duration::from_secs(20)).await;
                assert!(run.describe().await.unwrap().status.is_open());
                let members = members(&engine, family).await;
                for member in &members {
                    assert!(member.describe().await.unwrap().status.is_open(), "{family:?}");
                }
                if fails {
                    run.terminate("enough").await.unwrap();
                } else {
                    run.signal(GO, 1).await.unwrap();
                }
                let _ = run.result().await;
                for member in members {
                    let error = member.result().await.unwrap_err();
                    let is_hit = match policy {
                        ParentClosePolicy::Terminate => {
                            matches!(error, WorkflowError::Terminated { .. })
                        }
                        _ => matches!(error, WorkflowError::Canceled { .. }),
                    };
                    assert!(is_hit, "{family:?}: {error}");
                }
                finish(engine, &disk).await;
                // Nothing is left of it for a later engine.
                let engine = families(TestEngine::on_store(disk.reopen())).start().await.unwrap();
                assert!(engine.run_actors().await.unwrap().is_empty(), "{family:?}");
                engine.shutdown().await.unwrap();
            }
        }
    }
}

#[test]
fn chd_6_children_of_a_chain_survive_a_crash_at_every_commit() {
    for policy in [ParentClosePolicy::Terminate, ParentClosePolicy::RequestCancel] {
        let report = CrashTest::new(families, async move |engine: Engine| {
            let family = Family { runs: 3, children: 1, policy, fails: false };
            let start = engine.start_workflow(FAMILY, family).workflow_id("f").request_id("f");
            let run = start.await?;
            tokio::time::sleep(Duration::from_secs(20)).await;
            let _ = run.signal(GO, 1).request_id("go").await;
            let _ = run.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("{policy:?}: {failure}"));
        println!("{policy:?}: {} plays, {} faults", report.plays, report.faults);
        assert_eq!(report.outcomes.len(), 4);
    }
}

/// Kills whoever tells the children, at each moment.
#[tokio::test(start_paused = true)]
async fn chd_6_children_of_a_chain_survive_killed_actors() {
    for moment in 0..40 {
        let disk = SimulatedDisk::new(SimulatedOptions::default());
        let engine = families(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let policy = ParentClosePolicy::Terminate;
        let family = Family { runs: 3, children: 2, policy, fails: false };
        let run = engine.start_workflow(FAMILY, family).workflow_id("f").await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let members = members(&engine, family).await;
        run.signal(GO, 1).await.unwrap();
        for _ in 0..moment {
            tokio::time::sleep(Duration::from_millis(1)).await;
            for (_, actor) in engine.run_actors().await.unwrap() {
                actor.kill();
            }
        }
        for member in members {
            let result = tokio::time::timeout(Duration::from_secs(60), member.result()).await;
            let error = result.expect("nobody told it").unwrap_err();
            assert!(matches!(error, WorkflowError::Terminated { .. }), "{moment}: {error}");
        }
        finish(engine, &disk).await;
    }
}

#[test]
fn chd_9_chains_of_children_survive_a_crash_at_every_commit() {
    for deed in [Deed::Signal, Deed::Cancel, Deed::End, Deed::ContinueAsNew] {
        let report = CrashTest::new(workflows, async move |engine: Engine| {
            // Between two runs of the child, so that what is sent is under way while it goes on.
            let plan = Plan { runs: 2, ..plan(deed, ParentClosePolicy::Terminate, 2_500) };
            let start = engine.start_workflow(PARENT, plan).workflow_id("p").request_id("p");
            let _ = start.await?.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("{deed:?}: {failure}"));
        println!("{deed:?}: {} plays, {} faults", report.plays, report.faults);
    }
}

/// Kills whatever is there at each moment at which something can be on its way.
#[tokio::test(start_paused = true)]
async fn chains_of_children_survive_killed_actors() {
    for deed in [Deed::Signal, Deed::Cancel] {
        for moment in 0..30 {
            let (engine, disk) = engine().await;
            let plan = plan(deed, ParentClosePolicy::Terminate, 1_000);
            let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
            tokio::time::sleep(Duration::from_millis(995)).await;
            for _ in 0..moment {
                tokio::time::sleep(Duration::from_millis(1)).await;
                for (_, actor) in engine.run_actors().await.unwrap() {
                    actor.kill();
                }
            }
            let result = tokio::time::timeout(Duration::from_secs(100), run.result()).await;
            let result = result.unwrap_or_else(|_| panic!("{deed:?}, {moment}: waits for ever"));
            let expected = if matches!(deed, Deed::Signal) { "7" } else { "canceled" };
            assert_eq!(result.unwrap(), expected, "{deed:?}, {moment}");
            let history = run.history().await.unwrap();
            let is_end = |it: &A| it.event_type().is_close();
            assert_eq!(history.iter().filter(|it| is_end(&it.attributes)).count(), 1);
            finish(engine, &disk).await;
        }
    }
}
