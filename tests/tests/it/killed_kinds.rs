//! Actors of every kind that are killed from outside, at random and under load: another one takes
//! the place of each, and nobody notices but by the time it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActorKind, ActorTree, actor};
use entracte_testing::{
    SimulatedDisk, SimulatedOptions, TestEngine, Witness, WitnessStore, check_store,
};
use entracte_tests::queues::{DO_ALL, Floor, Job};
use entracte_tests::small::{
    ANY, ENDINGS, WORK, Work, assert_endings, assert_replayable, small_workflows, start, start_all,
};
use entracte_tests::steps::ADD_ONE;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

const TOP: Workflow<String, u64> = Workflow::new("top");
const MIDDLE: Workflow<String, u64> = Workflow::new("middle");
const BOTTOM: Workflow<u64, u64> = Workflow::new("bottom");

/// How many children the middle one of a family has.
const CHILDREN: u64 = 3;

async fn top(ctx: WorkflowContext, name: String) -> WorkflowResult<u64> {
    let middle = ctx.child(MIDDLE, name.clone()).workflow_id(format!("{name}-middle"));
    let sum = middle.await?;
    ctx.activity(ADD_ONE, sum).await
}

/// Leaves its children to themselves, and works beside them.
async fn middle(ctx: WorkflowContext, name: String) -> WorkflowResult<u64> {
    for number in 0..CHILDREN {
        let child = ctx.child(BOTTOM, number).workflow_id(format!("{name}-{number}"));
        child.parent_close_policy(ParentClosePolicy::Abandon).start().await?;
    }
    let work = (0..3).map(|result| ctx.activity(WORK, Work { seconds: 20, result }));
    let sum = try_join_all(work).await?.into_iter().sum();
    ctx.sleep(Duration::from_secs(5)).await;
    Ok(sum)
}

/// Is at work for longer than its parent lives.
async fn bottom(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let number = ctx.activity(WORK, Work { seconds: 40, result: number }).await?;
    ctx.sleep(Duration::from_secs(20)).await;
    ctx.activity(ADD_ONE, number).await
}

const NARROW: &str = "narrow";

/// An engine with everything: small workflows, families, and a queue that is too narrow.
async fn engine(seed: u64, store: Arc<WitnessStore>) -> Engine {
    Floor::default()
        .register(small_workflows(TestEngine::on_store(store)))
        .workflow(TOP, top)
        .workflow(MIDDLE, middle)
        .workflow(BOTTOM, bottom)
        .task_queue(NARROW, TaskQueueOptions::new().slots(2))
        .replay_every_event(seed.is_multiple_of(2))
        .commit_appends_max(if seed.is_multiple_of(3) { 2 } else { 4_096 })
        .start()
        .await
        .unwrap()
}

fn disk(seed: u64) -> SimulatedDisk {
    let delay_max = Duration::from_millis(40);
    SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() })
}

/// The kinds that may be killed, by name, and whether a node is of one.
const MORTAL: [&str; 5] = ["run", "attempt", "timer", "task queue", "journal"];

/// Kills one actor of each kind in turn, or of several at once; counts them.
async fn kill_every_kind(
    engine: &Engine,
    disk: &SimulatedDisk,
    random: &mut ChaCha8Rng,
) -> BTreeMap<&'static str, u32> {
    let mut killed = BTreeMap::new();
    for _ in 0..400 {
        sleep(Duration::from_millis(random.random_range(0..400))).await;
        if random.random_ratio(1, 20) {
            disk.hold();
        } else if random.random_ratio(1, 4) {
            disk.release();
        }
        let tree = engine.tree().await.unwrap();
        for _ in 0..random.random_range(1..3) {
            let kind = *MORTAL.choose(random).unwrap();
            let of_kind: Vec<_> =
                tree.nodes.iter().filter(|node| node.kind.name() == kind).collect();
            if let Some(node) = of_kind.choose(random) {
                actor::cell(node).kill();
                *killed.entry(kind).or_default() += 1;
            }
        }
    }
    disk.release();
    killed
}

async fn start_families(engine: &Engine, prefix: &str, families: u64) {
    for family in 0..families {
        let name = format!("{prefix}{family}");
        start(engine, TOP, name.clone(), &name).await.unwrap();
    }
}

