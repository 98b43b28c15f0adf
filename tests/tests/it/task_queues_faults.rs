//! Task queues under faults: crashes at every commit, killed actors, shutdowns, and code that
//! does not end.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{PendingActivityState, TaskQueueDescription};
use entracte_testing::crash::CrashTest;
use entracte_testing::{
    Outcome, SimulatedDisk, SimulatedOptions, TestEngine, Witness, check_store,
};
use entracte_tests::queues::{CHORE, DO_ALL, DO_ONE, Floor, JOB, Job};
use ractor::{ActorCell, ActorId};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

const NARROW: &str = "narrow";

fn narrow(slots: usize) -> TaskQueueOptions {
    TaskQueueOptions::new().slots(slots)
}

fn queue(engine: &Engine, name: &str) -> TaskQueueDescription {
    engine.task_queues().into_iter().find(|queue| queue.name == name).unwrap()
}

fn assert_idle(engine: &Engine) {
    for queue in engine.task_queues() {
        let held = queue.fairness_keys_held;
        assert_eq!((queue.slots_in_use, queue.waiting_total(), held), (0, 0, 0), "{queue:?}");
    }
}

/// Plays a full queue under all faults; every attempt that is one too many, or is run twice,
/// fails the test.
fn survives(options: TaskQueueOptions, durability: Durability, replay: bool) {
    let slots = options.slots;
    // Each engine has a floor of its own: a crash ends what ran on the one before.
    let floors = Arc::new(std::sync::Mutex::new(Vec::new()));
    let set_up = |engine| {
        let floor = Floor::default();
        floors.lock().unwrap().push(floor.clone());
        floor
            .register(engine)
            .task_queue(NARROW, options.clone())
            .activity_concurrency_max(CHORE, 1)
            .durability(durability)
            .replay_every_event(replay)
    };
    let report = CrashTest::new(set_up, async |engine| {
        let jobs = (0..5).map(|number| Job {
            failures: u32::from(number == 2),
            is_chore: number >= 3,
            ..Job::new(format!("job-{number}"), NARROW, 3)
        });
        let request = engine.start_workflow(DO_ALL, jobs.collect()).workflow_id("all");
        request.request_id("all").await?;
        for (name, priority) in [("low", Priority::Low), ("high", Priority::High)] {
            let job = Job::new(name, NARROW, 2);
            let request = engine.start_workflow(DO_ONE, job).workflow_id(name).request_id(name);
            request.priority(priority).await?;
        }
        Ok(())
    })
    .run()
    .unwrap_or_else(|failure| panic!("{durability}, replay {replay}: {failure}"));
    println!("{} plays, {} faults", report.plays, report.faults);
    let mut outcomes = report.outcomes.values().flatten();
    assert!(outcomes.all(|it| matches!(it, Outcome::Completed(_))), "{:?}", report.outcomes);
    assert_eq!(report.outcomes.len(), 3);
    let mut attempts = BTreeSet::new();
    for floor in floors.lock().unwrap().iter() {
        assert!(floor.most(NARROW) <= slots, "{} of {slots}", floor.most(NARROW));
        assert!(floor.most("chore") <= 1);
        assert_eq!(floor.doubled(), []);
        // With commits that outlive a crash, no attempt is run again after one.
        if durability == Durability::Sync {
            for attempt in floor.attempts() {
                assert!(attempts.insert(attempt.clone()), "{attempt:?} was run twice");
            }
        }
    }
    assert!(attempts.len() > 7 || durability != Durability::Sync);
}

#[test]
fn a_full_queue_survives_a_crash_at_every_commit() {
    survives(narrow(1), Durability::Sync, true);
    survives(narrow(2), Durability::Sync, false);
    survives(narrow(2), Durability::Interval(Duration::from_secs(1)), true);
}

#[test]
fn a_queue_with_a_rate_survives_a_crash_at_every_commit() {
    survives(narrow(2).rate_per_second(0.5), Durability::Sync, true);
}

#[test]
fn a_queue_with_rates_of_its_keys_survives_a_crash_at_every_commit() {
    survives(narrow(2).fairness_key_rate_per_second(0.5), Durability::Sync, true);
}

