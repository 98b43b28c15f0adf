//! Starting workflows: ids, policies, refusals.

use std::sync::Arc;
use std::time::Duration;

use entracte::StartWorkflowError;
use entracte::prelude::*;
use entracte_testing::TestEngine;
use entracte_tests::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};

const WAIT: Workflow<u64, u64> = Workflow::new("wait");

async fn wait(ctx: WorkflowContext, seconds: u64) -> WorkflowResult<u64> {
    ctx.sleep(Duration::from_secs(seconds)).await;
    if seconds == 13 {
        return Err(Failure::application("Unlucky", "thirteen"));
    }
    Ok(seconds)
}

async fn engine() -> Engine {
    TestEngine::builder()
        .workflow(WAIT, wait)
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn wid_1_and_wid_3_a_second_open_run_of_an_id_is_refused_by_default() {
    let engine = engine().await;
    let first = engine.start_workflow(WAIT, 60).workflow_id("one").await.unwrap();
    let error = engine.start_workflow(WAIT, 60).workflow_id("one").await.unwrap_err();
    let StartWorkflowError::AlreadyStarted { run_id, closed, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*run_id, *closed), (first.run_id(), false));
    assert!(error.to_string().starts_with("Workflow execution is already running."));
}

#[tokio::test(start_paused = true)]
async fn wid_3_use_existing_gives_the_open_run() {
    let engine = engine().await;
    let first = engine.start_workflow(WAIT, 60).workflow_id("one").await.unwrap();
    let second = engine
        .start_workflow(WAIT, 5)
        .workflow_id("one")
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .await
        .unwrap();
    assert_eq!(second.run_id(), first.run_id());
    assert_eq!(second.result().await.unwrap(), 60);
}

#[tokio::test(start_paused = true)]
async fn wid_3_terminate_existing_ends_the_open_run_and_starts_another() {
    let engine = engine().await;
    let first = engine.start_workflow(WAIT, 60).workflow_id("one").await.unwrap();
    let second = engine
        .start_workflow(WAIT, 5)
        .workflow_id("one")
        .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting)
        .await
        .unwrap();
    assert_ne!(second.run_id(), first.run_id());
    let error = first.result().await.unwrap_err();
    let WorkflowError::Terminated { reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(reason, "TerminateIfRunning WorkflowIdReusePolicy");
    assert_eq!(second.result().await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn wid_2_reuse_policies_judge_the_closed_run() {
    use WorkflowIdReusePolicy as Reuse;
    let engine = engine().await;
    let again = async |id: &str, policy: Reuse| {
        let start = engine.start_workflow(WAIT, 1).workflow_id(id).id_reuse_policy(policy);
        start.await.map(|_| ())
    };
    for (id, seconds) in [("completed", 1), ("failed", 13)] {
        for policy in
            [Reuse::RejectDuplicate, Reuse::AllowDuplicateFailedOnly, Reuse::AllowDuplicate]
        {
            let id = format!("{id}-{policy:?}");
            let run = engine.start_workflow(WAIT, seconds).workflow_id(&id).await.unwrap();
            let _ = run.result().await;
            let allowed = match policy {
                Reuse::AllowDuplicate => true,
                Reuse::AllowDuplicateFailedOnly => seconds == 13,
                _ => false,
            };
            let started = again(&id, policy).await;
            assert_eq!(started.is_ok(), allowed, "{id}: {started:?}");
            if let Err(error) = started {
                assert!(
                    matches!(error, StartWorkflowError::AlreadyStarted { closed: true, .. }),
                    "{error:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wid_5_the_same_request_id_gives_the_same_run_open_or_closed() {
    let engine = engine().await;
    let start = || engine.start_workflow(WAIT, 7).workflow_id("one").request_id("request");
    let first = start().await.unwrap();
    assert_eq!(start().await.unwrap().run_id(), first.run_id());
    first.result().await.unwrap();
    assert_eq!(start().await.unwrap().run_id(), first.run_id());
}

#[tokio::test(start_paused = true)]
async fn wid_8_ids_are_checked() {
    let engine = engine().await;
    for id in [String::new(), "x".repeat(1_001)] {
        let error = engine.start_workflow(WAIT, 1).workflow_id(id).await.unwrap_err();
        assert!(matches!(error, StartWorkflowError::InvalidId { .. }), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_workflow_is_refused_with_the_names_that_are() {
    const OTHER: Workflow<(), ()> = Workflow::new("other");
    let error = engine().await.start_workflow(OTHER, ()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "workflow type `other` is not registered; registered are [\"three-steps\", \"wait\"]"
    );
}

#[tokio::test(start_paused = true)]
async fn lim_4_an_argument_that_is_too_large_is_refused() {
    const TEXT: Workflow<String, ()> = Workflow::new("text");
    let engine = TestEngine::builder()
        .payload_bytes_max(100)
        .workflow(TEXT, |_, _| async { Ok(()) })
        .start()
        .await
        .unwrap();
    let error = engine.start_workflow(TEXT, "x".repeat(200)).await.unwrap_err();
    assert!(
        matches!(error, StartWorkflowError::PayloadTooLarge { bytes: 202, limit: 100 }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn starts_beyond_the_limit_of_open_runs_are_refused() {
    let engine = TestEngine::builder().open_runs_max(2).workflow(WAIT, wait).start().await.unwrap();
    let first = engine.start_workflow(WAIT, 1).await.unwrap();
    engine.start_workflow(WAIT, 1_000_000).await.unwrap();
    let error = engine.start_workflow(WAIT, 1).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::TooManyOpenRuns { limit: 2 }), "{error:?}");
    first.result().await.unwrap();
    while engine.run_actors().await.unwrap().len() > 1 {
        tokio::task::yield_now().await;
    }
    engine.start_workflow(WAIT, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wid_1_a_thousand_concurrent_starts_of_one_id_give_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::builder(directory.path().join("engine"))
        .workflow(WAIT, wait)
        .start()
        .await
        .unwrap();
    let engine = Arc::new(engine);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let engine = Arc::clone(&engine);
        starts.spawn(
            async move { engine.start_workflow(WAIT, 1_000_000).workflow_id("the-one").await },
        );
    }
    let mut started = Vec::new();
    let mut refused = Vec::new();
    while let Some(start) = starts.join_next().await {
        match start.unwrap() {
            Ok(run) => started.push(run.run_id()),
            Err(StartWorkflowError::AlreadyStarted { run_id, .. }) => refused.push(run_id),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(started.len(), 1);
    assert_eq!(refused, vec![started[0]; 999]);
    assert_eq!(engine.run_actors().await.unwrap().len(), 1);
}
