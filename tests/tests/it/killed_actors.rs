//! Actors that are killed while their appends wait on a slow store: nothing is written twice,
//! nothing is lost, and nobody notices but by the time it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{JournalStats, StartWorkflowError};
use entracte_testing::{
    SimulatedDisk, SimulatedOptions, TestEngine, Witness, WitnessStore, check_store,
};
use entracte_tests::small::{
    ANY, ENDINGS, NAP, assert_endings, assert_replayable, small_workflows, start, start_all,
};
use entracte_tests::steps::THREE_STEPS;
use ractor::ActorCell;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// A slow disk, a watched store on it, and who watches.
fn slow_store(seed: u64) -> (SimulatedDisk, Arc<WitnessStore>, Witness) {
    let delay_max = Duration::from_millis(40);
    let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
    let witness = Witness::new();
    let store = witness.watch(disk.reopen()).unwrap();
    (disk, store, witness)
}

/// The actors under a run, in the order in which they were made.
fn children(run: &ActorCell) -> Vec<ActorCell> {
    let mut children = run.get_children();
    children.sort_unstable_by_key(|child| child.get_id().pid());
    children
}

/// Kills runs, attempts and timers, now in quick succession, now minutes apart; holds the disk
/// up from time to time.
async fn kill_at_random(engine: &Engine, disk: &SimulatedDisk, random: &mut ChaCha8Rng) {
    for _ in 0..300 {
        let pause_ms = if random.random_ratio(1, 30) { 300_000 } else { 30 };
        sleep(Duration::from_millis(random.random_range(0..pause_ms))).await;
        if random.random_ratio(1, 20) {
            disk.hold();
        } else if random.random_ratio(1, 5) {
            disk.release();
        }
        let runs = engine.run_actors().await.unwrap();
        let Some((_, run)) = runs.choose(random) else { continue };
        let children = children(run);
        match children.choose(random) {
            Some(child) if random.random() => child.kill(),
            _ => run.kill(),
        }
    }
    disk.release();
}

/// Lets all small workflows run while actors are killed at random; gives what the journal did.
async fn outlive_killings(seed: u64) -> JournalStats {
    let (disk, store, witness) = slow_store(seed);
    let engine = small_workflows(TestEngine::on_store(store.clone()))
        .replay_every_event(seed.is_multiple_of(2))
        // Appends of killed actors wait for longer where commits take few.
        .commit_appends_max(if seed.is_multiple_of(3) { 1 } else { 4_096 })
        .start()
        .await
        .unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let prefixes = ["a-", "b-", "c-"];
    let starting = async {
        for prefix in prefixes {
            start_all(&engine, prefix).await.unwrap();
        }
    };
    tokio::join!(starting, kill_at_random(&engine, &disk, &mut random));
    for prefix in prefixes {
        for (name, _) in ENDINGS {
            let run = engine.workflow_handle(ANY, format!("{prefix}{name}")).await.unwrap();
            let _ = run.result().await;
        }
    }
    let stats = engine.journal_stats();
    let runs = check_store(&*store).unwrap();
    assert_eq!(runs.len(), prefixes.len() * ENDINGS.len());
    prefixes.iter().for_each(|prefix| assert_endings(&runs, prefix));
    assert_replayable(&runs);
    assert_eq!(witness.violations(), [], "seed {seed}");
    assert_eq!(stats.events, witness.events() as u64, "seed {seed}");
    engine.shutdown().await.unwrap();
    stats
}

#[tokio::test(start_paused = true)]
async fn random_killings_change_no_outcome_and_no_event_is_written_twice() {
    let mut refused = 0;
    for seed in 0..12 {
        let stats = outlive_killings(seed).await;
        println!("seed {seed}: {stats:?}");
        refused += stats.appends_refused;
    }
    // Otherwise nobody was killed while an append of theirs waited.
    assert!(refused > 0);
}

const GATED: Activity<(), u32> =
    Activity::new("gated").start_to_close_timeout(Duration::from_secs(3_600));
