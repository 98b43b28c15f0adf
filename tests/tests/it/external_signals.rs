//! Signals from one workflow to another arrive once, whatever crashes (rule SIG-9).

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Store, StoreExt};
use entracte::{EngineBuilder, EventAttributes, EventType, RunId};
use entracte_testing::crash::CrashTest;
use entracte_testing::{
    Outcome, SimulatedDisk, SimulatedOptions, TestEngine, Witness, check_store,
};
use entracte_tests::look::event_types;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::signals::{ADD, COLLECT, STOP, collect};

/// Sends numbers to a workflow and tells it to stop; gives the type of the first failure.
const SEND: Workflow<(String, u64), String> = Workflow::new("send");

async fn send(ctx: WorkflowContext, (to, numbers): (String, u64)) -> WorkflowResult<String> {
    let other = ctx.external_workflow(to);
    for number in 0..numbers {
        if let Err(failure) = other.signal(ADD, number).await {
            return Ok(failure.application_type().unwrap_or("?").to_owned());
        }
    }
    match other.signal(STOP, ()).await {
        Ok(()) => Ok("sent".to_owned()),
        Err(failure) => Ok(failure.application_type().unwrap_or("?").to_owned()),
    }
}

fn set_up(builder: EngineBuilder) -> EngineBuilder {
    builder.workflow(COLLECT, collect).workflow(SEND, send)
}

fn input(to: &str, numbers: u64) -> (String, u64) {
    (to.to_owned(), numbers)
}

#[tokio::test(start_paused = true)]
async fn sig_9_a_signal_to_another_workflow_is_acknowledged_by_it() {
    let engine = set_up(TestEngine::builder()).start().await.unwrap();
    let receiver = engine.start_workflow(COLLECT, ()).workflow_id("to").await.unwrap();
    let sender = engine.start_workflow(SEND, input("to", 2)).await.unwrap();
    assert_eq!(sender.result().await.unwrap(), "sent");
    assert_eq!(receiver.result().await.unwrap(), [0, 1]);
    let history = sender.history().await.unwrap();
    let (initiated, signaled) = (
        EventType::SignalExternalWorkflowExecutionInitiated,
        EventType::ExternalWorkflowExecutionSignaled,
    );
    assert_eq!(
        event_types(&history),
        [
            EventType::WorkflowExecutionStarted,
            initiated,
            signaled,
            initiated,
            signaled,
            initiated,
            signaled,
            EventType::WorkflowExecutionCompleted,
        ]
    );
    let EventAttributes::SignalExternalWorkflowExecutionInitiated(sent) = &history[1].attributes
    else {
        panic!("{history:?}")
    };
    assert_eq!(sent.run_id, Some(receiver.run_id()));
}

#[tokio::test(start_paused = true)]
async fn sig_9_a_workflow_without_an_open_run_is_not_found() {
    let engine = set_up(TestEngine::builder()).start().await.unwrap();
    let sender = engine.start_workflow(SEND, input("nobody", 1)).await.unwrap();
    assert_eq!(sender.result().await.unwrap(), "ExternalWorkflowNotFound");
    let receiver = engine.start_workflow(COLLECT, ()).workflow_id("to").await.unwrap();
    receiver.signal(STOP, ()).await.unwrap();
    receiver.result().await.unwrap();
    let sender = engine.start_workflow(SEND, input("to", 1)).await.unwrap();
    assert_eq!(sender.result().await.unwrap(), "ExternalWorkflowNotFound");
    let failed = EventType::SignalExternalWorkflowExecutionFailed;
    assert_eq!(event_types(&sender.history().await.unwrap())[2], failed);
}

