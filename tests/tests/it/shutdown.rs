//! Shutdown in order: told, waited for, cut off, committed, closed.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use entracte::prelude::*;
use entracte::{RunError, StartWorkflowError};
use entracte_testing::TestEngine;
use tokio::sync::Notify;

const WORK: Activity<u64, u64> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(3_600))
    .retry_policy(RetryPolicy::none());
const TWO: Workflow<u64, u64> = Workflow::new("two");

async fn two(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let number = ctx.activity(WORK, number).await?;
    ctx.activity(WORK, number).await
}

/// How the activity behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Works until it is told of the shutdown, then ends with a result.
    Polite,
    /// Never ends.
    Deaf,
    /// Returns at once.
    Quick,
}

async fn engine(directory: &std::path::Path, manner: Manner, runs: &Arc<Notify>) -> Engine {
    let runs = Arc::clone(runs);
    Engine::builder(directory)
        .shutdown_grace(Duration::from_millis(200))
        .workflow(TWO, two)
        .activity(WORK, move |ctx: ActivityContext, number| {
            let runs = Arc::clone(&runs);
            async move {
                runs.notify_one();
                match manner {
                    Manner::Polite => {
                        assert_eq!(ctx.cancelled().await, CancelCause::EngineShutdown);
                    }
                    Manner::Deaf => std::future::pending().await,
                    Manner::Quick => {}
                }
                Ok(number + 1)
            }
        })
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrk_2_an_attempt_that_ends_in_the_grace_counts_and_the_next_one_waits() {
    let directory = tempfile::tempdir().unwrap();
    let runs = Arc::new(Notify::new());
    let first = engine(directory.path(), Manner::Polite, &runs).await;
    first.start_workflow(TWO, 40).workflow_id("two").await.unwrap();
    runs.notified().await;
    first.shutdown().await.unwrap();

    // The lock is free as soon as the shutdown has returned.
    let second = engine(directory.path(), Manner::Quick, &runs).await;
    let run = second.workflow_handle(TWO, "two").await.unwrap();
    // One attempt each: had the second one been started and lost, this would be a failure.
    assert_eq!(run.result().await.unwrap(), 42);
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrk_2_an_attempt_that_outlasts_the_grace_is_cut_off_and_counts_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    let runs = Arc::new(Notify::new());
    let first = engine(directory.path(), Manner::Deaf, &runs).await;
    first.start_workflow(TWO, 40).workflow_id("two").await.unwrap();
    runs.notified().await;
    first.shutdown().await.unwrap();

    let second = engine(directory.path(), Manner::Quick, &runs).await;
    let run = second.workflow_handle(TWO, "two").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "attempt lost: the engine stopped while it ran");
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_shut_down_refuses_everything_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let runs = Arc::new(Notify::new());
    let engine = engine(directory.path(), Manner::Quick, &runs).await;
    let run = engine.start_workflow(TWO, 40).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    engine.shutdown().await.unwrap();
    let error = engine.start_workflow(TWO, 1).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::EngineStopped(_)), "{error:?}");
    assert_eq!(error.to_string(), "the engine has stopped: it was shut down");
    let error = run.describe().await.unwrap_err();
    assert!(matches!(error, RunError::EngineStopped(_)), "{error:?}");
    assert!(engine.shutdown().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_and_opening_again_many_times_never_finds_the_lock_taken() {
    let directory = tempfile::tempdir().unwrap();
    let runs = Arc::new(Notify::new());
    for number in 0..20 {
        let engine = engine(directory.path(), Manner::Quick, &runs).await;
        let run = engine.start_workflow(TWO, number).await.unwrap();
        assert_eq!(run.result().await.unwrap(), number + 2);
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_attempt_that_holds_its_thread_does_not_hold_the_shutdown_up() {
    const BLOCK: Activity<(), ()> =
        Activity::new("block").start_to_close_timeout(Duration::from_secs(3_600));
    const BLOCKED: Workflow<(), ()> = Workflow::new("blocked");
    let directory = tempfile::tempdir().unwrap();
    let begun = Arc::new(Notify::new());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let engine = Engine::builder(directory.path())
        .shutdown_grace(Duration::from_millis(100))
        .workflow(BLOCKED, |ctx: WorkflowContext, ()| async move { ctx.activity(BLOCK, ()).await })
        .activity(BLOCK, {
            let begun = Arc::clone(&begun);
            move |_: ActivityContext, ()| {
                let (begun, released) = (Arc::clone(&begun), Arc::clone(&released));
                async move {
                    begun.notify_one();
                    // Code that does not yield cannot be cut off, only be left behind.
                    let _ = released.lock().unwrap().recv();
                    Ok(())
                }
            }
        })
        .start()
        .await
        .unwrap();
    engine.start_workflow(BLOCKED, ()).await.unwrap();
    begun.notified().await;
    let result = tokio::time::timeout(Duration::from_secs(5), engine.shutdown()).await;
    drop(release);
    result.expect("the shutdown comes to its end").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_shut_down_at_once_both_wait_until_the_store_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let runs = Arc::new(Notify::new());
    let engine = engine(directory.path(), Manner::Polite, &runs).await;
    engine.start_workflow(TWO, 40).await.unwrap();
    runs.notified().await;
    let (one, other) = tokio::join!(engine.shutdown(), engine.shutdown());
    assert!(one.is_ok() && other.is_ok(), "{one:?} and {other:?}");
}

#[tokio::test]
async fn a_shutdown_that_nobody_waits_for_any_more_can_be_asked_for_again() {
    for polls in 1..100 {
        let engine = TestEngine::builder().start().await.unwrap();
        let mut first = Box::pin(engine.shutdown());
        let mut ended = None;
        for _ in 0..polls {
            let poll = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await;
            if let Poll::Ready(result) = poll {
                ended = Some(result);
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(first);
        if let Some(result) = ended {
            result.unwrap();
            assert!(polls > 3, "it was never given up in the middle");
            return;
        }
        match engine.shutdown().await {
            Ok(()) => {}
            Err(error) => assert_eq!(error.to_string(), "the engine has stopped: it was shut down"),
        }
    }
    panic!("it never ended");
}
