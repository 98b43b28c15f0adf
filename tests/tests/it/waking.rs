//! Waking one run of a tree replays one run.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte_testing::TestEngine;
use tokio::time::sleep;

/// Starts as many children of the next level as are listed first, and waits for them.
const NODE: Workflow<Vec<u64>, u64> = Workflow::new("node");
const POKE: Signal<()> = Signal::new("poke");
const END: Signal<()> = Signal::new("end");
const POKES: Query<u64> = Query::new("pokes");

async fn node(ctx: WorkflowContext, levels: Vec<u64>) -> WorkflowResult<u64> {
    if let Some((first, rest)) = levels.split_first() {
        let child = |number| {
            let id = format!("{}.{number}", ctx.workflow_id());
            ctx.child(NODE, rest.to_vec()).workflow_id(id).into_future()
        };
        let results = join_all((0..*first).map(child)).await;
        return results.into_iter().try_fold(1, |sum, nodes| Ok(sum + nodes?));
    }
    let (mut pokes, mut end) = (ctx.signals(POKE), ctx.signals(END));
    for count in 1.. {
        select! {
            () = pokes.recv() => ctx.publish(POKES, count),
            () = end.recv() => break,
        }
    }
    Ok(1)
}

async fn engine(store: &Arc<dyn Store>) -> Engine {
    let engine = TestEngine::on_store(Arc::clone(store)).replay_every_event(false);
    engine.workflow(NODE, node).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn waking_one_run_of_a_tree_replays_that_run_alone() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store).await;
    // A root, its children and their children: 191 runs.
    first.start_workflow(NODE, vec![10, 18]).workflow_id("root").await.unwrap();
    while first.run_actors().await.unwrap().len() < 1 + 10 + 180 {
        sleep(Duration::from_millis(1)).await;
    }
    // What they tell their parents is through.
    sleep(Duration::from_secs(1)).await;
    drop(first);

    let second = engine(&store).await;
    sleep(Duration::from_secs(1)).await;
    let counts = async || {
        let open = second.run_actors().await.unwrap().len();
        (open, second.journal_stats().replays)
    };
    // All of them wait for signals and children, and none is in memory.
    assert_eq!(counts().await, (0, 0));
    let leaf = second.workflow_handle(NODE, "root.4.7").await.unwrap();
    leaf.signal(POKE, ()).await.unwrap();
    assert_eq!(leaf.query(POKES).await.unwrap(), 1);
    assert_eq!(counts().await, (1, 1));
    leaf.signal(POKE, ()).await.unwrap();
    assert_eq!(counts().await, (1, 1));
    // Its end wakes its parent, and nobody else.
    leaf.signal(END, ()).await.unwrap();
    assert_eq!(leaf.result().await.unwrap(), 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(counts().await, (1, 2));
    let parent = second.workflow_handle(NODE, "root.4").await.unwrap();
    assert_eq!(parent.describe().await.unwrap().pending_children.len(), 17);
    assert_eq!(counts().await, (1, 2));
}
