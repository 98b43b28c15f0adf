//! Runs that sleep before their next attempt: what reaches them, and what ends them.

use std::time::Duration;

use entracte::StartWorkflowError;
use entracte::model::{Payload, WorkflowStatus};
use entracte::prelude::*;
use entracte_testing::crash::CrashTest;
use entracte_testing::{Outcome, SimulatedDisk, SimulatedOptions, TestEngine, check_store};

use crate::workflow_retries::{FLAKY, GO, WAITER, chain, engine, statuses, workflows};

const STATE: Query<String> = Query::new("state");

/// A waiter that sleeps before its second attempt.
async fn asleep(engine: &Engine) -> WorkflowHandle<u32> {
    let policy = RetryPolicy::exponential(Duration::from_secs(600));
    let start = engine.start_workflow(WAITER, ()).workflow_id("w").retry_policy(policy);
    let run = start.await.unwrap();
    while run.describe().await.unwrap().attempt == 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    run
}

#[tokio::test(start_paused = true)]
async fn sig_6_a_signal_waits_for_the_end_of_the_back_off_and_survives_a_restart() {
    let (engine, disk) = engine().await;
    let run = asleep(&engine).await;
    run.signal(GO, 1).await.unwrap();
    run.signal(GO, 2).request_id("twice").await.unwrap();
    run.signal(GO, 2).request_id("twice").await.unwrap();
    let described = run.describe().await.unwrap();
    assert_eq!((described.history_length, described.signals.waiting), (0, 2));
    let wakes = described.first_task_time.unwrap();
    assert_eq!(wakes.saturating_since(described.start_time), Duration::from_secs(600));
    assert!(run.query(STATE).await.is_err(), "nothing is published, and nobody waits for it");
    engine.shutdown().await.unwrap();
    check_store(&*disk.reopen()).unwrap();
    let engine = workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    let run = engine.workflow_handle(WAITER, "w").await.unwrap();
    assert_eq!(run.describe().await.unwrap().first_task_time, Some(wakes));
    assert_eq!(run.result().await.unwrap(), 2);
    let chain = chain(engine, &disk, "w").await;
    assert!(chain[1].history[0].time >= wakes);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_cancel_wakes_a_run_from_its_back_off() {
    let (engine, disk) = engine().await;
    let begun = tokio::time::Instant::now();
    let run = asleep(&engine).await;
    run.cancel("enough").await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Canceled { .. })));
    assert!(begun.elapsed() < Duration::from_secs(600));
    let chain = chain(engine, &disk, "w").await;
    assert_eq!(statuses(&chain), [WorkflowStatus::Failed, WorkflowStatus::Canceled]);
}

#[tokio::test(start_paused = true)]
async fn can_6_a_run_is_terminated_in_its_back_off() {
    let (engine, disk) = engine().await;
    let run = asleep(&engine).await;
    run.signal(GO, 1).await.unwrap();
    run.terminate("enough").await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Terminated { .. })));
    let chain = chain(engine, &disk, "w").await;
    assert_eq!(statuses(&chain), [WorkflowStatus::Failed, WorkflowStatus::Terminated]);
    assert_eq!(chain[1].history.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn wid_3_a_start_that_terminates_what_is_open_hits_the_run_in_its_back_off() {
    let (engine, disk) = engine().await;
    asleep(&engine).await;
    let refused = engine.start_workflow(WAITER, ()).workflow_id("w").await.unwrap_err();
    assert!(matches!(refused, StartWorkflowError::AlreadyStarted { closed: false, .. }));
    let start = engine.start_workflow(FLAKY, 1).workflow_id("w");
    let policy = WorkflowIdConflictPolicy::TerminateExisting;
    let run = start.id_conflict_policy(policy).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 1);
    engine.shutdown().await.unwrap();
    assert_eq!(check_store(&*disk.reopen()).unwrap().len(), 3);
}

/// A child that sleeps before a retry falls with its parent, and takes its cancellation.
#[tokio::test(start_paused = true)]
async fn chd_7_a_child_in_its_back_off_is_still_hit() {
    const BOSS: Workflow<ParentClosePolicy, ()> = Workflow::new("boss");
    for policy in [ParentClosePolicy::Terminate, ParentClosePolicy::RequestCancel] {
        let disk = SimulatedDisk::new(SimulatedOptions::default());
        let engine = workflows(TestEngine::on_store(disk.reopen()))
            .workflow(BOSS, async |ctx: WorkflowContext, policy| {
                let slowly = RetryPolicy::exponential(Duration::from_secs(600));
                let child = ctx.child(WAITER, ()).workflow_id("w").retry_policy(slowly);
                child.parent_close_policy(policy).start().await?;
                ctx.sleep(Duration::from_secs(60)).await;
                Ok(())
            })
            .start()
            .await
            .unwrap();
        let begun = tokio::time::Instant::now();
        let run = engine.start_workflow(BOSS, policy).await.unwrap();
        run.result().await.unwrap();
        let child = engine.workflow_handle(WAITER, "w").await.unwrap();
        let error = child.result().await.unwrap_err();
        match policy {
            ParentClosePolicy::Terminate => {
                assert!(matches!(error, WorkflowError::Terminated { .. }), "{error}");
            }
            _ => assert!(matches!(error, WorkflowError::Canceled { .. }), "{error}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(100));
        assert_eq!(chain(engine, &disk, "w").await.len(), 2);
    }
}

/// Signals that come while nobody can take them, over crashes.
#[test]
fn sig_6_signals_to_a_sleeping_run_survive_a_crash_at_every_commit() {
    let report = CrashTest::new(workflows, async |engine: Engine| {
        let policy = RetryPolicy::exponential(Duration::from_secs(600));
        let start = engine.start_workflow(WAITER, ()).workflow_id("w").request_id("w");
        let run = start.retry_policy(policy).await?;
        while run.describe().await?.attempt == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for number in 0..3 {
            run.signal(GO, number).request_id(format!("s{number}")).await?;
        }
        let _ = run.result().await;
        Ok(())
    });
    let report = report.run().unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} plays, {} faults", report.plays, report.faults);
    let outcomes = report.outcomes.values().next().unwrap();
    let seen = Payload::encode(&3_u32).unwrap();
    assert_eq!(outcomes[1..], [Outcome::Completed(seen)]);
}
