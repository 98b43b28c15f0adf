//! No acknowledged signal is lost, and none is taken twice: whatever crashes, is killed or
//! closes the run meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::crash::CrashTest;
use entracte_testing::{
    Outcome, SimulatedDisk, SimulatedOptions, TestEngine, Witness, check_store,
};
use entracte_tests::look::assert_well_formed;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::signals::{ADD, COLLECT, STOP, collect};

/// Every durability, with the workflows in memory between their turns as well as without.
const WAYS: [(Durability, bool); 4] = [
    (Durability::Sync, true),
    (Durability::Sync, false),
    (Durability::Interval(Duration::from_secs(1)), true),
    (Durability::OsBuffered, false),
];

#[test]
fn sig_1_signals_survive_a_crash_at_every_commit() {
    for (durability, replay) in WAYS {
        let set_up = |engine: entracte::EngineBuilder| {
            engine.workflow(COLLECT, collect).durability(durability).replay_every_event(replay)
        };
        let report = CrashTest::new(set_up, async |engine| {
            let run = engine.start_workflow(COLLECT, ()).workflow_id("one").request_id("one");
            let run = run.await?;
            for number in 0..3_u64 {
                run.signal(ADD, number).request_id(number.to_string()).await?;
            }
            run.signal(STOP, ()).request_id("stop").await?;
            // Whoever does not know whether it was taken asks again.
            run.signal(ADD, 1).request_id("1").await?;
            Ok(())
        })
        .run()
        .unwrap();
        let outcomes: Vec<_> = report.outcomes.values().flatten().collect();
        let [Outcome::Completed(result)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert_eq!(result.decode::<Vec<u64>>().unwrap(), [0, 1, 2]);
    }
}

#[test]
fn sig_1_signals_to_a_parked_run_survive_a_crash_at_every_commit() {
    // Each engine sees the run stumble at its start, and once over a signal.
    let set_up = |engine: entracte::EngineBuilder| {
        let stumbled = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        engine.workflow(COLLECT, move |ctx: WorkflowContext, (): ()| {
            let stumbled = Arc::clone(&stumbled);
            async move {
                assert!(stumbled[0].swap(true, Ordering::Relaxed), "stumbles on purpose");
                let mut added = ctx.signals(ADD);
                let mut all = vec![added.recv().await];
                assert!(stumbled[1].swap(true, Ordering::Relaxed), "stumbles on purpose");
                while all.len() < 3 {
                    all.push(added.recv().await);
                }
                Ok(all)
            }
        })
    };
    let report = CrashTest::new(set_up, async |engine| {
        let run = engine.start_workflow(COLLECT, ()).workflow_id("one").request_id("one").await?;
        for number in 0..3_u64 {
            run.signal(ADD, number).request_id(number.to_string()).await?;
        }
        Ok(())
    })
    .run()
    .unwrap();
    let outcomes: Vec<_> = report.outcomes.values().flatten().collect();
    let [Outcome::Completed(result)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(result.decode::<Vec<u64>>().unwrap(), [0, 1, 2]);
}

const MINUTE: Workflow<(), Vec<u64>> = Workflow::new("minute");

/// Gives back what was added within a minute, without looking before that is over.
async fn minute(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u64>> {
    let mut added = ctx.signals(ADD);
    ctx.sleep(Duration::from_secs(60)).await;
    let mut all = Vec::new();
    while let Some(number) = added.try_recv() {
        all.push(number);
    }
    Ok(all)
}

/// Sends until the run is closed; gives what was acknowledged.
async fn send_all(run: WorkflowHandle<Vec<u64>>, sender: u64) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in sender * 100_000.. {
        match run.signal(ADD, number).await {
            Ok(()) => acknowledged.push(number),
            Err(SignalError::AlreadyClosed { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(sender * 70)).await;
    }
    acknowledged
}

#[tokio::test(start_paused = true)]
async fn every_acknowledged_signal_is_seen_before_the_run_closes() {
    let mut waited = 0;
    for seed in 0..20 {
        let delay_max = Duration::from_millis(400);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let engine = TestEngine::on_store(disk.reopen())
            .replay_every_event(seed.is_multiple_of(2))
            .workflow(MINUTE, minute)
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(MINUTE, ()).await.unwrap();
        let senders: Vec<_> =
            (1..6).map(|sender| tokio::spawn(send_all(run.clone(), sender))).collect();
        let mut seen = run.result().await.unwrap();
        let mut acknowledged = Vec::new();
        for sender in senders {
            acknowledged.extend(sender.await.unwrap());
        }
        seen.sort_unstable();
        acknowledged.sort_unstable();
        assert_eq!(seen, acknowledged, "seed {seed}");
        let history = run.history().await.unwrap();
        assert_well_formed(&history);
        waited += history
            .iter()
            .filter(|event| match &event.attributes {
                entracte::EventAttributes::WorkflowExecutionSignaled(signaled) => {
                    signaled.with_previous
                }
                _ => false,
            })
            .count();
    }
    assert!(waited > 0, "no signal ever waited");
}

/// Kills the run at random until told to stop.
async fn kill_at_random(engine: &Engine, seed: u64, is_over: &AtomicBool) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut killed = 0;
    while !is_over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(random.random_range(0..200))).await;
        let runs = engine.run_actors().await.unwrap();
        if let Some((_, run)) = runs.choose(&mut random) {
            run.kill();
            killed += 1;
        }
    }
    killed
}

#[tokio::test(start_paused = true)]
async fn sig_2_and_3_killed_actors_lose_no_signal_and_take_none_twice() {
    let killed = AtomicU32::new(0);
    for seed in 0..8 {
        let delay_max = Duration::from_millis(40);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let witness = Witness::new();
        let store = witness.watch(disk.reopen()).unwrap();
        let engine = TestEngine::on_store(store.clone())
            .replay_every_event(seed.is_multiple_of(2))
            .workflow(COLLECT, collect)
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(COLLECT, ()).await.unwrap();
        let is_over = AtomicBool::new(false);
        let sending = async {
            let senders: Vec<_> = (0..8_u64)
                .map(|sender| {
                    let run = run.clone();
                    tokio::spawn(async move {
                        for number in 0..25 {
                            run.signal(ADD, sender * 1_000 + number).await.unwrap();
                        }
                    })
                })
                .collect();
            for sender in senders {
                sender.await.unwrap();
            }
            run.signal(STOP, ()).await.unwrap();
            let result = run.result().await.unwrap();
            is_over.store(true, Ordering::Relaxed);
            result
        };
        let (all, count) = tokio::join!(sending, kill_at_random(&engine, seed, &is_over));
        killed.fetch_add(count, Ordering::Relaxed);
        assert_eq!(all.len(), 200, "seed {seed}");
        for sender in 0..8 {
            let of_sender: Vec<_> = all.iter().filter(|number| *number / 1_000 == sender).collect();
            assert!(of_sender.is_sorted() && of_sender.len() == 25, "{of_sender:?}");
        }
        assert_eq!(witness.violations(), [], "seed {seed}");
        check_store(&*store).unwrap();
    }
    assert!(killed.load(Ordering::Relaxed) > 50);
}
