//! A cancellation that is durable counts, whoever was killed before it had its effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::model::ActivityCancellationType;
use entracte::prelude::*;
use entracte_testing::{SimulatedDisk, TestEngine};
use tokio::time::sleep;

const FAILING: Activity<(), ()> = Activity::new("failing")
    .start_to_close_timeout(Duration::from_secs(30))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(3_600)))
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
const TRYING: Workflow<(), ()> = Workflow::new("trying");

async fn trying(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.activity(FAILING, ()).await
}

#[tokio::test(start_paused = true)]
async fn acx_3_no_attempt_follows_a_cancellation_that_outlived_its_actor() {
    let disk = SimulatedDisk::new(Default::default());
    let attempts = Arc::new(AtomicU32::new(0));
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(TRYING, trying)
        .activity(FAILING, {
            let attempts = Arc::clone(&attempts);
            move |_: ActivityContext, ()| {
                attempts.fetch_add(1, Ordering::SeqCst);
                async { Err(Failure::application("NotYet", "once more")) }
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TRYING, ()).await.unwrap();
    // The first attempt has failed, and its back-off has begun.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    disk.hold();
    let happen = async {
        // The request is on its way to the disk when the actor is lost; then it lands.
        sleep(Duration::from_secs(1)).await;
        engine.run_actors().await.unwrap()[0].1.kill();
        sleep(Duration::from_secs(1)).await;
        disk.release();
    };
    let (cancelled, ()) = tokio::join!(run.cancel("not wanted"), happen);
    cancelled.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(attempts.load(Ordering::SeqCst), 1, "{error:?}");
    assert!(matches!(error, WorkflowError::Canceled { .. }), "{error:?}");
}
