//! A termination that succeeded is answered so, whoever was killed before the answer.

use std::time::Duration;

use entracte_testing::{SimulatedDisk, TestEngine};
use entracte_tests::small::{NAP, small_workflows, start};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_termination_that_landed_is_no_error_though_its_actor_was_lost() {
    let disk = SimulatedDisk::new(Default::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    disk.hold();
    let happen = async {
        sleep(Duration::from_secs(1)).await;
        engine.run_actors().await.unwrap()[0].1.kill();
        sleep(Duration::from_secs(1)).await;
        disk.release();
    };
    let (terminated, ()) = tokio::join!(run.terminate("enough"), happen);
    terminated.unwrap();
}
