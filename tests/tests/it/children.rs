//! Child workflows: their life cycle, and what the close of a parent means for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::model::failure::FailureKind;
use entracte::prelude::*;
use entracte::store::{Store, keys};
use entracte::{Event, EventAttributes as A, EventType};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};

const STOP: Activity<String, ()> = Activity::new("stop")
    .start_to_close_timeout(Duration::from_secs(5))
    .retry_policy(RetryPolicy::none());
pub(crate) const DOUBLE: Workflow<u64, u64> = Workflow::new("double");
pub(crate) const SUM: Workflow<u64, u64> = Workflow::new("sum");
const SNAPSHOT: Workflow<String, ()> = Workflow::new("snapshot");
const BACKUP: Workflow<String, ()> = Workflow::new("backup");
pub(crate) const WAITER: Workflow<(), String> = Workflow::new("waiter");
pub(crate) const PARENT: Workflow<Plan, u64> = Workflow::new("parent");
pub(crate) const GO: Signal<String> = Signal::new("go");
pub(crate) const END: Signal<u64> = Signal::new("end");

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Plan {
    pub(crate) children: u64,
    pub(crate) policy: ParentClosePolicy,
    /// Whether the children are known to have started before the parent goes on.
    pub(crate) started: bool,
}

async fn double(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.sleep(Duration::from_millis(number)).await;
    Ok(2 * number)
}

/// Doubles the numbers up to one in children, side by side.
async fn sum(ctx: WorkflowContext, to: u64) -> WorkflowResult<u64> {
    let children = (1..=to).map(|number| {
        ctx.child(DOUBLE, number).workflow_id(format!("{}-{number}", ctx.workflow_id()))
    });
    Ok(try_join_all(children).await?.into_iter().sum())
}

async fn snapshot(ctx: WorkflowContext, container: String) -> WorkflowResult<()> {
    ctx.activity(STOP, container.clone())
        .await
        .with_context(|| format!("stop container {container}"))
}

async fn backup(ctx: WorkflowContext, container: String) -> WorkflowResult<()> {
    ctx.child(SNAPSHOT, container.clone())
        .await
        .with_context(|| format!("stop-and-snapshot for container {container}"))
}

/// Ends when it is signalled, or asked to cancel.
async fn waiter(ctx: WorkflowContext, (): ()) -> WorkflowResult<String> {
    ctx.signals(GO).recv_or_cancelled().await
}

