//! The task queues of runs, after a restart, over a crash at every commit, and as they are stored.

use std::sync::{Arc, Mutex};

use entracte::EngineBuilder;
use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte_testing::crash::CrashTest;
use entracte_testing::{Outcome, SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use entracte_tests::queues::Floor;
use tokio::time::sleep;

use crate::run_task_queues::{NARROW, Plan, SECOND, TAPE, TREE, engine, expected, start, told};

/// Jobs that run and jobs that wait when the engine dies go on in their queues.
#[tokio::test(start_paused = true)]
async fn after_a_restart_the_attempts_go_to_the_queues_of_their_runs() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = async |floor: &Floor| {
        let builder = TestEngine::on_store(Arc::clone(&store));
        let builder = builder.task_queue(NARROW, TaskQueueOptions::new().slots(1));
        engine(floor, builder).start().await.unwrap()
    };
    let before = Floor::default();
    let first = open(&before).await;
    let root = Plan::new("root", 2).on(NARROW).with(Plan::new("heir", 2));
    start(&first, root.with(Plan::new("other", 2).on(TAPE))).await.unwrap();
    sleep(SECOND).await;
    assert_eq!((before.running(NARROW), before.running(TAPE)), (1, 2));
    drop(first);
    let after = Floor::default();
    let second = open(&after).await;
    let run = second.workflow_handle(TREE, "root").await.unwrap();
    // Lost attempts are retried after a back-off of a second.
    sleep(SECOND * 3 / 2).await;
    assert_eq!((after.running(NARROW), after.running(TAPE)), (1, 2));
    assert_eq!(run.describe().await.unwrap().task_queue, NARROW);
    let by_run = told(&[("root", NARROW), ("heir", NARROW), ("other", TAPE)]);
    assert_eq!(run.result().await.unwrap(), by_run);
    let places = [
        ("root/0", NARROW),
        ("root/1", NARROW),
        ("heir/0", NARROW),
        ("heir/1", NARROW),
        ("other/0", TAPE),
        ("other/1", TAPE),
    ];
    assert_eq!(after.places(), expected(&places));
    assert_eq!((after.most(NARROW), after.most(TAPE)), (1, 2));
}

/// Plays a family with chains and retries in it under all faults: whatever crashes, each attempt
/// goes to the queue of its run, and no queue runs more of them than it has slots.
fn survives(durability: Durability, replay: bool) {
    let floors = Arc::new(Mutex::new(Vec::new()));
    let set_up = |builder: EngineBuilder| {
        let floor = Floor::default();
        floors.lock().unwrap().push(floor.clone());
        engine(&floor, builder)
            .task_queue(NARROW, TaskQueueOptions::new().slots(1))
            .task_queue(TAPE, TaskQueueOptions::new().slots(1))
            .durability(durability)
            .replay_every_event(replay)
    };
    let heir = Plan { failures: 1, ..Plan::new("heir", 1) };
    let further = vec![None, Some(NARROW.to_owned())];
    let other = Plan { further, ..Plan::new("other", 1).on(TAPE) };
    let root = Plan::new("root", 1).on(NARROW).with(heir).with(other);
    let report = CrashTest::new(set_up, async move |engine| {
        start(&engine, root.clone()).await?;
        Ok(())
    });
    let report = report.run().unwrap_or_else(|failure| panic!("{durability}: {failure}"));
    println!("{} plays, {} faults", report.plays, report.faults);
    let by_run = told(&[("root", NARROW), ("heir", NARROW), ("other++", NARROW)]);
    let outcomes = &report.outcomes[&WorkflowId::new("root").unwrap()];
    let result = entracte::Payload::encode(&by_run).unwrap();
    assert_eq!(*outcomes, [Outcome::Completed(result)]);
    let places = expected(&[
        ("root/0", NARROW),
        ("heir/0", NARROW),
        ("other/0", TAPE),
        ("other+/0", TAPE),
        ("other++/0", NARROW),
    ]);
    let floors = floors.lock().unwrap();
    assert_eq!(floors[0].places(), places, "undisturbed");
    for floor in floors.iter() {
        assert!(floor.places().is_subset(&places), "{:?}", floor.places());
        assert!(floor.most(NARROW) <= 1 && floor.most(TAPE) <= 1);
        assert_eq!(floor.doubled(), []);
    }
}

#[test]
fn the_queues_of_runs_survive_a_crash_at_every_commit() {
    survives(Durability::Sync, true);
    survives(Durability::Interval(SECOND), false);
}

/// What the default queue does is stored as it was before runs had queues: a store of that time
/// is read as one whose runs are in the default queue.
#[tokio::test(start_paused = true)]
async fn a_store_of_runs_in_the_default_queue_names_no_queue() {
    let floor = Floor::default();
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let builder = TestEngine::on_store(disk.reopen());
    let engine = engine(&floor, builder).start().await.unwrap();
    let child = Plan { failures: 1, ..Plan::new("child", 1) };
    let plan = Plan { further: vec![None], ..Plan::new("root", 1).with(child) };
    // The input of the workflow has a field of that name too, but an empty one.
    start(&engine, plan).await.unwrap().result().await.unwrap();
    engine.shutdown().await.unwrap();
    for run in check_store(&*disk.reopen()).unwrap() {
        assert!(!has_queue(&run.row.to_bytes()), "{:?}", run.row);
        for event in &run.history {
            assert!(!has_queue(&event.to_bytes()), "{event:?}");
        }
    }
}

/// Whether a field of this name has a text that is not empty.
fn has_queue(bytes: &[u8]) -> bool {
    let name = b"\xaatask_queue";
    bytes.windows(name.len() + 1).any(|it| it.starts_with(name) && it.last() != Some(&0xc0))
}
