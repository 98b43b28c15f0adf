//! Queries of published state: durable, and answered without the workflow's code.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::keys::PublishedKey;
use entracte::store::{MemoryStore, Store, StoreExt};
use entracte::{ParkCause, TurnFailure};
use entracte_testing::crash::one_life;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};

const STATUS: Query<String> = Query::new("status");
const ROUNDS: Query<u64> = Query::new("rounds");
const GO: Signal<u64> = Signal::new("go");
const WALK: Workflow<u64, u64> = Workflow::new("walk");

/// Publishes each step that it is told to take, and stops after so many.
async fn walk(ctx: WorkflowContext, rounds: u64) -> WorkflowResult<u64> {
    ctx.publish(STATUS, "about to go".to_owned());
    let mut steps = ctx.signals(GO);
    let mut sum = 0;
    for round in 0..rounds {
        ctx.publish(STATUS, format!("waits for step {round}"));
        sum += steps.recv().await;
        ctx.publish(ROUNDS, round + 1);
    }
    ctx.publish(STATUS, "there".to_owned());
    Ok(sum)
}

async fn engine(store: &Arc<dyn Store>) -> Engine {
    TestEngine::on_store(Arc::clone(store)).workflow(WALK, walk).start().await.unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn start(engine: &Engine) -> WorkflowHandle<u64> {
    engine.start_workflow(WALK, 2).workflow_id("one").await.unwrap()
}

async fn find(engine: &Engine) -> WorkflowHandle<u64> {
    engine.workflow_handle(WALK, "one").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn qry_1_the_last_published_value_is_there_while_the_run_is_open_and_when_it_is_closed() {
    let store = memory();
    let first = engine(&store).await;
    let run = start(&first).await;
    assert_eq!(run.query(STATUS).await.unwrap(), "waits for step 0");
    run.signal(GO, 3).await.unwrap();
    assert_eq!(run.query(STATUS).await.unwrap(), "waits for step 1");
    assert_eq!(run.query(ROUNDS).await.unwrap(), 1);
    run.signal(GO, 4).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
    assert_eq!(run.query(STATUS).await.unwrap(), "there");
    drop(first);
    // Nor is the workflow's code needed.
    let second = TestEngine::on_store(store).start().await.unwrap();
    let run = find(&second).await;
    assert_eq!(run.query(STATUS).await.unwrap(), "there");
    assert_eq!(run.query(ROUNDS).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn qry_1_a_query_opens_no_run_and_runs_no_code() {
    let store = memory();
    let first = engine(&store).await;
    start(&first).await;
    drop(first);
    let second = TestEngine::on_store(store).start().await.unwrap();
    let run = find(&second).await;
    assert_eq!(run.query(STATUS).await.unwrap(), "waits for step 0");
    assert_eq!(second.journal_stats().replays, 0);
    assert_eq!(second.run_actors().await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn qry_1_a_parked_run_answers_with_what_it_published_last() {
    let store = memory();
    let first = engine(&store).await;
    start(&first).await.signal(GO, 3).await.unwrap();
    drop(first);
    async fn broken(_ctx: WorkflowContext, _rounds: u64) -> WorkflowResult<u64> {
        panic!("there is no code yet")
    }
    let second = TestEngine::on_store(Arc::clone(&store)).workflow(WALK, broken);
    let second = second.start().await.unwrap();
    let run = find(&second).await;
    run.signal(GO, 4).await.unwrap();
    assert!(run.describe().await.unwrap().parked.is_some());
    assert_eq!(run.query(STATUS).await.unwrap(), "waits for step 1");
    drop(second);
    let third = engine(&store).await;
    let run = find(&third).await;
    assert_eq!(run.result().await.unwrap(), 7);
    assert_eq!(run.query(STATUS).await.unwrap(), "there");
}

#[tokio::test(start_paused = true)]
async fn qry_2_an_answer_shows_what_followed_from_an_acknowledged_signal() {
    for seed in 0..10 {
        let delay_max = Duration::from_millis(100);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let engine = TestEngine::on_store(disk.reopen())
            .replay_every_event(seed.is_multiple_of(2))
            .workflow(WALK, walk)
            .start()
            .await
            .unwrap();
        let run = engine.start_workflow(WALK, 1_000).await.unwrap();
        for round in 1..50 {
            // Two at once: the second waits while the first one's turn is being committed.
            let (one, other) =
                tokio::join!(run.signal(GO, 1).into_future(), run.signal(GO, 1).into_future());
            one.unwrap();
            other.unwrap();
            assert_eq!(run.query(ROUNDS).await.unwrap(), 2 * round, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn qry_3_what_was_not_published_is_a_named_error() {
    let engine = engine(&memory()).await;
    let run = start(&engine).await;
    let error = run.query(ROUNDS).await.unwrap_err();
    let QueryError::NotPublished { published, .. } = &error else { panic!("{error:?}") };
    assert_eq!(published, &["status"]);
    assert!(error.to_string().contains("it has published [status]"), "{error}");
    let as_number: Query<u64> = Query::new("status");
    let error = run.query(as_number).await.unwrap_err();
    assert!(matches!(error, QueryError::Decode { .. }), "{error:?}");
    engine.shutdown().await.unwrap();
    let error = run.query(STATUS).await.unwrap_err();
    assert!(matches!(error, QueryError::EngineStopped(_)), "{error:?}");
}

#[test]
fn an_answer_shows_nothing_that_is_not_durable() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let started = one_life(&disk, async |store| {
        let store: Arc<dyn Store> = store;
        let engine = engine(&store).await;
        let run = start(&engine).await;
        disk.hold();
        let signal = tokio::spawn(run.signal(GO, 3).into_future());
        let hour = Duration::from_secs(3_600);
        let query = tokio::time::timeout(hour, run.query(ROUNDS)).await;
        // Either it waits for the commit, or it shows what was before.
        assert!(!matches!(query, Ok(Ok(_))), "{query:?}");
        signal.abort();
    });
    started.unwrap().unwrap();
    disk.release();
    let after = one_life(&disk, async |store| {
        let store: Arc<dyn Store> = store;
        let engine = engine(&store).await;
        let run = find(&engine).await;
        run.query(STATUS).await.unwrap()
    });
    assert!(after.unwrap().unwrap().starts_with("waits for step"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_publishes_nothing_again() {
    let store = memory();
    let first = engine(&store).await;
    let run = start(&first).await;
    run.signal(GO, 3).await.unwrap();
    run.query(ROUNDS).await.unwrap();
    let key = PublishedKey { run_id: run.run_id(), name: "rounds".to_owned() };
    let row = store.get_published(&key).unwrap();
    drop(first);
    let second = engine(&store).await;
    let run = find(&second).await;
    // Opens the run, with a replay.
    let unknown: Signal<()> = Signal::new("of no use");
    run.signal(unknown, ()).await.unwrap();
    assert!(second.journal_stats().replays > 0);
    assert_eq!(store.get_published(&key).unwrap(), row);
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_value_that_is_too_large_to_publish_parks_the_run() {
    let store = memory();
    let builder = |bytes| {
        TestEngine::on_store(Arc::clone(&store)).payload_bytes_max(bytes).workflow(
            WALK,
            |ctx: WorkflowContext, rounds: u64| async move {
                ctx.publish(STATUS, "x".repeat(200));
                Ok(rounds)
            },
        )
    };
    let first = builder(100).start().await.unwrap();
    let run = start(&first).await;
    let cause = run.describe().await.unwrap().parked.map(|parked| parked.cause);
    let Some(ParkCause::Turn { failure }) = cause else { panic!("{cause:?}") };
    assert!(matches!(failure, TurnFailure::PublishedTooLarge { limit: 100, .. }), "{failure:?}");
    let error = run.query(STATUS).await.unwrap_err();
    assert!(matches!(error, QueryError::NotPublished { .. }), "{error:?}");
    drop(first);
    let second = builder(1_000).start().await.unwrap();
    let run = find(&second).await;
    assert_eq!(run.result().await.unwrap(), 2);
    assert_eq!(run.query(STATUS).await.unwrap().len(), 200);
}
