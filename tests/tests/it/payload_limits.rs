//! No payload is larger than the engine's option says (rule LIM-4).

use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::TestEngine;

const COUNT: Activity<Vec<u8>, usize> =
    Activity::new("count").start_to_close_timeout(Duration::from_secs(30));
const PASS_ON: Workflow<usize, usize> = Workflow::new("pass-on");
const MAKE: Workflow<usize, Vec<u8>> = Workflow::new("make");

async fn small_payloads() -> Engine {
    TestEngine::builder()
        .payload_bytes_max(1_000)
        .workflow(PASS_ON, |ctx: WorkflowContext, bytes| async move {
            ctx.activity(COUNT, vec![0; bytes]).await
        })
        .workflow(MAKE, |_: WorkflowContext, bytes| async move { Ok(vec![0; bytes]) })
        .activity(COUNT, |_: ActivityContext, bytes: Vec<u8>| async move { Ok(bytes.len()) })
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn lim_4_an_argument_of_an_activity_is_not_larger_than_allowed() {
    let engine = small_payloads().await;
    let run = engine.start_workflow(PASS_ON, 10_000).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
    assert!(!matches!(result, Ok(Ok(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_result_of_a_workflow_is_not_larger_than_allowed() {
    let engine = small_payloads().await;
    let run = engine.start_workflow(MAKE, 10_000).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
    assert!(!matches!(result, Ok(Ok(_))), "a result of 10,000 bytes came through");
}
