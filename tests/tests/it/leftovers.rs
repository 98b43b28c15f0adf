//! What reaches a run behind its close leaves nothing behind in the store.

use std::time::Duration;

use entracte_testing::{SimulatedDisk, TestEngine, check_store};
use entracte_tests::small::{NAP, small_workflows, start};
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