/// Starts children, and ends when it is told.
async fn parent(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<u64> {
    let mut handles = Vec::new();
    for number in 0..plan.children {
        let start = ctx
            .child(WAITER, ())
            .workflow_id(format!("{}-{number}", ctx.workflow_id()))
            .parent_close_policy(plan.policy)
            .start();
        handles.push(start);
    }
    if plan.started {
        for handle in handles {
            handle.await?;
        }
    }
    Ok(ctx.signals(END).recv().await)
}

pub(crate) fn workflows(engine: entracte::EngineBuilder) -> entracte::EngineBuilder {
    engine
        .workflow(DOUBLE, double)
        .workflow(SUM, sum)
        .workflow(SNAPSHOT, snapshot)
        .workflow(BACKUP, backup)
        .workflow(WAITER, waiter)
        .workflow(PARENT, parent)
        .activity(STOP, async |_, _: String| {
            Err(Failure::application("ConnectionRefused", "connection refused"))
        })
}

async fn engine() -> Engine {
    workflows(TestEngine::builder()).start().await.unwrap()
}

fn types(history: &[Event]) -> Vec<EventType> {
    history.iter().map(|event| event.attributes.event_type()).collect()
}

async fn child(engine: &Engine, parent: &str, number: u64) -> WorkflowHandle<String> {
    engine.workflow_handle(WAITER, format!("{parent}-{number}")).await.unwrap()
}

/// Waits until a workflow id has a run.
pub(crate) async fn appear(engine: &Engine, workflow_id: &str) -> WorkflowHandle<String> {
    loop {
        if let Ok(handle) = engine.workflow_handle(WAITER, workflow_id).await {
            return handle;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Nothing that runs send to each other is left when all is quiet.
pub(crate) fn assert_nothing_under_way(disk: &SimulatedDisk) {
    let range = keys::deliveries_all();
    let store = disk.reopen();
    let rows = store.scan(range.space, &range.start, range.end.as_deref(), usize::MAX).unwrap();
    assert!(rows.is_empty(), "{rows:#?}");
}

#[tokio::test(start_paused = true)]
async fn chd_2_a_child_leaves_three_events_and_its_own_history() {
    let engine = engine().await;
    let run = engine.start_workflow(SUM, 1).workflow_id("s").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    let expected = [
        EventType::WorkflowExecutionStarted,
        EventType::StartChildWorkflowExecutionInitiated,
        EventType::ChildWorkflowExecutionStarted,
        EventType::ChildWorkflowExecutionCompleted,
        EventType::WorkflowExecutionCompleted,
    ];
    assert_eq!(types(&run.history().await.unwrap()), expected);
    let child = engine.workflow_handle(DOUBLE, "s-1").await.unwrap();
    let history = child.history().await.unwrap();
    let A::WorkflowExecutionStarted(started) = &history[0].attributes else { panic!("no start") };
    let parent = started.parent.as_ref().unwrap();
    assert_eq!((parent.workflow_id.as_str(), parent.run_id), ("s", run.run_id()));
    assert_eq!(started.root.as_ref().unwrap().run_id, run.run_id());
    engine.shutdown().await.unwrap();
}

/// The error chain of the article that this engine is measured by, to the letter.
#[tokio::test(start_paused = true)]
async fn fail_1_the_chain_reads_as_it_was_written_and_matches_by_type_at_every_level() {
    let engine = engine().await;
    let run = engine.start_workflow(BACKUP, "abc123".to_owned()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let text = "stop-and-snapshot for container abc123: stop container abc123: connection refused";
    assert_eq!(error.to_string(), text);
    let failure = error.failure().unwrap();
    let kinds: Vec<_> = failure.chain().map(Failure::kind).collect();
    assert!(matches!(
        kinds[..],
        [FailureKind::ChildWorkflow(_), FailureKind::Activity(_), FailureKind::Application(_)]
    ));
    assert_eq!(failure.root_cause().application_type(), Some("ConnectionRefused"));
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_3_an_open_run_of_the_id_refuses_the_child() {
    let engine = engine().await;
    let other = engine.start_workflow(WAITER, ()).workflow_id("p-0").await.unwrap();
    let plan = Plan { children: 1, policy: ParentClosePolicy::Terminate, started: true };
    let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "child workflow execution already started");
    let history = run.history().await.unwrap();
    assert_eq!(types(&history)[2], EventType::StartChildWorkflowExecutionFailed);
    assert!(other.describe().await.unwrap().status.is_open(), "the other run is not touched");
    engine.shutdown().await.unwrap();
}

async fn close_parent(
    policy: ParentClosePolicy,
    end: End,
) -> (Engine, [WorkflowHandle<String>; 2]) {
    let engine = engine().await;
    let plan = Plan { children: 2, policy, started: true };
    let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
    appear(&engine, "p-0").await;
    appear(&engine, "p-1").await;
    match end {
        End::Completes => run.signal(END, 7).await.unwrap(),
        End::IsTerminated => run.terminate("enough").await.unwrap(),
    }
    let _ = run.result().await;
    let children = [child(&engine, "p", 0).await, child(&engine, "p", 1).await];
    (engine, children)
}

#[derive(Debug, Clone, Copy)]
enum End {
    Completes,
    IsTerminated,
}

#[tokio::test(start_paused = true)]
async fn chd_5_and_chd_6_terminate_ends_the_children_on_every_close() {
    for end in [End::Completes, End::IsTerminated] {
        let (engine, children) = close_parent(ParentClosePolicy::Terminate, end).await;
        for child in children {
            let error = child.result().await.unwrap_err();
            assert!(error.to_string().ends_with("by parent close policy"), "{error}");
        }
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn chd_5_request_cancel_asks_the_children() {
    for end in [End::Completes, End::IsTerminated] {
        let (engine, children) = close_parent(ParentClosePolicy::RequestCancel, end).await;
        for child in children {
            let error = child.result().await.unwrap_err();
            assert!(matches!(error, WorkflowError::Canceled { .. }), "{error}");
        }
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn chd_5_abandon_leaves_the_children_alone() {
    for end in [End::Completes, End::IsTerminated] {
        let (engine, children) = close_parent(ParentClosePolicy::Abandon, end).await;
        for child in children {
            assert!(child.describe().await.unwrap().status.is_open());
            child.signal(GO, "went on".to_owned()).await.unwrap();
            assert_eq!(child.result().await.unwrap(), "went on");
        }
        engine.shutdown().await.unwrap();
    }
}

/// More children than are told in one batch.
#[tokio::test(start_paused = true)]
async fn chd_6_six_hundred_children_fall_with_their_parent() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let store = disk.reopen();
    let engine = workflows(TestEngine::on_store(store.clone())).replay_every_event(false);
    let engine = engine.start().await.unwrap();
    let plan = Plan { children: 600, policy: ParentClosePolicy::Terminate, started: true };
    let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
    for number in 0..600 {
        appear(&engine, &format!("p-{number}")).await;
    }
    run.signal(END, 1).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
    for number in 0..600 {
        let error = child(&engine, "p", number).await.result().await.unwrap_err();
        assert!(matches!(error, WorkflowError::Terminated { .. }), "{error}");
    }
    engine.shutdown().await.unwrap();
    let runs = check_store(&*disk.reopen()).unwrap();
    assert_eq!(runs.len(), 601);
    assert_nothing_under_way(&disk);
}

#[tokio::test(start_paused = true)]
async fn chd_12_a_cancelled_parent_waits_for_its_child_which_undoes_what_it_did() {
    const CARELESS: Workflow<(), String> = Workflow::new("careful");
    const BOSS: Workflow<(), String> = Workflow::new("boss");
    let undone = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&undone);
    let engine = TestEngine::builder()
        .workflow(BOSS, async |ctx: WorkflowContext, ()| {
            ctx.child(CARELESS, ()).workflow_id("careful").await
        })
        .workflow(CARELESS, async |ctx: WorkflowContext, ()| {
            ctx.saga(async |saga| {
                saga.undo(ctx.activity(STOP, "it".to_owned()));
                ctx.signals(GO).recv_or_cancelled().await
            })
            .await
        })
        .activity(STOP, move |_, _: String| {
            let counted = Arc::clone(&counted);
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(BOSS, ()).await.unwrap();
    appear(&engine, "careful").await;
    run.cancel("enough").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error}");
    assert_eq!(undone.load(Ordering::Relaxed), 1);
    let history = run.history().await.unwrap();
    let types = types(&history);
    assert!(types.contains(&EventType::RequestCancelExternalWorkflowExecutionInitiated));
    assert!(types.contains(&EventType::ExternalWorkflowExecutionCancelRequested));
    assert!(types.contains(&EventType::ChildWorkflowExecutionCanceled));
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn can_8_a_workflow_asks_others_to_cancel_open_closed_and_unknown_ones() {
    const CANCELLER: Workflow<String, String> = Workflow::new("canceller");
    let engine = workflows(TestEngine::builder())
        .workflow(CANCELLER, async |ctx: WorkflowContext, id: String| {
            match ctx.external_workflow(id).cancel("enough").await {
                Ok(()) => Ok("asked".to_owned()),
                Err(failure) => Ok(failure.application_type().unwrap_or_default().to_owned()),
            }
        })
        .start()
        .await
        .unwrap();
    let open = engine.start_workflow(WAITER, ()).workflow_id("open").await.unwrap();
    let ask = async |id: &str| {
        let run = engine.start_workflow(CANCELLER, id.to_owned()).await.unwrap();
        run.result().await.unwrap()
    };
    assert_eq!(ask("open").await, "asked");
    assert!(matches!(open.result().await, Err(WorkflowError::Canceled { .. })));
    // A request to a closed run is a success that changes nothing (rule CAN-1).
    assert_eq!(ask("open").await, "asked");
    assert_eq!(ask("nobody").await, "ExternalWorkflowNotFound");
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_15_a_parent_signals_its_child() {
    const TALKER: Workflow<(), String> = Workflow::new("talker");
    let engine = workflows(TestEngine::builder())
        .workflow(TALKER, async |ctx: WorkflowContext, ()| {
            let child = ctx.child(WAITER, ()).start().await?;
            child.signal(GO, "from above".to_owned()).await?;
            child.result().await
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TALKER, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "from above");
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wto_1_and_chd_11_a_child_that_takes_too_long_times_out() {
    const HASTY: Workflow<(), String> = Workflow::new("hasty");
    let engine = workflows(TestEngine::builder())
        .workflow(HASTY, async |ctx: WorkflowContext, ()| {
            let call = ctx.child(WAITER, ()).run_timeout(Duration::from_secs(60));
            Ok(call.await.unwrap_err().to_string())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(HASTY, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "Child workflow timeout");
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_8_a_child_whose_parent_closes_first_never_starts() {
    const LEAVER: Workflow<ParentClosePolicy, ()> = Workflow::new("leaver");
    for policy in [ParentClosePolicy::Abandon, ParentClosePolicy::Terminate] {
        let disk = SimulatedDisk::new(SimulatedOptions::default());
        let engine = workflows(TestEngine::on_store(disk.reopen()))
            .workflow(LEAVER, async |ctx: WorkflowContext, policy| {
                let child = ctx.child(WAITER, ()).workflow_id("never").parent_close_policy(policy);
                drop(child.start());
                Ok(())
            })
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(LEAVER, policy).await.unwrap();
        run.result().await.unwrap();
        engine.shutdown().await.unwrap();
        let runs = check_store(&*disk.reopen()).unwrap();
        assert_eq!(runs.len(), 1, "{policy:?}: {runs:#?}");
        // Nothing is left of it for a later engine either.
        let engine = workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        assert!(engine.run_actors().await.unwrap().is_empty());
        engine.shutdown().await.unwrap();
    }
}

/// Starts a child under a policy, and tells how that went.
async fn reuse(ctx: WorkflowContext, policy: WorkflowIdReusePolicy) -> WorkflowResult<String> {
    let child = ctx.child(WAITER, ()).workflow_id("again").workflow_id_reuse_policy(policy);
    match child.start().await {
        Ok(child) => {
            child.signal(GO, "done".to_owned()).await?;
            child.result().await
        }
        Err(failure) => Ok(failure.root_cause().application_type().unwrap_or_default().to_owned()),
    }
}

const REUSE: Workflow<WorkflowIdReusePolicy, String> = Workflow::new("reuse");

#[tokio::test(start_paused = true)]
async fn chd_4_the_reuse_policy_judges_a_closed_run() {
    let engine = workflows(TestEngine::builder()).workflow(REUSE, reuse).start().await.unwrap();
    let first = engine.start_workflow(WAITER, ()).workflow_id("again").await.unwrap();
    first.signal(GO, "first".to_owned()).await.unwrap();
    first.result().await.unwrap();
    let expected = [
        (WorkflowIdReusePolicy::RejectDuplicate, "WorkflowExecutionAlreadyStarted"),
        (WorkflowIdReusePolicy::AllowDuplicateFailedOnly, "WorkflowExecutionAlreadyStarted"),
        (WorkflowIdReusePolicy::AllowDuplicate, "done"),
    ];
    for (policy, expected) in expected {
        let run = engine.start_workflow(REUSE, policy).await.unwrap();
        assert_eq!(run.result().await.unwrap(), expected, "{policy:?}");
    }
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_3_terminate_if_running_takes_the_place_of_an_open_run() {
    let engine = workflows(TestEngine::builder()).workflow(REUSE, reuse).start().await.unwrap();
    let open = engine.start_workflow(WAITER, ()).workflow_id("again").await.unwrap();
    let policy = WorkflowIdReusePolicy::TerminateIfRunning;
    let run = engine.start_workflow(REUSE, policy).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "done");
    assert!(matches!(open.result().await, Err(WorkflowError::Terminated { .. })));
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_17_describe_tells_of_the_children_and_the_actors_hang_under_their_parents() {
    let engine = engine().await;
    let plan = Plan { children: 2, policy: ParentClosePolicy::Abandon, started: true };
    let run = engine.start_workflow(PARENT, plan).workflow_id("p").await.unwrap();
    let children = [appear(&engine, "p-0").await, appear(&engine, "p-1").await];
    let pending = loop {
        let pending = run.describe().await.unwrap().pending_children;
        if pending.iter().all(|child| child.run_id.is_some()) {
            break pending;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let pending: Vec<_> = pending.iter().map(|it| (it.workflow_id.as_str(), it.run_id)).collect();
    let [first, second] = children.each_ref().map(|child| Some(child.run_id()));
    assert_eq!(pending, [("p-0", first), ("p-1", second)]);
    let actors = engine.run_actors().await.unwrap();
    let actor_of = |run_id| &actors.iter().find(|(id, _)| *id == run_id).unwrap().1;
    let above = |run_id| actor_of(run_id).try_get_supervisor().unwrap().get_id();
    for child in &children {
        assert_eq!(above(child.run_id()), actor_of(run.run_id()).get_id());
    }
    let root = above(run.run_id());
    run.signal(END, 1).await.unwrap();
    run.result().await.unwrap();
    // What survives its parent hangs under the root.
    for child in &children {
        while above(child.run_id()) != root {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    engine.shutdown().await.unwrap();
}

/// Each workflow has one child, so many levels deep.
#[tokio::test(start_paused = true)]
async fn chd_2_a_chain_of_nested_children_ends_from_the_innermost() {
    const NEST: Workflow<u64, u64> = Workflow::new("nest");
    async fn nest(ctx: WorkflowContext, depth: u64) -> WorkflowResult<u64> {
        match depth {
            0 => Ok(0),
            _ => Ok(ctx.child(NEST, depth - 1).await? + 1),
        }
    }
    let engine = TestEngine::builder().workflow(NEST, nest).start().await.unwrap();
    let run = engine.start_workflow(NEST, 100).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 100);
    engine.shutdown().await.unwrap();
}
