//! Recovery: dropping an engine is a crash in miniature, and another one goes on from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::{EngineStopped, EventAttributes, TimeoutType};
use entracte_testing::TestEngine;
use entracte_tests::look::assert_well_formed;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

const WORK: Activity<(), u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(3_600));
const ONCE: Workflow<(), u32> = Workflow::new("once");
const AGAIN: Workflow<(), u32> = Workflow::new("again");

async fn once(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(WORK, ()).retry_policy(RetryPolicy::none()).await
}

async fn again(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    ctx.activity(WORK, ()).await
}

/// An engine whose activity hangs, or returns the number of its attempt.
async fn engine(store: &Arc<dyn Store>, hangs: bool) -> Engine {
    TestEngine::on_store(Arc::clone(store))
        .workflow(ONCE, once)
        .workflow(AGAIN, again)
        .activity(WORK, move |ctx: ActivityContext, ()| async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(ctx.attempt())
        })
        .start()
        .await
        .unwrap()
}

/// Waits until an attempt runs under some run.
async fn attempt_runs(engine: &Engine) {
    loop {
        let runs = engine.run_actors().await.unwrap();
        if runs.iter().any(|(_, actor)| !actor.get_children().is_empty()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_attempt_of_an_activity_with_one_attempt_fails_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store, true).await;
    first.start_workflow(ONCE, ()).workflow_id("once").await.unwrap();
    attempt_runs(&first).await;
    drop(first);
    let second = engine(&store, false).await;
    let run = second.workflow_handle(ONCE, "once").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "attempt lost: the engine stopped while it ran");
    let timeout = error.failure().unwrap().timeout_type();
    assert_eq!(timeout, Some(TimeoutType::StartToClose));
}

#[tokio::test(start_paused = true)]
async fn a_lost_attempt_is_retried_under_its_policy() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = engine(&store, true).await;
    first.start_workflow(AGAIN, ()).workflow_id("again").await.unwrap();
    attempt_runs(&first).await;
    drop(first);
    let second = engine(&store, false).await;
    let run = second.workflow_handle(AGAIN, "again").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    assert!(started.last_failure.as_ref().unwrap().to_string().starts_with("attempt lost"));
}

#[tokio::test(start_paused = true)]
async fn a_killed_attempt_counts_as_lost() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = engine(&store, true).await;
    let run = engine.start_workflow(ONCE, ()).await.unwrap();
    attempt_runs(&engine).await;
    for (_, actor) in engine.run_actors().await.unwrap() {
        actor.get_children().iter().for_each(ractor::ActorCell::kill);
    }
    let error = run.result().await.unwrap_err();
    assert_eq!(error.to_string(), "attempt lost: its actor was stopped while it ran");
}

#[tokio::test(start_paused = true)]
async fn a_killed_run_is_opened_again_and_its_callers_get_their_answer() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = engine(&store, true).await;
    let run = engine.start_workflow(AGAIN, ()).await.unwrap();
    for attempt in 1..=5 {
        loop {
            let description = run.describe().await.unwrap();
            let pending = &description.pending_activities[0];
            if pending.attempt == attempt && pending.started_time.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        attempt_runs(&engine).await;
        let waiting = tokio::spawn({
            let run = run.clone();
            async move { run.result().await }
        });
        for (_, actor) in engine.run_actors().await.unwrap() {
            actor.kill();
        }
        waiting.abort();
    }
    let description = run.describe().await.unwrap();
    assert_eq!(description.status, WorkflowStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_back_off_survives_a_crash_and_only_its_rest_is_waited() {
    const SLOW: Workflow<(), u32> = Workflow::new("slow");
    async fn slow(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
        let policy = RetryPolicy::exponential(Duration::from_secs(100));
        ctx.activity(WORK, ()).retry_policy(policy).await
    }
    let attempts = Arc::new(AtomicU32::new(0));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let start = async || {
        let attempts = Arc::clone(&attempts);
        TestEngine::on_store(Arc::clone(&store))
            .workflow(SLOW, slow)
            .workflow(ONCE, once)
            .activity(WORK, move |ctx: ActivityContext, ()| {
                let attempts = Arc::clone(&attempts);
                async move {
                    if ctx.info().workflow_type.as_ref() == "slow" {
                        attempts.fetch_add(1, Ordering::SeqCst);
                        if ctx.attempt() == 1 {
                            return Err(Failure::application("Flaky", "once"));
                        }
                    }
                    Ok(ctx.attempt())
                }
            })
            .start()
            .await
            .unwrap()
    };
    let first = start().await;
    let run = first.start_workflow(SLOW, ()).workflow_id("slow").await.unwrap();
    while run.describe().await.unwrap().pending_activities[0].attempt == 1 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    // Something is journaled at second 60, so that engine time goes on from there.
    first.start_workflow(ONCE, ()).await.unwrap().result().await.unwrap();
    drop(first);
    let second = start().await;
    let before = tokio::time::Instant::now();
    let run = second.workflow_handle(SLOW, "slow").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
    assert_eq!(before.elapsed().as_secs(), 40);
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn handles_of_a_dropped_engine_say_so() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = engine(&store, true).await;
    let run = engine.start_workflow(AGAIN, ()).await.unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.result().await }
    });
    attempt_runs(&engine).await;
    drop(engine);
    let error = waiting.await.unwrap().unwrap_err();
    let WorkflowError::EngineStopped(EngineStopped { reason }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(reason, "it was dropped or killed");
}

/// A host's supervisor that outlives its children.
struct Host;

impl Actor for Host {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_under_a_host_s_supervisor_dies_with_it_as_in_a_crash() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (host, stopped) = Actor::spawn(None, Host, ()).await.unwrap();
    let supervised = TestEngine::on_store(Arc::clone(&store))
        .supervisor(host.get_cell())
        .workflow(AGAIN, again)
        .activity(WORK, |_, ()| std::future::pending())
        .start()
        .await
        .unwrap();
    let run = supervised.start_workflow(AGAIN, ()).workflow_id("again").await.unwrap();
    attempt_runs(&supervised).await;
    host.kill();
    stopped.await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::EngineStopped(_)), "{error:?}");
    let second = engine(&store, false).await;
    let run = second.workflow_handle(AGAIN, "again").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 2);
}