/// The actors under the root that were not there when the engine started, and are not runs.
async fn queue_actors(engine: &Engine, organs: &BTreeSet<ActorId>) -> Vec<ActorCell> {
    let runs = engine.run_actors().await.unwrap();
    let runs: BTreeSet<_> = runs.iter().map(|(_, run)| run.get_id()).collect();
    let others = engine.actor().get_children().into_iter();
    others.filter(|it| !organs.contains(&it.get_id()) && !runs.contains(&it.get_id())).collect()
}

/// Kills runs, attempts and the queues' actors, and ends some runs on the way.
async fn kill_at_random(engine: &Engine, organs: &BTreeSet<ActorId>, random: &mut ChaCha8Rng) {
    for _ in 0..400 {
        sleep(Duration::from_millis(random.random_range(0..200))).await;
        if random.random_ratio(1, 3) {
            if let Some(queue) = queue_actors(engine, organs).await.choose(random) {
                queue.kill();
            }
            continue;
        }
        let runs = engine.run_actors().await.unwrap();
        let Some((_, run)) = runs.choose(random) else { continue };
        let mut children = run.get_children();
        children.sort_unstable_by_key(|child| child.get_id().pid());
        match children.choose(random) {
            Some(child) if random.random() => child.kill(),
            _ => run.kill(),
        }
    }
}

