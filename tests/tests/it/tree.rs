//! The live tree of an engine's actors: who is there, under whom, and how they stand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActorKind, ActorTree, EngineState, RunActorState, actor};
use entracte_testing::{SimulatedDisk, TestEngine};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use tokio::time::sleep;

const WAIT: Activity<(), ()> =
    Activity::new("wait").start_to_close_timeout(Duration::from_secs(86_400)).task_queue("narrow");
const GLANCE: Activity<(), ()> =
    Activity::new("glance").schedule_to_close_timeout(Duration::from_secs(86_400));
const PARENT: Workflow<u32, ()> = Workflow::new("parent");
const CHILD: Workflow<u32, ()> = Workflow::new("child");

/// Waits for an attempt, a local attempt and a timer, and for a child that does the same.
async fn nested(ctx: WorkflowContext, depth: u32) -> WorkflowResult<()> {
    let child = async {
        if depth > 0 {
            ctx.child(CHILD, depth - 1).workflow_id(format!("child-{depth}")).await?;
        }
        Ok(())
    };
    let nap = ctx.sleep(Duration::from_secs(3_600));
    let (waited, glanced, (), ended) =
        join!(ctx.activity(WAIT, ()), ctx.local_activity(GLANCE, ()), nap, child);
    waited.and(glanced).and(ended)
}

/// An engine on whose activities a gate is closed.
async fn engine(gate: &Arc<Semaphore>) -> Engine {
    let pass = |gate: Arc<Semaphore>| {
        move |_: ActivityContext, ()| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                Ok(())
            }
        }
    };
    TestEngine::builder()
        .workflow(PARENT, nested)
        .workflow(CHILD, nested)
        .activity(WAIT, pass(Arc::clone(gate)))
        .activity(GLANCE, pass(Arc::clone(gate)))
        .task_queue("narrow", TaskQueueOptions::new().slots(2))
        .start()
        .await
        .unwrap()
}

/// The drawing, with each run's id replaced by its workflow's.
fn drawing(tree: &ActorTree) -> String {
    let mut text = tree.to_string();
    for node in &tree.nodes {
        if let ActorKind::Run { run_id, .. } = &node.kind {
            text = text.replace(&format!(", {run_id}"), "");
        }
    }
    text
}

#[tokio::test(start_paused = true)]
async fn the_tree_shows_every_actor_once_under_the_one_above_it_and_in_order() {
    let gate = Arc::new(Semaphore::new(0));
    let engine = engine(&gate).await;
    let started = engine.tree().await.unwrap();
    let kinds: Vec<_> = started.nodes.iter().map(|node| node.kind.name()).collect();
    assert_eq!(kinds, ["engine", "journal", "directory"]);

    let run = engine.start_workflow(PARENT, 2).workflow_id("parent").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let tree = engine.tree().await.unwrap();
    // The queue has two slots, and three runs ask for one. Nobody has to grant any yet.
    assert_eq!(
        drawing(&tree),
        "\
engine running, for 1m
├─ journal, for 1m
├─ directory, for 1m
└─ run parent (parent) running, for 1m
   ├─ attempt wait #1 (activity 2), for 1m
   ├─ attempt local glance #1 (activity 3), for 1m
   ├─ timer 1, for 1m, due in 59m
   └─ run child-2 (child) running, for 1m
      ├─ attempt wait #1 (activity 2), for 1m
      ├─ attempt local glance #1 (activity 3), for 1m
      ├─ timer 1, for 1m, due in 59m
      └─ run child-1 (child) running, for 1m
         ├─ attempt local glance #1 (activity 3), for 1m
         └─ timer 1, for 1m, due in 59m"
    );
    let again = engine.tree().await.unwrap();
    assert_eq!(drawing(&again), drawing(&tree));
    let place = tree.find_run(run.run_id()).unwrap();
    assert_eq!(tree.children(place).count(), 4);
    assert_links(&tree);

    gate.add_permits(8);
    run.result().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let over = engine.tree().await.unwrap();
    let kinds: Vec<_> = over.nodes.iter().map(|node| node.kind.name()).collect();
    assert_eq!(kinds, ["engine", "journal", "directory", "task queue"]);
    engine.shutdown().await.unwrap();
    engine.tree().await.unwrap_err();
}