const THROUGH: Workflow<(), u32> = Workflow::new("through");

async fn through(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(GATED, ()).await
}

/// An activity that waits at a gate, counts who passes, and gives the number.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    passed: Arc<AtomicU32>,
}

impl Gate {
    async fn engine(&self, store: Arc<WitnessStore>) -> Engine {
        let gate = self.clone();
        small_workflows(TestEngine::on_store(store))
            .workflow(THROUGH, through)
            .activity(GATED, move |_: ActivityContext, ()| {
                let gate = gate.clone();
                async move {
                    gate.open.acquire().await?.forget();
                    Ok(gate.passed.fetch_add(1, Ordering::SeqCst) + 1)
                }
            })
            .start()
            .await
            .unwrap()
    }
}

/// A run whose activity waits at a gate, on a disk whose commits wait from now on.
async fn run_at_the_gate() -> (Gate, Engine, WorkflowHandle<u32>, SimulatedDisk, Witness) {
    let (disk, store, witness) = slow_store(1);
    let gate = Gate { open: Arc::new(Semaphore::new(0)), passed: Arc::default() };
    let engine = gate.engine(store).await;
    let run = start(&engine, THROUGH, (), "through").await.unwrap();
    // The attempt is under way when its run has been told that its start is durable.
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    (gate, engine, run, disk, witness)
}

/// Kills a run's actor and gives the directory time to open the run again.
async fn kill_run(engine: &Engine, run: &WorkflowHandle<u32>) {
    let runs = engine.run_actors().await.unwrap();
    let (_, actor) = runs.iter().find(|(run_id, _)| *run_id == run.run_id()).unwrap();
    actor.kill();
    sleep(Duration::from_secs(1)).await;
    let runs = engine.run_actors().await.unwrap();
    let (_, successor) = runs.iter().find(|(run_id, _)| *run_id == run.run_id()).unwrap();
    assert_ne!(successor.get_id(), actor.get_id());
}

#[tokio::test(start_paused = true)]
async fn an_append_of_a_killed_run_that_waits_behind_a_commit_is_refused() {
    let (gate, engine, run, disk, witness) = run_at_the_gate().await;
    // A commit is on its way, and takes as long as the disk is held.
    let other = tokio::spawn({
        let engine = engine.clone();
        async move { start(&engine, NAP, 1, "other").await }
    });
    sleep(Duration::from_secs(1)).await;
    // The activity ends; the append that says so waits behind that commit.
    gate.open.add_permits(2);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(gate.passed.load(Ordering::SeqCst), 1);
    kill_run(&engine, &run).await;
    assert_eq!(engine.journal_stats().appends_refused, 0);
    disk.release();
    // The old append is refused; its attempt counts as lost, and there is another one.
    assert_eq!(run.result().await.unwrap(), 2);
    assert_eq!(engine.journal_stats().appends_refused, 1);
    assert_eq!(other.await.unwrap().unwrap().result().await.unwrap(), 3);
    assert_eq!(witness.violations(), []);
}

#[tokio::test(start_paused = true)]
async fn an_append_of_a_killed_run_that_is_on_its_way_lands_and_is_gone_on_from() {
    let (gate, engine, run, disk, witness) = run_at_the_gate().await;
    gate.open.add_permits(2);
    sleep(Duration::from_secs(1)).await;
    kill_run(&engine, &run).await;
    disk.release();
    assert_eq!(run.result().await.unwrap(), 1);
    assert_eq!(gate.passed.load(Ordering::SeqCst), 1);
    assert_eq!(engine.journal_stats().appends_refused, 0);
    assert_eq!(witness.violations(), []);
}

