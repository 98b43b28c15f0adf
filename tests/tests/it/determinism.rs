//! The simulation itself: one seed gives the same histories twice, byte by byte.

use std::time::Duration;

use entracte::store::simulated::Traced;
use entracte::{EventAttributes, RunId};
use entracte_testing::crash::one_life;
use entracte_testing::{
    CrashPoint, SimulatedDisk, SimulatedOptions, StoredRun, TestEngine, check_store,
};
use entracte_tests::small::{ANY, ENDINGS, assert_endings, small_workflows, start_all};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

/// What a simulation leaves behind: the events of all runs, each with its place and as it is
/// stored; and what happened to the disk, in order.
type Remains = (Vec<(String, Vec<u8>)>, Vec<Traced>);

/// Runs the small workflows while their actors are killed, the machine dies on the way, and
/// another engine goes on.
fn simulate(seed: u64) -> Remains {
    let disk = SimulatedDisk::new(SimulatedOptions {
        seed,
        record_trace: true,
        ..SimulatedOptions::default()
    });
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let point = *[CrashPoint::BeforeDurable, CrashPoint::AfterDurable].choose(&mut random).unwrap();
    disk.crash_at_commit(random.random_range(10..40), point);
    live(&disk, &mut random);
    live(&disk, &mut random);
    let runs = check_store(&*disk.reopen()).unwrap();
    assert_endings(&runs, "");
    let trace = disk.trace().into_iter().map(|entry| entry.what).collect();
    (runs.iter().flat_map(masked).collect(), trace)
}

/// One engine, until the machine dies or all is done, in a runtime of its own.
fn live(disk: &SimulatedDisk, random: &mut ChaCha8Rng) {
    let life = one_life(disk, async |store| {
        let engine = small_workflows(TestEngine::on_store(store)).start().await.unwrap();
        start_all(&engine, "").await.unwrap();
        for _ in 0..30 {
            sleep(Duration::from_millis(random.random_range(0..100))).await;
            let runs = engine.run_actors().await.unwrap();
            if let Some((_, run)) = runs.choose(random) {
                run.kill();
            }
        }
        for (name, _) in ENDINGS {
            let run = engine.workflow_handle(ANY, name).await.unwrap();
            let _ = run.result().await;
        }
        engine.shutdown().await.unwrap();
    });
    // Whether the machine dies is the seed's business.
    let _ = life.unwrap();
}

/// The events of a run as they are stored, but for its ids. The random part of a run id is the
/// one thing that no seed decides: two engines on copies of one store must not make the same.
fn masked(run: &StoredRun) -> impl Iterator<Item = (String, Vec<u8>)> {
    run.history.iter().map(|event| {
        let mut event = event.clone();
        if let EventAttributes::WorkflowExecutionStarted(started) = &mut event.attributes {
            started.first_execution_run_id = RunId::from_bytes([0; RunId::LEN]);
            started.randomness_seed = 0;
        }
        let place = format!("{} {event:?}", run.row.workflow_id);
        (place, event.to_bytes())
    })
}

#[test]
fn one_seed_gives_the_same_histories_twice() {
    for seed in 0..10 {
        let ((events, trace), (events_again, trace_again)) = (simulate(seed), simulate(seed));
        let differing = events.iter().zip(&events_again).find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(events.len(), events_again.len(), "seed {seed}");
        assert_eq!(trace, trace_again, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_other_histories() {
    assert_ne!(simulate(1), simulate(2));
}
