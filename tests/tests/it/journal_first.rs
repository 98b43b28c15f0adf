//! The journal comes first: what is not durable has not happened, as far as anybody can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use entracte_tests::small::{PATIENT, small_workflows, start};
use entracte_tests::steps::ADD_ONE;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Three steps, again and again.
const BUSY: Workflow<u64, u64> = Workflow::new("busy");

async fn busy(ctx: WorkflowContext, steps: u64) -> WorkflowResult<u64> {
    let mut number = 0;
    while number < steps {
        number = ctx.activity(ADD_ONE, number).await?;
    }
    Ok(number)
}

/// Asks in the background, and sees that there is no answer for as long as the disk is held.
async fn unanswered<T: Send + 'static>(
    question: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let asked = tokio::spawn(question);
    sleep(Duration::from_secs(60)).await;
    assert!(!asked.is_finished());
    asked
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_and_nothing_is_done_before_it_is_durable() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let done = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&done);
    let engine = small_workflows(TestEngine::on_store(disk.reopen()))
        .activity(ADD_ONE, move |_: ActivityContext, number: u64| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok(number + 1) }
        })
        .start()
        .await
        .unwrap();
    disk.hold();
    let asker = engine.clone();
    let started = unanswered(async move { start(&asker, PATIENT, 1, "one").await }).await;
    let unknown = engine.workflow_handle(PATIENT, "one").await;
    assert!(unknown.is_err(), "a run that is not durable is not there: {unknown:?}");
    disk.release();
    let run = started.await.unwrap().unwrap();
    disk.hold();
    let asker = run.clone();
    let cancelled = unanswered(async move { asker.cancel("waited enough").await }).await;
    // What a description tells includes the request.
    let asker = run.clone();
    let described = unanswered(async move { asker.describe().await }).await;
    assert_eq!(done.load(Ordering::SeqCst), 0);
    disk.release();
    cancelled.await.unwrap().unwrap();
    assert!(described.await.unwrap().unwrap().cancel_requested);
    assert!(matches!(run.result().await, Err(WorkflowError::Canceled { .. })));
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_interval_s_syncs_come_in_time_though_the_journal_is_never_idle() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let interval = Duration::from_millis(100);
    let engine = small_workflows(TestEngine::on_store(disk.reopen()))
        .replay_every_event(false)
        .workflow(BUSY, busy)
        .durability(Durability::Interval(interval))
        .start()
        .await
        .unwrap();
    let begun = tokio::time::Instant::now();
    let mut runs = Vec::new();
    for number in 0..20 {
        runs.push(start(&engine, BUSY, 200, &format!("busy-{number}")).await.unwrap());
    }
    for run in &runs {
        assert_eq!(run.result().await.unwrap(), 200);
    }
    let intervals = begun.elapsed().as_millis() / interval.as_millis();
    let stats = engine.journal_stats();
    // A sync is due an interval after the first commit that it is to cover.
    assert!(u128::from(stats.syncs) >= intervals / 2, "{stats:?} in {intervals} intervals");
    assert!(stats.syncs * 4 < stats.commits, "{stats:?}");
}