async fn assert_families(engine: &Engine, prefix: &str, families: u64) {
    for family in 0..families {
        let name = format!("{prefix}{family}");
        let run = engine.workflow_handle(TOP, &name).await.unwrap();
        assert_eq!(run.result().await.unwrap(), 4, "{name}");
        for number in 0..CHILDREN {
            let child = engine.workflow_handle(BOTTOM, format!("{name}-{number}")).await.unwrap();
            assert_eq!(child.result().await.unwrap(), number + 1, "{name}-{number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn actors_of_every_kind_are_killed_at_random_and_every_outcome_is_right() {
    let mut all = BTreeMap::new();
    for seed in 0..10 {
        let (disk, witness) = (disk(seed), Witness::new());
        let store = witness.watch(disk.reopen()).unwrap();
        let engine = engine(seed, store.clone()).await;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let starting = async {
            start_all(&engine, "a-").await.unwrap();
            start_families(&engine, "family-", 3).await;
            let jobs = (0..20).map(|number| Job::new(format!("job-{number}"), NARROW, 5));
            start(&engine, DO_ALL, jobs.collect(), "jobs").await.unwrap();
        };
        let ((), killed) = tokio::join!(starting, kill_every_kind(&engine, &disk, &mut random));
        println!("seed {seed}: killed {killed:?}");
        for (kind, count) in killed {
            *all.entry(kind).or_insert(0) += count;
        }
        for (name, _) in ENDINGS {
            let run = engine.workflow_handle(ANY, format!("a-{name}")).await.unwrap();
            let _ = run.result().await;
        }
        assert_families(&engine, "family-", 3).await;
        let jobs = engine.workflow_handle(DO_ALL, "jobs").await.unwrap();
        assert_eq!(jobs.result().await.unwrap().len(), 20, "seed {seed}");
        let mut runs = check_store(&*store).unwrap();
        // One run of each id: the small ones, the families, and the jobs.
        assert_eq!(runs.len(), ENDINGS.len() + 3 * 5 + 1, "seed {seed}");
        assert_endings(&runs, "a-");
        runs.retain(|run| run.row.workflow_id.as_str().starts_with("a-"));
        assert_replayable(&runs);
        assert_eq!(witness.violations(), [], "seed {seed}");
        assert_eq!(engine.journal_stats().events, witness.events() as u64, "seed {seed}");
        for queue in engine.task_queues() {
            assert_eq!((queue.slots_in_use, queue.waiting_total()), (0, 0), "seed {seed}");
        }
        engine.shutdown().await.unwrap();
    }
    for kind in MORTAL {
        assert!(all.get(kind).is_some_and(|count| *count > 20), "{kind}: {all:?}");
    }
}

/// The runs in the middle of their families, at a moment.
fn middles(tree: &ActorTree) -> Vec<&entracte::ActorNode> {
    let is_middle = |node: &&entracte::ActorNode| matches!(&node.kind, ActorKind::Run { workflow_type, .. } if workflow_type == "middle");
    tree.nodes.iter().filter(is_middle).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_in_the_middle_are_killed_under_load_and_what_is_below_them_goes_on() {
    let mut killed_above_others = 0;
    for seed in 0..6 {
        let (disk, witness) = (disk(seed), Witness::new());
        let store = witness.watch(disk.reopen()).unwrap();
        let engine = engine(seed, store.clone()).await;
        start_families(&engine, "family-", 12).await;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..40 {
            sleep(Duration::from_millis(random.random_range(0..1_500))).await;
            let tree = engine.tree().await.unwrap();
            if let Some(node) = middles(&tree).choose(&mut random) {
                let ActorKind::Run { run_id, .. } = node.kind else { continue };
                let place = tree.find_run(run_id).unwrap();
                killed_above_others += usize::from(tree.children(place).count() > 3);
                actor::cell(node).kill();
            }
        }
        assert_families(&engine, "family-", 12).await;
        assert_eq!(check_store(&*store).unwrap().len(), 12 * 5, "seed {seed}");
        assert_eq!(witness.violations(), [], "seed {seed}");
        engine.shutdown().await.unwrap();
    }
    // Otherwise nothing was below those that were killed.
    println!("{killed_above_others} were killed with children and attempts below them");
    assert!(killed_above_others > 100);
}
