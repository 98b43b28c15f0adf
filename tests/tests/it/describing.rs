//! What a run's description tells of its pending activities (rule RET-21).

use std::time::Duration;

use entracte::prelude::*;
use entracte::{PendingActivityDescription, PendingActivityState};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TEST_EPOCH, TestEngine};
use tokio::time::sleep;

const WORK: Activity<(), ()> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(60))
    .schedule_to_close_timeout(Duration::from_secs(600))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(30)));
const CALL: Workflow<(), ()> = Workflow::new("call");

async fn call(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.activity(WORK, ()).await
}

/// The first attempt tells how far it has come and fails after ten seconds, the second hangs.
async fn work(ctx: ActivityContext, (): ()) -> ActivityResult<()> {
    if ctx.attempt() == 1 {
        ctx.heartbeat("half")?;
        sleep(Duration::from_secs(10)).await;
        return Err(Failure::application("Refused", "connection refused"));
    }
    std::future::pending().await
}

async fn pending<O>(run: &WorkflowHandle<O>) -> PendingActivityDescription {
    let mut pending = run.describe().await.unwrap().pending_activities;
    assert_eq!(pending.len(), 1);
    pending.remove(0)
}

fn seconds(seconds: u64) -> Option<entracte::Timestamp> {
    Some(TEST_EPOCH.saturating_add(Duration::from_secs(seconds)))
}

#[tokio::test(start_paused = true)]
async fn ret_21_a_pending_activity_tells_everything_in_each_of_its_states() {
    let engine = TestEngine::builder()
        .virtual_time(TEST_EPOCH)
        .workflow(CALL, call)
        .activity(WORK, work)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    sleep(Duration::from_secs(5)).await;

    let started = pending(&run).await;
    assert_eq!((started.activity_id.as_str(), started.activity_type.as_str()), ("1", "work"));
    assert_eq!((started.state, started.attempt), (PendingActivityState::Started, 1));
    assert_eq!(started.started_time, seconds(0));
    assert_eq!((started.next_attempt_time, started.retry_interval), (None, None));
    assert_eq!((started.last_failure, started.last_attempt_ended_time), (None, None));
    assert_eq!(started.heartbeat_details.unwrap().decode(), Ok("half".to_owned()));
    assert_eq!(started.heartbeat_time, seconds(0));
    assert_eq!(started.expiration_time, seconds(600));
    assert!(started.source.to_string().contains("describing.rs"), "{}", started.source);

    sleep(Duration::from_secs(15)).await;
    let waiting = pending(&run).await;
    assert_eq!((waiting.state, waiting.attempt), (PendingActivityState::Scheduled, 2));
    assert_eq!(waiting.started_time, None);
    assert_eq!(waiting.next_attempt_time, seconds(40));
    assert_eq!(waiting.retry_interval, Some(Duration::from_secs(30)));
    assert_eq!(waiting.last_failure.unwrap().to_string(), "connection refused");
    assert_eq!(waiting.last_attempt_ended_time, seconds(10));
    assert_eq!(waiting.heartbeat_details.unwrap().decode(), Ok("half".to_owned()));

    sleep(Duration::from_secs(25)).await;
    let second = pending(&run).await;
    assert_eq!((second.state, second.attempt), (PendingActivityState::Started, 2));
    assert_eq!(second.started_time, seconds(40));
    assert_eq!((second.next_attempt_time, second.retry_interval), (None, None));
    assert_eq!(second.last_failure.unwrap().application_type(), Some("Refused"));
}

#[tokio::test(start_paused = true)]
async fn ret_21_a_crash_changes_nothing_in_what_a_waiting_activity_tells() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let build = |seconds| {
        let time = TEST_EPOCH.saturating_add(Duration::from_secs(seconds));
        let engine = TestEngine::on_store(disk.reopen()).virtual_time(time);
        engine.workflow(CALL, call).activity(WORK, work)
    };
    let first = build(0).start().await.unwrap();
    let run = first.start_workflow(CALL, ()).workflow_id("one").await.unwrap();
    sleep(Duration::from_secs(20)).await;
    let before = pending(&run).await;
    drop(first);
    let second = build(20).start().await.unwrap();
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    let after = pending(&run).await;
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert_eq!(after.state, PendingActivityState::Scheduled);
}