/// Lets many runs pass through two queues while actors are killed.
async fn outlive_killings(seed: u64) -> Floor {
    let delay_max = Duration::from_millis(40);
    let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
    let witness = Witness::new();
    let store = witness.watch(disk.reopen()).unwrap();
    let floor = Floor::default();
    let engine = floor
        .register(TestEngine::on_store(store.clone()))
        .replay_every_event(false)
        .task_queue(NARROW, narrow(3))
        .task_queue("rated", narrow(5).rate_per_second(20.0).fairness_key_rate_per_second(6.0))
        .activity_concurrency_max(CHORE, 2)
        .start()
        .await
        .unwrap();
    let organs = engine.actor().get_children().iter().map(ActorCell::get_id).collect();
    let mut runs = Vec::new();
    for number in 0..60_u64 {
        let queue = if number.is_multiple_of(2) { NARROW } else { "rated" };
        // Some activities name their queue, the others take their run's.
        let task_queue = (!number.is_multiple_of(3)).then(|| queue.to_owned());
        let job = |step: u64| Job {
            task_queue: task_queue.clone(),
            is_chore: (number + step).is_multiple_of(3),
            failures: u32::from(number == 7),
            fairness_key: Some(format!("tenant-{}", number % 4)),
            ..Job::new("job", queue, step % 3)
        };
        let run = engine.start_workflow(DO_ALL, (0..5).map(job).collect()).task_queue(queue);
        runs.push(run.workflow_id(number.to_string()).await.unwrap());
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    kill_at_random(&engine, &organs, &mut random).await;
    for (number, run) in runs.iter().enumerate() {
        match number % 10 {
            3 => run.cancel("not wanted").await.unwrap(),
            4 => drop(run.terminate("not wanted").await),
            _ => {}
        }
    }
    for (number, run) in runs.iter().enumerate() {
        let result = run.result().await;
        assert!(result.is_ok() || [3, 4].contains(&(number % 10)), "{result:?}");
    }
    sleep(Duration::from_secs(60)).await;
    assert_idle(&engine);
    assert!(floor.most(NARROW) <= 3 && floor.most("rated") <= 5 && floor.most("chore") <= 2);
    assert_eq!(floor.doubled(), []);
    assert_eq!(witness.violations(), [], "seed {seed}");
    assert_eq!(check_store(&*store).unwrap().len(), 60);
    engine.shutdown().await.unwrap();
    floor
}

#[tokio::test(start_paused = true)]
async fn random_killings_leak_no_slot_and_lose_no_attempt() {
    for seed in 0..6 {
        let floor = outlive_killings(seed).await;
        println!("seed {seed}: {} attempts", floor.begun().len());
        // Otherwise nobody was killed in the middle of something.
        assert!(floor.begun().len() > 300);
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_actor_of_a_queue_is_made_again_and_knows_what_its_rates_allow() {
    survives_killings_of_its_actor(TaskQueueOptions::new().rate_per_second(0.1)).await;
    survives_killings_of_its_actor(TaskQueueOptions::new().fairness_key_rate_per_second(0.1)).await;
}

async fn survives_killings_of_its_actor(options: TaskQueueOptions) {
    let floor = Floor::default();
    let engine =
        floor.register(TestEngine::builder()).task_queue("rated", options).start().await.unwrap();
    let organs = engine.actor().get_children().iter().map(ActorCell::get_id).collect();
    let jobs = (0..4).map(|number| Job::new(format!("job-{number}"), "rated", 0)).collect();
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    for killed in 0..3 {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(floor.begun().len(), killed + 1);
        let actors = queue_actors(&engine, &organs).await;
        assert_eq!(actors.len(), 1);
        actors[0].kill();
        sleep(Duration::from_secs(5)).await;
    }
    run.result().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wrk_2_attempts_in_a_queue_wait_for_the_next_engine_and_do_not_count_as_lost() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let floor = Floor::default();
    let build = |floor: &Floor| {
        let engine = floor.register(TestEngine::on_store(disk.reopen()));
        engine.task_queue(NARROW, narrow(1)).shutdown_grace(Duration::from_secs(100))
    };
    let first = build(&floor).start().await.unwrap();
    let jobs = (0..4).map(|number| Job::new(format!("job-{number}"), NARROW, 30)).collect();
    first.start_workflow(DO_ALL, jobs).workflow_id("all").await.unwrap();
    let job = Job::new("one", NARROW, 30);
    first.start_workflow(DO_ONE, job).workflow_id("one").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    // The one that runs ends in the grace; its slot is given to nobody.
    first.shutdown().await.unwrap();
    assert_eq!(floor.begun(), ["job-0"]);

    let second = build(&floor).start().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let run = second.workflow_handle(DO_ALL, "all").await.unwrap();
    for pending in run.describe().await.unwrap().pending_activities {
        assert_eq!((pending.attempt, pending.last_failure), (1, None));
    }
    run.result().await.unwrap();
    second.workflow_handle(DO_ONE, "one").await.unwrap().result().await.unwrap();
    // In the order in which they were due, not in that of the opening.
    assert_eq!(floor.begun(), ["job-0", "job-1", "job-2", "job-3", "one"]);
    assert_eq!((floor.most(NARROW), floor.doubled()), (1, vec![]));
    second.shutdown().await.unwrap();
}

/// In real time, because a paused clock stands still while such code runs.
#[tokio::test]
async fn the_slot_of_a_blocking_attempt_is_free_when_its_code_has_returned() {
    let (begun, begins) = mpsc::channel();
    let (let_go, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let engine = Floor::default()
        .register(TestEngine::builder())
        .task_queue(NARROW, narrow(1))
        .blocking_activity(JOB, move |ctx: ActivityContext, job: Job| {
            begun.send((job.name.clone(), ctx.attempt())).unwrap();
            if job.name == "deaf" {
                held.lock().unwrap().recv().unwrap();
            }
            Ok(job.name)
        })
        .start()
        .await
        .unwrap();
    let deaf = engine.start_workflow(DO_ONE, Job::new("deaf", NARROW, 0)).await.unwrap();
    let begins = Arc::new(std::sync::Mutex::new(begins));
    let next = || {
        let begins = Arc::clone(&begins);
        tokio::task::spawn_blocking(move || begins.lock().unwrap().recv().unwrap())
    };
    assert_eq!(next().await.unwrap(), ("deaf".to_owned(), 1));
    let other = engine.start_workflow(DO_ONE, Job::new("other", NARROW, 0)).await.unwrap();
    deaf.terminate("does not end").await.unwrap();
    deaf.result().await.unwrap_err();
    // Its run is closed, and its code still runs.
    while engine.overrunning_attempts().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue(&engine, NARROW).slots_in_use, 1);
    let pending = other.describe().await.unwrap().pending_activities.remove(0);
    assert_eq!(pending.state, PendingActivityState::Queued);
    let_go.send(()).unwrap();
    assert_eq!(other.result().await.unwrap(), "other");
    assert_eq!(next().await.unwrap(), ("other".to_owned(), 1));
}
