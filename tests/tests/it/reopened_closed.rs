//! A closed run whose actor was lost before it had left is opened again, only to leave.

use std::time::Duration;

use entracte::StartWorkflowError;
use entracte::prelude::*;
use entracte_testing::{SimulatedDisk, TestEngine};
use entracte_tests::small::{NAP, small_workflows, start};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

/// A run whose end is on its way to a disk that is held up, and whose actor has been replaced.
async fn closing_run() -> (Engine, WorkflowHandle<u64>, SimulatedDisk) {
    let disk = SimulatedDisk::new(Default::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    let terminating = run.clone();
    tokio::spawn(async move { terminating.terminate("enough").await });
    sleep(Duration::from_secs(1)).await;
    engine.run_actors().await.unwrap()[0].1.kill();
    sleep(Duration::from_secs(1)).await;
    (engine, run, disk)
}

/// Waits for one of many moments around the one at which the run is read.
async fn moment(number: u64) {
    sleep(Duration::from_millis(number / 30)).await;
    for _ in 0..number % 30 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_run_is_described_with_its_history_at_any_moment() {
    let (_engine, run, disk) = closing_run().await;
    disk.release();
    let mut asked = JoinSet::new();
    for number in 0..600 {
        let run = run.clone();
        asked.spawn(async move {
            moment(number).await;
            run.describe().await.unwrap().history_length
        });
    }
    let lengths = asked.join_all().await;
    let length = run.history().await.unwrap().len() as u64;
    assert_eq!(lengths, vec![length; 600]);
}

#[tokio::test(start_paused = true)]
async fn wid_2_a_closed_run_stands_in_nobodys_way_at_any_moment() {
    let (engine, run, disk) = closing_run().await;
    disk.release();
    let mut asked = JoinSet::new();
    for number in 0..600 {
        let engine = engine.clone();
        asked.spawn(async move {
            moment(number).await;
            engine.start_workflow(NAP, 1).workflow_id("nap").await
        });
    }
    for answer in asked.join_all().await {
        if let Err(StartWorkflowError::AlreadyStarted { run_id, closed, .. }) = answer {
            assert_ne!(run_id, run.run_id(), "that run is closed; the answer says {closed}");
        }
    }
}
