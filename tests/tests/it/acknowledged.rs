//! What was acknowledged before a crash holds after it, as far as the durability promises.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use entracte::RunId;
use entracte::prelude::*;
use entracte_testing::crash::one_life;
use entracte_testing::{CrashPoint, SimulatedDisk, SimulatedOptions, SimulatedStore, TestEngine};
use entracte_tests::small::{ANY, PATIENT, small_workflows, start};
use entracte_tests::steps::THREE_STEPS;

/// What an engine told its client, in order.
#[derive(Debug, Clone)]
enum Told {
    Started { id: String, run_id: RunId },
    CancelRequested { id: String },
    Closed { id: String, status: WorkflowStatus },
}

async fn engine(store: Arc<SimulatedStore>, durability: Durability) -> Engine {
    small_workflows(TestEngine::on_store(store)).durability(durability).start().await.unwrap()
}

/// Lets an engine tell things until all is done or the machine dies.
async fn listen(engine: Engine, told: &RefCell<Vec<Told>>) {
    let tell = |what| told.borrow_mut().push(what);
    for n in 0..3 {
        let id = format!("three-steps-{n}");
        let run = start(&engine, THREE_STEPS, n, &id).await.unwrap();
        tell(Told::Started { id: id.clone(), run_id: run.run_id() });
        assert_eq!(run.result().await.unwrap(), n + 3);
        tell(Told::Closed { id, status: WorkflowStatus::Completed });
        let id = format!("patient-{n}");
        let run = start(&engine, PATIENT, n, &id).await.unwrap();
        tell(Told::Started { id: id.clone(), run_id: run.run_id() });
        run.cancel("waited enough").await.unwrap();
        tell(Told::CancelRequested { id: id.clone() });
        assert!(run.result().await.is_err());
        tell(Told::Closed { id, status: WorkflowStatus::Canceled });
    }
}

/// Whether what was told holds, before the engine has done anything more.
async fn holds(engine: &Engine, told: &Told) -> bool {
    let (Told::Started { id, .. } | Told::CancelRequested { id } | Told::Closed { id, .. }) = told;
    let Ok(run) = engine.workflow_handle(ANY, id).await else { return false };
    let description = run.describe().await.unwrap();
    match told {
        Told::Started { run_id, .. } => run.run_id() == *run_id,
        // A closed run does not tell any more whether it was asked.
        Told::CancelRequested { .. } => {
            description.cancel_requested || description.status == WorkflowStatus::Canceled
        }
        Told::Closed { status, .. } => description.status == *status,
    }
}

/// Crashes an engine at every commit; gives for each crash which of the things told held.
fn crash_everywhere(durability: Durability) -> Vec<Vec<bool>> {
    let mut all = Vec::new();
    for point in [CrashPoint::BeforeDurable, CrashPoint::AfterDurable] {
        for commit in 1.. {
            let disk = SimulatedDisk::new(SimulatedOptions::default());
            disk.crash_at_commit(commit, point);
            let told = RefCell::default();
            let life = one_life(&disk, async |store| {
                listen(engine(store, durability).await, &told).await;
            });
            if life.unwrap().is_some() {
                break;
            }
            let after = one_life(&disk, async |store| {
                let engine = engine(store, durability).await;
                let mut held = Vec::new();
                for told in told.take() {
                    held.push(holds(&engine, &told).await);
                }
                held
            });
            all.push(after.unwrap().unwrap());
        }
    }
    assert!(all.len() > 40, "crashed at {} commits only", all.len());
    all
}

#[test]
fn what_a_syncing_engine_has_told_survives_a_crash_at_every_commit() {
    for held in crash_everywhere(Durability::Sync) {
        assert!(held.iter().all(|held| *held), "{held:?}");
    }
}

#[test]
fn a_buffering_engine_is_rolled_back_to_one_earlier_point_of_the_journal() {
    for durability in [Durability::Interval(Duration::from_millis(50)), Durability::OsBuffered] {
        let all = crash_everywhere(durability);
        for held in &all {
            // What was told early holds, what was told late does not, and nothing in between.
            assert!(held.is_sorted_by(|earlier, later| earlier >= later), "{held:?}");
        }
        let lost = all.iter().flatten().filter(|held| !**held).count();
        assert!(lost > 0, "no crash has lost anything under {durability}");
    }
}