#[tokio::test(start_paused = true)]
async fn sig_9_the_limit_of_the_receiver_is_told() {
    let engine = set_up(TestEngine::builder().signals_max(2)).start().await.unwrap();
    engine.start_workflow(COLLECT, ()).workflow_id("to").await.unwrap();
    let sender = engine.start_workflow(SEND, input("to", 5)).await.unwrap();
    assert_eq!(sender.result().await.unwrap(), "SignalCountLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn sig_9_a_parked_receiver_acknowledges() {
    let broken = |_ctx: WorkflowContext, (): ()| async move { panic!("there is no code yet") };
    let engine = set_up(TestEngine::builder()).workflow(COLLECT, broken).start().await.unwrap();
    let receiver = engine.start_workflow(COLLECT, ()).workflow_id("to").await.unwrap();
    let sender = engine.start_workflow(SEND, input("to", 2)).await.unwrap();
    assert_eq!(sender.result().await.unwrap(), "sent");
    assert_eq!(receiver.describe().await.unwrap().signals.waiting, 3);
}

#[tokio::test(start_paused = true)]
async fn sig_9_a_workflow_can_signal_itself() {
    const SELF: Workflow<(), u64> = Workflow::new("self");
    let builder = TestEngine::builder().workflow(SELF, |ctx: WorkflowContext, (): ()| async move {
        let mut added = ctx.signals(ADD);
        ctx.external_workflow(ctx.workflow_id().as_str()).signal(ADD, 5).await?;
        Ok(added.recv().await)
    });
    let engine = builder.start().await.unwrap();
    let run = engine.start_workflow(SELF, ()).workflow_id("me").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_signal_that_is_too_large_ends_its_sender() {
    const BIG: Workflow<(), ()> = Workflow::new("big");
    const NOTE: Signal<String> = Signal::new("note");
    let builder = set_up(TestEngine::builder().payload_bytes_max(100));
    let engine = builder
        .workflow(BIG, |ctx: WorkflowContext, (): ()| async move {
            ctx.external_workflow("to").signal(NOTE, "x".repeat(200)).await
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(BIG, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error:?}");
}

#[test]
fn sig_9_signals_between_workflows_arrive_once_whichever_commit_crashes() {
    for (durability, replay) in [
        (Durability::Sync, true),
        (Durability::Sync, false),
        (Durability::Interval(Duration::from_secs(1)), true),
        (Durability::OsBuffered, false),
    ] {
        let set_up = |builder: EngineBuilder| {
            set_up(builder).durability(durability).replay_every_event(replay)
        };
        let report = CrashTest::new(set_up, async |engine| {
            let receiver = engine.start_workflow(COLLECT, ()).workflow_id("a-to").request_id("to");
            receiver.await?;
            let sender = engine.start_workflow(SEND, input("a-to", 3)).workflow_id("b-from");
            sender.request_id("from").await?;
            Ok(())
        })
        .run()
        .unwrap_or_else(|failure| panic!("{durability}, replay {replay}: {failure}"));
        let outcomes: Vec<_> = report.outcomes.values().flatten().collect();
        let [Outcome::Completed(to), Outcome::Completed(from)] = outcomes.as_slice() else {
            panic!("{outcomes:?}")
        };
        assert_eq!(to.decode::<Vec<u64>>().unwrap(), [0, 1, 2]);
        assert_eq!(from.decode::<String>().unwrap(), "sent");
    }
}

/// Sends without waiting for an answer: all signals and the close are one turn. What is dropped
/// in the turn that sends it vanishes, so it is kept.
const SEND_AND_CLOSE: Workflow<(String, u64), ()> = Workflow::new("send-and-close");

async fn send_and_close(ctx: WorkflowContext, (to, numbers): (String, u64)) -> WorkflowResult<()> {
    let other = ctx.external_workflow(to);
    let mut signals: Vec<_> = (0..numbers).map(|number| other.signal(ADD, number)).collect();
    signals.push(other.signal(STOP, ()));
    let mut sending = Box::pin(join_all(signals));
    std::future::poll_fn(|task| {
        let _ = sending.as_mut().poll(task);
        std::task::Poll::Ready(())
    })
    .await;
    std::mem::forget(sending);
    Ok(())
}

#[test]
fn sig_9_what_a_closing_workflow_sends_arrives_once_whichever_commit_crashes() {
    let set_up = |builder: EngineBuilder| {
        builder.workflow(COLLECT, collect).workflow(SEND_AND_CLOSE, send_and_close)
    };
    let report = CrashTest::new(set_up, async |engine| {
        let receiver = engine.start_workflow(COLLECT, ()).workflow_id("to").request_id("to");
        receiver.await?;
        let sender = engine.start_workflow(SEND_AND_CLOSE, input("to", 2));
        sender.workflow_id("from").request_id("from").await?;
        Ok(())
    })
    .run()
    .unwrap();
    assert_eq!(report.outcomes.len(), 2, "{:?}", report.outcomes);
    let outcomes = report.outcomes.values().flatten();
    let results = outcomes.filter_map(|outcome| match outcome {
        Outcome::Completed(result) => result.decode::<Vec<u64>>().ok(),
        _ => panic!("{outcome:?}"),
    });
    assert_eq!(results.collect::<Vec<_>>(), [[0, 1]]);
}

/// What a closed workflow has sent waits with the other signals of a parked run, and comes before
/// anything that could close it; and there are no more of them than of others (rule SIG-5).
#[tokio::test(start_paused = true)]
async fn sig_9_a_parked_receiver_keeps_what_a_closed_workflow_has_sent() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let broken = |_ctx: WorkflowContext, (): ()| async move { panic!("there is no code yet") };
    let first = TestEngine::on_store(Arc::clone(&store)).workflow(COLLECT, broken);
    let first = first.workflow(SEND_AND_CLOSE, send_and_close).signals_max(3);
    let first = first.start().await.unwrap();
    let receiver = first.start_workflow(COLLECT, ()).workflow_id("to").await.unwrap();
    receiver.signal(STOP, ()).await.unwrap();
    let sender = first.start_workflow(SEND_AND_CLOSE, input("to", 2)).await.unwrap();
    sender.result().await.unwrap();
    // The clock goes on when all is quiet.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(receiver.describe().await.unwrap().signals.waiting, 3);
    assert_eq!(store.deliveries(receiver.run_id()).unwrap().len(), 2);
    drop(first);
    check_store(&*store).unwrap();
    let second = set_up(TestEngine::on_store(Arc::clone(&store)));
    let second = second.workflow(SEND_AND_CLOSE, send_and_close).start().await.unwrap();
    let receiver = second.workflow_handle(COLLECT, "to").await.unwrap();
    assert_eq!(receiver.result().await.unwrap(), [0, 1]);
    assert_eq!(store.deliveries(receiver.run_id()).unwrap(), []);
    check_store(&*store).unwrap();
}

#[tokio::test(start_paused = true)]
async fn sig_9_killed_actors_lose_no_signal_and_deliver_none_twice() {
    let mut killed = 0;
    for seed in 0..6 {
        let delay_max = Duration::from_millis(40);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let witness = Witness::new();
        let store = witness.watch(disk.reopen()).unwrap();
        let builder = set_up(TestEngine::on_store(store.clone()));
        let engine = builder.replay_every_event(seed.is_multiple_of(2)).start().await.unwrap();
        let mut receivers = Vec::new();
        let mut senders = Vec::new();
        for number in 0..4 {
            let to = format!("to-{number}");
            let receiver = engine.start_workflow(COLLECT, ()).workflow_id(to.as_str());
            receivers.push(receiver.await.unwrap());
            senders.push(engine.start_workflow(SEND, input(&to, 10)).await.unwrap());
        }
        let all_done = async {
            for sender in &senders {
                assert_eq!(sender.result().await.unwrap(), "sent", "seed {seed}");
            }
            for receiver in &receivers {
                assert_eq!(receiver.result().await.unwrap(), (0..10).collect::<Vec<_>>());
            }
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let killing = async {
            loop {
                sleep(Duration::from_millis(random.random_range(0..100))).await;
                let runs: Vec<(RunId, ractor::ActorCell)> = engine.run_actors().await.unwrap();
                if let Some((_, run)) = runs.choose(&mut random) {
                    run.kill();
                    killed += 1;
                }
            }
        };
        tokio::select! {
            () = all_done => {}
            () = killing => {}
        }
        assert_eq!(witness.violations(), [], "seed {seed}");
        check_store(&*store).unwrap();
    }
    assert!(killed > 30, "{killed}");
}