#[tokio::test(start_paused = true)]
async fn a_start_of_a_killed_run_is_refused_however_long_it_waits() {
    let (disk, store, witness) = slow_store(1);
    let builder = small_workflows(TestEngine::on_store(store.clone())).commit_appends_max(1);
    let engine = builder.start().await.unwrap();
    disk.hold();
    // One commit is on its way, and others wait before that of the last start.
    let mut starts = Vec::new();
    for id in ["one", "two", "three", "last"] {
        let engine = engine.clone();
        starts.push(tokio::spawn(async move { start(&engine, THREE_STEPS, 1, id).await }));
        sleep(Duration::from_millis(10)).await;
    }
    // Nobody waits for it any more, and nobody will ask for it again.
    starts.pop().unwrap().abort();
    let runs = engine.run_actors().await.unwrap();
    runs.last().unwrap().1.kill();
    sleep(Duration::from_secs(1)).await;
    disk.release();
    for run in starts {
        assert_eq!(run.await.unwrap().unwrap().result().await.unwrap(), 4);
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.journal_stats().appends_refused, 1);
    // Otherwise it would be a run that no actor of this engine knows of.
    assert_eq!(check_store(&*store).unwrap().len(), 3);
    assert_eq!(witness.violations(), []);
}

#[tokio::test(start_paused = true)]
async fn a_workflow_id_is_claimed_once_though_its_first_run_seems_to_be_lost() {
    let (disk, store, witness) = slow_store(1);
    let engine = small_workflows(TestEngine::on_store(store.clone())).start().await.unwrap();
    disk.hold();
    let asker = engine.clone();
    let asked = tokio::spawn(async move { start(&asker, THREE_STEPS, 10, "one").await });
    sleep(Duration::from_millis(100)).await;
    let first = engine.run_actors().await.unwrap()[0].0;
    // The run is not in the store yet, and it is lost so often that it is opened again only
    // after a while. Its client asks again at once, and that makes another run.
    while engine.run_actors().await.unwrap().iter().all(|(run_id, _)| *run_id == first) {
        engine.run_actors().await.unwrap().iter().for_each(|(_, run)| run.kill());
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_secs(1)).await;
    disk.release();
    // The first run lands, so the other one's claim of the workflow id is refused.
    let run = asked.await.unwrap().unwrap();
    assert_eq!(run.run_id(), first);
    assert_eq!(engine.journal_stats().appends_refused, 1);
    assert_eq!(run.result().await.unwrap(), 13);
    assert_eq!(check_store(&*store).unwrap().len(), 1);
    assert_eq!(witness.violations(), []);
}

/// Kills all runs again and again, for the most part while their first commit is held.
async fn kill_all(engine: &Engine, disk: &SimulatedDisk, random: &mut ChaCha8Rng) {
    disk.hold();
    for kill in 0..60 {
        if kill == 40 {
            disk.release();
        }
        sleep(Duration::from_millis(random.random_range(0..20))).await;
        for (_, run) in engine.run_actors().await.unwrap() {
            run.kill();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wid_1_a_thousand_concurrent_starts_give_one_run_though_runs_are_killed() {
    for seed in 0..4 {
        let (disk, store, witness) = slow_store(seed);
        let engine = small_workflows(TestEngine::on_store(store.clone()))
            .commit_appends_max(if seed.is_multiple_of(2) { 1 } else { 4_096 })
            .start()
            .await
            .unwrap();
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let engine = engine.clone();
            starts.spawn(async move {
                engine
                    .start_workflow(THREE_STEPS, 39)
                    .workflow_id("the-one")
                    .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
                    .await
            });
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (answers, ()) = tokio::join!(starts.join_all(), kill_all(&engine, &disk, &mut random));
        let mut started = Vec::new();
        for answer in answers {
            match answer {
                Ok(run) => started.push(run),
                Err(StartWorkflowError::AlreadyStarted { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(started.len(), 1, "seed {seed}");
        assert_eq!(started[0].result().await.unwrap(), 42);
        let runs = check_store(&*store).unwrap();
        assert_eq!(runs.len(), 1, "seed {seed}");
        assert_replayable(&runs);
        assert_eq!(witness.violations(), [], "seed {seed}");
    }
}
