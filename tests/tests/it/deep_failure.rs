//! What is written can be read again, whatever users give.

use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::TestEngine;

const FAIL: Activity<(), ()> =
    Activity::new("fail").start_to_close_timeout(Duration::from_secs(30));
const DEEP: Workflow<(), ()> = Workflow::new("deep");

async fn fail_deeply(depth: u32) {
    let engine = TestEngine::builder()
        .workflow(DEEP, |ctx: WorkflowContext, ()| async move { ctx.activity(FAIL, ()).await })
        .activity(FAIL, move |_: ActivityContext, ()| async move {
            let first = Failure::non_retryable("Deep", "the first");
            Err((0..depth).fold(first, |cause, number| {
                Failure::non_retryable("Deep", format!("number {number}")).with_cause(cause)
            }))
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(DEEP, ()).await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(86_400), run.result()).await;
    if let Err(error) = run.history().await {
        panic!("{error}");
    }
    assert!(matches!(result, Ok(Err(WorkflowError::Failed { .. }))));
}

#[test]
fn a_failure_with_a_long_chain_of_causes_leaves_a_history_that_can_be_read() {
    const STACK_BYTES: usize = 512 << 20;
    // On a stack of usual size, 250 causes overflow it already and take the process with them.
    let test = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(fail_deeply(2_000));
    });
    test.unwrap().join().unwrap();
}