/// Checks that the tree is that of ractor's links.
pub(crate) fn assert_links(tree: &ActorTree) {
    for (place, node) in tree.nodes.iter().enumerate() {
        let cell = actor::cell(node);
        let above = cell.try_get_supervisor().map(|above| above.get_id());
        let parent = node.parent.map(|parent| actor::cell(&tree.nodes[parent]).get_id());
        assert_eq!(above, parent, "{} in\n{tree}", node.kind);
        let mut linked: Vec<_> = cell.get_children().iter().map(|cell| cell.get_id()).collect();
        let mut listed: Vec<_> =
            tree.children(place).map(|node| actor::cell(node).get_id()).collect();
        linked.sort_unstable();
        listed.sort_unstable();
        assert_eq!(linked, listed, "under {} in\n{tree}", node.kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_moves_to_the_root_when_its_parent_closes_and_killed_actors_are_replaced() {
    const MASTER: Workflow<(), ()> = Workflow::new("master");
    let gate = Arc::new(Semaphore::new(0));
    let pass = Arc::clone(&gate);
    let engine = TestEngine::builder()
        .workflow(MASTER, async |ctx: WorkflowContext, (): ()| {
            let child = ctx.child(CHILD, 0).workflow_id("child");
            let child = child.parent_close_policy(ParentClosePolicy::Abandon).start().await?;
            ctx.sleep(Duration::from_secs(100)).await;
            drop(child);
            Ok(())
        })
        .workflow(CHILD, async |ctx: WorkflowContext, _: u32| ctx.activity(WAIT, ()).await)
        .activity(WAIT, move |_: ActivityContext, ()| {
            let gate = Arc::clone(&pass);
            async move {
                gate.acquire().await?.forget();
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(MASTER, ()).workflow_id("master").await.unwrap();
    sleep(Duration::from_secs(50)).await;
    let tree = engine.tree().await.unwrap();
    let (master, child) = (tree.find_run(run.run_id()).unwrap(), 0);
    assert_eq!(tree.nodes[master].depth, 1);
    assert_eq!(tree.children(master).nth(1).unwrap().kind.id(), "child");
    // The actor of the parent is replaced, and its child and timer stand under the new one.
    actor::cell(&tree.nodes[master]).kill();
    sleep(Duration::from_secs(1)).await;
    let replaced = engine.tree().await.unwrap();
    assert_links(&replaced);
    let again = replaced.find_run(run.run_id()).unwrap();
    assert!(replaced.nodes[again].since > tree.nodes[master].since);
    assert_eq!(replaced.children(again).nth(1).unwrap().kind.id(), "child");
    // The parent has closed: its child stands under the root.
    run.result().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let moved = engine.tree().await.unwrap();
    assert_links(&moved);
    assert!(moved.find_run(run.run_id()).is_none());
    assert_eq!(moved.children(child).last().unwrap().kind.id(), "child");
    gate.add_permits(9);
    let child = engine.workflow_handle(CHILD, "child").await.unwrap();
    child.result().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_tree_tells_parked_runs_and_failed_engines() {
    const CLUMSY: Workflow<(), ()> = Workflow::new("clumsy");
    let disk = SimulatedDisk::new(Default::default());
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(CLUMSY, async |_: WorkflowContext, (): ()| -> WorkflowResult<()> {
            panic!("stumbles on purpose")
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CLUMSY, ()).await.unwrap();
    let tree = engine.tree().await.unwrap();
    let node = &tree.nodes[tree.find_run(run.run_id()).unwrap()];
    let ActorKind::Run { state, workflow_type, .. } = &node.kind else { panic!("{node:?}") };
    assert_eq!((*state, workflow_type.as_str()), (RunActorState::Parked, "clumsy"));

    disk.fail_at_commit(disk.commits() + 1);
    run.cancel("and fails").await.unwrap_err();
    let tree = engine.tree().await.unwrap();
    assert_eq!(tree.nodes[0].kind, ActorKind::Engine { state: EngineState::Failed });
    engine.actor().kill();
    engine.actor().wait(None).await.unwrap();
    engine.tree().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_tree_tells_runs_that_sleep_before_their_first_turn() {
    const FLAKY: Workflow<(), u32> =
        Workflow::new("flaky").retry_policy(RetryPolicy::exponential(Duration::from_secs(60)));
    let engine = TestEngine::builder()
        .workflow(FLAKY, async |ctx: WorkflowContext, ()| match ctx.attempt() {
            1 => Err(Failure::application("Busy", "once more")),
            attempt => {
                ctx.sleep(Duration::from_secs(60)).await;
                Ok(attempt)
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(FLAKY, ()).await.unwrap();
    for expected in [RunActorState::Sleeping, RunActorState::Running] {
        sleep(Duration::from_secs(30)).await;
        let tree = engine.tree().await.unwrap();
        let current = run.describe().await.unwrap().run_id;
        let node = &tree.nodes[tree.find_run(current).unwrap()];
        let ActorKind::Run { state, workflow_type, .. } = &node.kind else { panic!("{node:?}") };
        assert_eq!((*state, workflow_type.as_str()), (expected, "flaky"));
        assert!(node.kind.to_string().ends_with(&expected.to_string()), "{}", node.kind);
        sleep(Duration::from_secs(40)).await;
    }
    assert_eq!(run.result().await.unwrap(), 2);
}

/// In real time and on several threads, because a turn of a workflow holds one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_turn_that_holds_its_thread_does_not_hold_up_the_tree() {
    const DEAF: Workflow<(), ()> = Workflow::new("deaf");
    let (let_go, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let is_in_turn = Arc::new(AtomicBool::new(false));
    let enters = Arc::clone(&is_in_turn);
    let engine = TestEngine::builder()
        .replay_every_event(false)
        .workflow(DEAF, move |_: WorkflowContext, (): ()| {
            let (held, enters) = (Arc::clone(&held), Arc::clone(&enters));
            async move {
                enters.store(true, Ordering::SeqCst);
                // What this thread had to do otherwise is done by another one.
                block_in_place(|| held.lock().unwrap().recv()).unwrap();
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let starter = engine.clone();
    let run = tokio::spawn(async move { starter.start_workflow(DEAF, ()).await.unwrap() });
    while !is_in_turn.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let tree = engine.tree().await.unwrap();
    assert_eq!(tree.nodes.last().unwrap().kind.name(), "run");
    let_go.send(()).unwrap();
    run.await.unwrap().result().await.unwrap();
    engine.shutdown().await.unwrap();
}
