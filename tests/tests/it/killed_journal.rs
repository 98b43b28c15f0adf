//! The journal's actor is killed: what was handed to it, and what is on its way to the disk, is
//! taken up by the next one.

use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActorKind, actor};
use entracte_testing::crash::CrashTest;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, Witness, check_store};
use entracte_tests::small::{NAP, STUBBORN, small_workflows, start};
use entracte_tests::steps::THREE_STEPS;
use tokio::time::sleep;

/// Kills the journal's actor and gives the root time to make another one.
async fn kill_journal(engine: &Engine) {
    let tree = engine.tree().await.unwrap();
    let is_journal = |node: &&entracte::ActorNode| node.kind == ActorKind::Journal;
    let killed = actor::cell(tree.nodes.iter().find(is_journal).unwrap());
    killed.kill_and_wait(None).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    let tree = engine.tree().await.unwrap();
    let successor = actor::cell(tree.nodes.iter().find(is_journal).unwrap());
    assert_ne!(successor.get_id(), killed.get_id());
}

#[tokio::test(start_paused = true)]
async fn what_waits_and_what_is_on_its_way_is_answered_by_the_next_journal() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let witness = Witness::new();
    let store = witness.watch(disk.reopen()).unwrap();
    let builder = small_workflows(TestEngine::on_store(store.clone())).commit_appends_max(1);
    let engine = builder.start().await.unwrap();
    disk.hold();
    let mut starts = Vec::new();
    for id in ["one", "two", "three"] {
        let engine = engine.clone();
        starts.push(tokio::spawn(async move { start(&engine, THREE_STEPS, 1, id).await }));
        sleep(Duration::from_millis(10)).await;
    }
    let waiting = engine.tree().await.unwrap().nodes[1].waiting;
    assert_eq!(waiting, 2, "one is on its way");
    kill_journal(&engine).await;
    assert_eq!(engine.tree().await.unwrap().nodes[1].waiting, 2);
    kill_journal(&engine).await;
    disk.release();
    for run in starts {
        assert_eq!(run.await.unwrap().unwrap().result().await.unwrap(), 4);
    }
    assert_eq!(engine.journal_stats().appends_refused, 0);
    assert_eq!(check_store(&*store).unwrap().len(), 3);
    assert_eq!(witness.violations(), []);
    kill_journal(&engine).await;
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_killed_at_any_moment_loses_nothing() {
    for moment in 0..80 {
        let options = SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() };
        let disk = SimulatedDisk::new(options);
        let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let tree = engine.tree().await.unwrap();
        let asked = tokio::spawn({
            let engine = engine.clone();
            async move { start(&engine, THREE_STEPS, 1, "steps").await.unwrap().result().await }
        });
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        actor::cell(&tree.nodes[1]).kill();
        let result = tokio::time::timeout(Duration::from_secs(60), asked).await;
        assert_eq!(result.expect("it waits for ever").unwrap().unwrap(), 4, "moment {moment}");
        engine.shutdown().await.unwrap();
        check_store(&*disk.reopen()).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_interval_s_sync_comes_though_the_journal_that_promised_it_is_gone() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen()))
        .durability(Durability::Interval(Duration::from_secs(10)))
        .start()
        .await
        .unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let syncs = engine.journal_stats().syncs;
    kill_journal(&engine).await;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(engine.journal_stats().syncs, syncs + 1);
    assert_eq!(run.result().await.unwrap(), 3);
    engine.shutdown().await.unwrap();
}

#[test]
fn a_killed_journal_and_a_crash_at_every_commit_lose_nothing_together() {
    let report = CrashTest::new(small_workflows, async |engine: Engine| {
        let run = start(&engine, STUBBORN, 21, "stubborn").await?;
        for _ in 0..5 {
            sleep(Duration::from_secs(1)).await;
            let tree = engine.tree().await?;
            actor::cell(&tree.nodes[1]).kill();
        }
        let _ = run.result().await;
        Ok(())
    });
    let report = report.run().unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} plays, {} faults", report.plays, report.faults);
    assert_eq!(report.outcomes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_killed_root_lets_everybody_go_who_waits_for_the_journal() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    disk.hold();
    let asked = tokio::spawn({
        let engine = engine.clone();
        async move { start(&engine, THREE_STEPS, 1, "steps").await }
    });
    let closing = tokio::spawn({
        let engine = engine.clone();
        async move { engine.shutdown().await }
    });
    sleep(Duration::from_secs(60)).await;
    engine.actor().kill();
    closing.await.unwrap().unwrap_err();
    asked.await.unwrap().unwrap_err();
    engine.shutdown().await.unwrap_err();
}
