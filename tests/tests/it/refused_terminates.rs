//! A start that is refused changes nothing.

use entracte::prelude::*;
use entracte_testing::TestEngine;
use entracte_tests::small::{NAP, small_workflows, start};

#[tokio::test(start_paused = true)]
async fn wid_2_and_wid_3_a_start_that_may_not_follow_terminates_nothing() {
    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    engine
        .start_workflow(NAP, 1)
        .workflow_id("nap")
        .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting)
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
        .await
        .unwrap_err();
    assert_eq!(run.describe().await.unwrap().status, WorkflowStatus::Running);
}
