//! Who asked while the journal failed is not told that nothing has happened.

use std::time::Duration;

use entracte::RunError;
use entracte_testing::{SimulatedDisk, TestEngine};
use entracte_tests::small::{NAP, small_workflows, start};

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_commit_fails_is_not_answered_as_one_that_was_never_taken_up() {
    let disk = SimulatedDisk::new(Default::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    disk.fail_at_commit(disk.commits() + 1);
    let in_flight = run.cancel("not wanted").await.unwrap_err();
    let refused = run.cancel("not wanted").await.unwrap_err();
    assert!(matches!(refused, RunError::EngineStopped(_)), "{refused:?}");
    // It may be in the store.
    assert!(!matches!(in_flight, RunError::EngineStopped(_)), "{in_flight:?}");
}
