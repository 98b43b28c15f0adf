//! Panic hooks of the user's: called as if ours was not there. A hook belongs to the whole
//! process, so this test has one of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::EventAttributes;
use entracte::prelude::*;
use entracte_testing::TestEngine;

const WORK: Activity<(), ()> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(10))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(2));
const CALL: Workflow<(), ()> = Workflow::new("call");

/// Sets a hook that counts, and hands on to the one before it.
fn count_panics() -> Arc<AtomicU32> {
    let count = Arc::new(AtomicU32::new(0));
    let (counter, earlier) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        counter.fetch_add(1, Ordering::SeqCst);
        earlier(info);
    }));
    count
}

/// Runs an activity that panics in both of its attempts; gives where the first one did.
async fn panic_twice() -> String {
    let engine = TestEngine::builder()
        .workflow(CALL, |ctx: WorkflowContext, ()| async move { ctx.activity(WORK, ()).await })
        .activity(WORK, |_, ()| async { panic!("this one counts") })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    run.result().await.unwrap_err();
    let history = run.history().await.unwrap();
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    started.last_failure.as_ref().unwrap().stack_trace().to_owned()
}

#[tokio::test(start_paused = true)]
async fn fail_3_hooks_that_are_set_before_and_after_ours_are_called() {
    let before = count_panics();
    assert!(panic_twice().await.contains("panic_hook.rs:"));
    assert_eq!(before.load(Ordering::SeqCst), 2);
    let after = count_panics();
    // It hands on to ours, so nothing is lost.
    assert!(panic_twice().await.contains("panic_hook.rs:"));
    assert_eq!((before.load(Ordering::SeqCst), after.load(Ordering::SeqCst)), (4, 2));
    // One that hands on to nobody takes the place with it, and nothing else.
    std::panic::set_hook(Box::new(|_| ()));
    assert_eq!(panic_twice().await, "");
}
