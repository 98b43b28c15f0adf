//! Children and parents that crash, are killed or cannot go on: nothing that is under way is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::RunId;
use entracte::prelude::*;
use entracte_testing::crash::{CrashTest, one_life};
use entracte_testing::{CrashPoint, SimulatedDisk, SimulatedOptions, TestEngine, check_store};

use entracte_tests::rounds;

use crate::children::{
    DOUBLE, END, GO, PARENT, Plan, SUM, WAITER, appear, assert_nothing_under_way, workflows,
};

#[test]
fn children_survive_a_crash_at_every_commit() {
    for replay in [true, false] {
        let set_up = |engine| workflows(engine).replay_every_event(replay);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let run = engine.start_workflow(SUM, 3).workflow_id("s").request_id("s").await?;
            let _ = run.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("replay {replay}: {failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        assert_eq!(report.outcomes.len(), 4);
    }
}

#[test]
fn chd_6_the_close_of_a_parent_survives_a_crash_at_every_commit() {
    for policy in
        [ParentClosePolicy::Terminate, ParentClosePolicy::RequestCancel, ParentClosePolicy::Abandon]
    {
        let report = CrashTest::new(workflows, async |engine: Engine| {
            let plan = Plan { children: 2, policy, started: true };
            let start = engine.start_workflow(PARENT, plan).workflow_id("p").request_id("p");
            let run = start.await?;
            run.signal(END, 7).request_id("end").await?;
            let _ = run.result().await;
            for number in 0..2 {
                let child = appear(&engine, &format!("p-{number}")).await;
                if policy == ParentClosePolicy::Abandon {
                    let _ = child.signal(GO, "end".to_owned()).request_id("go").await;
                }
                let _ = child.result().await;
            }
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("{policy:?}: {failure}"));
        println!("{policy:?}: {} plays, {} faults", report.plays, report.faults);
    }
}

/// Kills the actor of a run whenever it is there, now after more and now after less.
async fn kill_again_and_again(engine: Engine, run_id: RunId, kills: Arc<AtomicU32>) {
    for pause in 0..60 {
        tokio::time::sleep(Duration::from_millis(pause % 5)).await;
        rounds(pause % 7).await;
        let Ok(actors) = engine.run_actors().await else { return };
        if let Some((_, actor)) = actors.iter().find(|(id, _)| *id == run_id) {
            actor.kill();
            kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// More children than are told in one batch: their parent's actor is killed and the machine dies
/// between the batches.
#[test]
fn chd_6_no_child_is_forgotten_between_two_batches() {
    let children = std::env::var("ENTRACTE_CHILDREN").map_or(700, |it| it.parse().unwrap());
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let (mut crashes, kills) = (0, Arc::new(AtomicU32::new(0)));
    let live = |life: u64| {
        one_life(&disk, async |store| {
            let engine = workflows(TestEngine::on_store(store)).replay_every_event(false);
            let engine = engine.start().await.unwrap();
            let policy = ParentClosePolicy::Terminate;
            let start = engine.start_workflow(PARENT, Plan { children, policy, started: true });
            let run = start.workflow_id("p").request_id("p").await.unwrap();
            if life == 0 {
                for number in 0..children {
                    appear(&engine, &format!("p-{number}")).await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if life < 8 {
                let point = [CrashPoint::BeforeDurable, CrashPoint::AfterDurable];
                disk.crash_at_commit(disk.commits() + 1 + life % 3, point[life as usize % 2]);
            }
            let kills = Arc::clone(&kills);
            tokio::spawn(kill_again_and_again(engine.clone(), run.run_id(), kills));
            let _ = run.signal(END, 1).request_id("end").await;
            assert_eq!(run.result().await.unwrap(), 1);
            for number in 0..children {
                let child = appear(&engine, &format!("p-{number}")).await;
                let error = child.result().await.unwrap_err();
                assert!(matches!(error, WorkflowError::Terminated { .. }), "{error}");
            }
            engine.shutdown().await.unwrap();
        })
        .unwrap()
    };
    while live(crashes).is_none() {
        disk.clear_faults();
        crashes += 1;
    }
    println!("{crashes} crashes, {} kills", kills.load(Ordering::Relaxed));
    assert!(crashes > 2 && kills.load(Ordering::Relaxed) > 0);
    assert_eq!(check_store(&*disk.reopen()).unwrap().len() as u64, children + 1);
    assert_nothing_under_way(&disk);
}

/// Kills one actor at each moment at which something can be on its way: nothing of it is lost.
#[tokio::test(start_paused = true)]
async fn an_actor_that_is_killed_at_any_moment_loses_nothing_that_is_under_way() {
    const FAMILY: [&str; 3] = ["s", "s-1", "s-2"];
    for victim in FAMILY {
        for moment in 0..60 {
            let disk = SimulatedDisk::new(SimulatedOptions {
                delay_max: Duration::ZERO,
                ..Default::default()
            });
            let engine = workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
            let run = engine.start_workflow(SUM, 2).workflow_id("s").await.unwrap();
            for _ in 0..moment {
                tokio::task::yield_now().await;
            }
            if let Ok(run) = engine.workflow_handle(DOUBLE, victim).await {
                let actors = engine.run_actors().await.unwrap();
                if let Some((_, actor)) = actors.iter().find(|(id, _)| *id == run.run_id()) {
                    actor.kill();
                }
            }
            let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
            assert_eq!(result.expect("the parent waits for ever").unwrap(), 6, "{victim} {moment}");
            engine.shutdown().await.unwrap();
            assert_nothing_under_way(&disk);
        }
    }
}

/// Kills an actor at each moment of its end, when a request to cancel has come too late for it:
/// whoever asks gets the answer, from it or from the directory.
#[tokio::test(start_paused = true)]
async fn can_8_a_run_that_is_killed_as_it_leaves_owes_nobody_an_answer() {
    const ASKER: Workflow<(), ()> = Workflow::new("asker");
    for moment in 0..60 {
        let options = SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() };
        let disk = SimulatedDisk::new(options);
        let engine = workflows(TestEngine::on_store(disk.reopen()))
            .workflow(ASKER, async |ctx: WorkflowContext, ()| {
                ctx.signals(GO).recv().await;
                ctx.external_workflow("asked").cancel("enough").await
            })
            .start()
            .await
            .unwrap();
        let asked = engine.start_workflow(WAITER, ()).workflow_id("asked").await.unwrap();
        let asker = engine.start_workflow(ASKER, ()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let actors = engine.run_actors().await.unwrap();
        let actor = actors.iter().find(|(id, _)| *id == asked.run_id()).unwrap().1.clone();
        // While another commit is on its way, the end of the one and the request of the other
        // come together: they are one commit.
        disk.hold();
        let starter = engine.clone();
        let other = async move { starter.start_workflow(WAITER, ()).await.map(drop) };
        let other = tokio::spawn(other);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (to_asked, to_asker) =
            (asked.signal(GO, String::new()), asker.signal(GO, String::new()));
        let signals = tokio::spawn(async move { tokio::join!(to_asked, to_asker) });
        tokio::time::sleep(Duration::from_secs(1)).await;
        disk.release();
        tokio::spawn(async move {
            rounds(moment).await;
            actor.kill();
        });
        let result = tokio::time::timeout(Duration::from_secs(60), asker.result()).await;
        result.unwrap_or_else(|_| panic!("nobody answers, killed at {moment}")).unwrap();
        other.await.unwrap().unwrap();
        let _ = signals.await;
        engine.shutdown().await.unwrap();
        assert_nothing_under_way(&disk);
    }
}

#[tokio::test(start_paused = true)]
async fn chd_6_a_parked_child_falls_with_its_parent_and_times_out_without_its_code() {
    const UNKNOWN: Workflow<(), ()> = Workflow::new("unknown");
    const HOPEFUL: Workflow<bool, String> = Workflow::new("hopeful");
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = workflows(TestEngine::on_store(disk.reopen()))
        .workflow(HOPEFUL, async |ctx: WorkflowContext, waits: bool| {
            let child = ctx.child(UNKNOWN, ()).workflow_id(format!("unknown-{waits}"));
            let child = child.run_timeout(Duration::from_secs(600)).start().await?;
            if waits {
                return Ok(child.result().await.unwrap_err().to_string());
            }
            Ok("did not wait".to_owned())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(HOPEFUL, false).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "did not wait");
    let child = engine.workflow_handle(UNKNOWN, "unknown-false").await.unwrap();
    let error = child.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error}");
    let run = engine.start_workflow(HOPEFUL, true).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "Child workflow timeout");
    engine.shutdown().await.unwrap();
    check_store(&*disk.reopen()).unwrap();
    assert_nothing_under_way(&disk);
}

/// The answer does not wait until somebody mends the code of who is asked.
#[tokio::test(start_paused = true)]
async fn can_8_a_parked_workflow_knows_at_once_that_it_is_asked_to_cancel() {
    const UNKNOWN: Workflow<(), ()> = Workflow::new("unknown");
    const IMPATIENT: Workflow<(), String> = Workflow::new("impatient");
    let engine = workflows(TestEngine::builder())
        .workflow(IMPATIENT, async |ctx: WorkflowContext, ()| {
            let child = ctx
                .child(UNKNOWN, ())
                .cancellation_type(ChildWorkflowCancellationType::WaitCancellationRequested)
                .start()
                .await?;
            child.cancel("enough");
            Ok(child.result().await.unwrap_err().to_string())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(IMPATIENT, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "canceled");
    engine.shutdown().await.unwrap();
}

/// Neither when the request comes while the run that is asked is being opened again.
#[tokio::test(start_paused = true)]
async fn can_8_a_workflow_that_is_parked_as_it_is_opened_answers_who_asks_it_to_cancel() {
    const BROKEN: Workflow<(), ()> = Workflow::new("broken");
    const ASKER: Workflow<(), String> = Workflow::new("asker");
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = workflows(TestEngine::on_store(disk.reopen()))
        .workflow(ASKER, async |ctx: WorkflowContext, ()| {
            ctx.signals(GO).recv().await;
            let asked = ctx.external_workflow("broken").cancel("enough").await;
            Ok(asked.map_or_else(|failure| failure.to_string(), |()| "asked".to_owned()))
        })
        .workflow(BROKEN, async |_, ()| std::panic::resume_unwind(Box::new("broken")))
        .start()
        .await
        .unwrap();
    let broken = engine.start_workflow(BROKEN, ()).workflow_id("broken").await.unwrap();
    let run = engine.start_workflow(ASKER, ()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The request is on its way to the disk when the actor is made again, which reads it there.
    disk.hold();
    let signal = run.signal(GO, String::new());
    let sent = tokio::spawn(async move { signal.await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let actors = engine.run_actors().await.unwrap();
    actors.iter().find(|(id, _)| *id == broken.run_id()).unwrap().1.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    disk.release();
    sent.await.unwrap().unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
    assert_eq!(result.expect("nobody answers").unwrap(), "asked");
    // The request waits for the code.
    broken.terminate("enough").await.unwrap();
    engine.shutdown().await.unwrap();
    check_store(&*disk.reopen()).unwrap();
    assert_nothing_under_way(&disk);
}

/// Kills parents and children at random while they are at work.
#[tokio::test(start_paused = true)]
async fn killed_parents_and_children_are_made_again() {
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};
    for seed in 0..4_u64 {
        let disk = SimulatedDisk::new(SimulatedOptions { seed, ..Default::default() });
        let engine = workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut runs = Vec::new();
        for number in 0..4 {
            let id = format!("s{number}");
            runs.push(engine.start_workflow(SUM, 20).workflow_id(id).await.unwrap());
        }
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..4))).await;
            let actors = engine.run_actors().await.unwrap();
            if let Some((_, actor)) = actors.choose(&mut random) {
                actor.kill();
            }
        }
        for run in runs {
            assert_eq!(run.result().await.unwrap(), 20 * 21);
        }
        engine.shutdown().await.unwrap();
        assert_eq!(check_store(&*disk.reopen()).unwrap().len(), 84);
        assert_nothing_under_way(&disk);
    }
}
