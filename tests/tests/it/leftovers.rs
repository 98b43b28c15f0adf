//! What reaches a run behind its close leaves nothing behind in the store.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::{SimulatedDisk, TestEngine, check_store};
use entracte_tests::small::{NAP, small_workflows, start};
use tokio::sync::Semaphore;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn can_1_a_cancel_behind_a_termination_leaves_nothing_in_the_inbox() {
    let disk = SimulatedDisk::new(Default::default());
    let store = disk.reopen();
    let engine = small_workflows(TestEngine::on_store(store.clone()))
        .replay_every_event(false)
        .start()
        .await
        .unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    let release = async {
        sleep(Duration::from_secs(1)).await;
        disk.release();
    };
    let (terminated, cancelled, ()) =
        tokio::join!(run.terminate("enough"), run.cancel("too late"), release);
    terminated.unwrap();
    cancelled.unwrap();
    sleep(Duration::from_secs(1)).await;
    check_store(&*store).unwrap();
}

const FAILING: Activity<(), ()> =
    Activity::new("failing").start_to_close_timeout(Duration::from_secs(3_600));
const TRYING: Workflow<(), ()> = Workflow::new("trying");

async fn trying(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.activity(FAILING, ()).await
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_behind_a_termination_leaves_nothing_pending() {
    let disk = SimulatedDisk::new(Default::default());
    let store = disk.reopen();
    let gate = Arc::new(Semaphore::new(0));
    let engine = TestEngine::on_store(store.clone())
        .workflow(TRYING, trying)
        .activity(FAILING, {
            let gate = Arc::clone(&gate);
            move |_: ActivityContext, ()| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await?.forget();
                    Err(Failure::application("NotYet", "once more"))
                }
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TRYING, ()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    let happen = async {
        // The end of the run is on its way to the disk when its attempt fails.
        sleep(Duration::from_secs(1)).await;
        gate.add_permits(1);
        sleep(Duration::from_secs(1)).await;
        disk.release();
    };
    let (terminated, ()) = tokio::join!(run.terminate("enough"), happen);
    terminated.unwrap();
    sleep(Duration::from_secs(1)).await;
    check_store(&*store).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_shutdown_puts_back_behind_a_termination_leaves_nothing_pending() {
    const PASS: Activity<(), ()> =
        Activity::new("pass").start_to_close_timeout(Duration::from_secs(3_600));
    const TWO: Workflow<(), ()> = Workflow::new("two");
    let disk = SimulatedDisk::new(Default::default());
    let gate = Arc::new(Semaphore::new(0));
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(TWO, |ctx: WorkflowContext, ()| async move {
            ctx.activity(PASS, ()).await?;
            ctx.activity(PASS, ()).await
        })
        .activity(PASS, {
            let gate = Arc::clone(&gate);
            move |_: ActivityContext, ()| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await?.forget();
                    Ok(())
                }
            }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(TWO, ()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    // The second attempt is admitted, the run is terminated, the engine is shut down: in this
    // order, and before any of it is durable.
    gate.add_permits(1);
    sleep(Duration::from_secs(1)).await;
    let terminating = tokio::spawn(async move { run.terminate("enough").await });
    sleep(Duration::from_secs(1)).await;
    let release = async {
        sleep(Duration::from_secs(1)).await;
        disk.release();
    };
    let (shut_down, ()) = tokio::join!(engine.shutdown(), release);
    shut_down.unwrap();
    terminating.await.unwrap().unwrap();
    check_store(&*disk.reopen()).unwrap();
}
