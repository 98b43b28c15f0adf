//! Signals: kept in order, acknowledged when durable, and taken once for each request.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::keys::{HistoryKey, InboxKey, Key, RunKey};
use entracte::store::{Batch, MemoryStore, Persist, Space, Store, StoreExt};
use entracte::{EventId, EventType, ParkCause, RunError, TurnFailure};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use entracte_tests::look::{assert_well_formed, event_types};

pub(crate) const ADD: Signal<u64> = Signal::new("add");
pub(crate) const STOP: Signal<()> = Signal::new("stop");
/// Gives back all that was added until it was told to stop.
pub(crate) const COLLECT: Workflow<(), Vec<u64>> = Workflow::new("collect");

pub(crate) async fn collect(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u64>> {
    let (mut added, mut stops) = (ctx.signals(ADD), ctx.signals(STOP));
    let mut all = Vec::new();
    loop {
        select! {
            number = added.recv() => all.push(number),
            () = stops.recv() => break,
        }
    }
    while let Some(number) = added.try_recv() {
        all.push(number);
    }
    Ok(all)
}

/// Panics until its code is mended.
async fn broken(_ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u64>> {
    panic!("there is no code yet")
}

async fn engine(store: &Arc<dyn Store>) -> Engine {
    TestEngine::on_store(Arc::clone(store)).workflow(COLLECT, collect).start().await.unwrap()
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn start(engine: &Engine) -> WorkflowHandle<Vec<u64>> {
    engine.start_workflow(COLLECT, ()).workflow_id("one").await.unwrap()
}

async fn find(engine: &Engine) -> WorkflowHandle<Vec<u64>> {
    engine.workflow_handle(COLLECT, "one").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn sig_1_an_acknowledged_signal_is_an_event_and_one_of_an_unknown_name_is_kept() {
    let engine = engine(&memory()).await;
    let run = start(&engine).await;
    let unknown: Signal<String> = Signal::new("of no use");
    run.signal(unknown, "hello".to_owned()).await.unwrap();
    run.signal(ADD, 7).await.unwrap();
    run.signal(STOP, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), [7]);
    let history = run.history().await.unwrap();
    assert_well_formed(&history);
    let signaled = EventType::WorkflowExecutionSignaled;
    assert_eq!(
        event_types(&history),
        [
            EventType::WorkflowExecutionStarted,
            signaled,
            signaled,
            signaled,
            EventType::WorkflowExecutionCompleted
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn sig_1_a_run_that_nothing_else_would_open_is_opened_by_a_signal() {
    let store = memory();
    let first = engine(&store).await;
    start(&first).await.signal(ADD, 1).await.unwrap();
    drop(first);
    let second = engine(&store).await;
    assert_eq!(second.run_actors().await.unwrap().len(), 0, "nothing is pending for the run");
    let run = find(&second).await;
    run.signal(ADD, 2).await.unwrap();
    run.signal(STOP, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn sig_2_signals_of_each_sender_are_read_in_order() {
    let engine = engine(&memory()).await;
    let run = start(&engine).await;
    let senders: Vec<_> = (0..40_u64)
        .map(|sender| {
            let run = run.clone();
            tokio::spawn(async move {
                for number in 0..25 {
                    run.signal(ADD, sender * 1_000 + number).await.unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    run.signal(STOP, ()).await.unwrap();
    let all = run.result().await.unwrap();
    assert_eq!(all.len(), 1_000);
    for sender in 0..40 {
        let of_sender: Vec<_> = all.iter().filter(|number| *number / 1_000 == sender).collect();
        assert!(of_sender.is_sorted() && of_sender.len() == 25, "{of_sender:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sig_3_a_repeated_request_changes_nothing_not_even_after_a_restart() {
    let store = memory();
    let first = engine(&store).await;
    let run = start(&first).await;
    for _ in 0..2 {
        run.signal(ADD, 1).request_id("one").await.unwrap();
    }
    drop(first);
    let second = engine(&store).await;
    let run = find(&second).await;
    run.signal(ADD, 1).request_id("one").await.unwrap();
    run.signal(STOP, ()).request_id("stop").await.unwrap();
    assert_eq!(run.result().await.unwrap(), [1]);
    // What became of a signal can be asked when the run is closed, here and after a restart.
    for _ in 0..2 {
        run.signal(ADD, 1).request_id("one").await.unwrap();
    }
    drop(second);
    let third = engine(&store).await;
    let run = find(&third).await;
    run.signal(STOP, ()).request_id("stop").await.unwrap();
    let error = run.signal(ADD, 2).request_id("two").await.unwrap_err();
    assert!(matches!(error, SignalError::AlreadyClosed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn sig_4_a_closed_and_an_unknown_run_refuse_signals() {
    let one = engine(&memory()).await;
    let run = start(&one).await;
    run.signal(STOP, ()).await.unwrap();
    run.result().await.unwrap();
    let error = run.signal(ADD, 1).await.unwrap_err();
    assert!(matches!(error, SignalError::AlreadyClosed { .. }), "{error:?}");
    assert!(error.to_string().contains("already completed"), "{error}");
    let error = one.workflow_handle(COLLECT, "unknown").await.unwrap_err();
    assert!(matches!(error, RunError::NotFound(_)), "{error:?}");
    one.shutdown().await.unwrap();
    let error = run.signal(ADD, 1).await.unwrap_err();
    assert!(matches!(error, SignalError::EngineStopped(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn sig_4_a_run_whose_start_was_lost_refuses_signals() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let store: Arc<dyn Store> = disk.reopen();
    let engine = engine(&store).await;
    let run = start(&engine).await;
    // As if the run had been removed: no row of it is left, and it is not in memory.
    let key = RunKey { run_id: run.run_id() }.encode();
    for (_, actor) in engine.run_actors().await.unwrap() {
        let mut batch = Batch::new();
        batch.delete(Space::State, key.clone());
        store.commit(batch, Persist::Sync).await.unwrap();
        actor.kill();
    }
    let error = run.signal(ADD, 1).await.unwrap_err();
    assert!(matches!(error, SignalError::NotFound(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn sig_5_a_run_takes_so_many_signals_and_no_more() {
    let builder = TestEngine::builder().signals_max(3).workflow(COLLECT, collect);
    let engine = builder.start().await.unwrap();
    let run = start(&engine).await;
    for number in 0..3_u64 {
        run.signal(ADD, number).request_id(number.to_string()).await.unwrap();
    }
    let error = run.signal(ADD, 3).await.unwrap_err();
    assert!(matches!(error, SignalError::TooManySignals { limit: 3, .. }), "{error:?}");
    // One that was taken before is no further one.
    run.signal(ADD, 2).request_id("2").await.unwrap();
    assert_eq!(run.describe().await.unwrap().signals.received, 3);
}

#[tokio::test(start_paused = true)]
async fn sig_5_what_a_parked_run_keeps_is_limited_too() {
    let builder = TestEngine::builder().signals_max(3).workflow(COLLECT, broken);
    let engine = builder.start().await.unwrap();
    let run = start(&engine).await;
    for number in 0..3 {
        run.signal(ADD, number).await.unwrap();
    }
    let error = run.signal(ADD, 3).await.unwrap_err();
    assert!(matches!(error, SignalError::TooManySignals { limit: 3, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn lim_4_a_signal_is_not_larger_than_allowed() {
    let builder = TestEngine::builder().payload_bytes_max(100).workflow(COLLECT, collect);
    let engine = builder.start().await.unwrap();
    let run = start(&engine).await;
    let note: Signal<String> = Signal::new("note");
    let error = run.signal(note, "x".repeat(200)).await.unwrap_err();
    assert!(matches!(error, SignalError::PayloadTooLarge { limit: 100, .. }), "{error:?}");
    let nameless: Signal<()> = Signal::new("");
    let error = run.signal(nameless, ()).await.unwrap_err();
    assert!(matches!(error, SignalError::InvalidId { .. }), "{error:?}");
    let error = run.signal(STOP, ()).request_id("").await.unwrap_err();
    assert!(matches!(error, SignalError::InvalidId { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_keeps_signals_and_sees_all_of_them_when_it_is_mended() {
    let store = memory();
    let first = TestEngine::on_store(Arc::clone(&store)).workflow(COLLECT, broken);
    let first = first.start().await.unwrap();
    let run = start(&first).await;
    // The stop first: the others are acknowledged before it has had its turn, and so are seen.
    run.signal(STOP, ()).await.unwrap();
    for number in 0..5_u64 {
        for _ in 0..2 {
            run.signal(ADD, number).request_id(number.to_string()).await.unwrap();
        }
    }
    let description = run.describe().await.unwrap();
    assert!(description.parked.is_some());
    assert_eq!((description.signals.received, description.signals.waiting), (0, 6));
    drop(first);
    check_store(&*store).unwrap();
    let second = engine(&store).await;
    let run = find(&second).await;
    assert_eq!(run.result().await.unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(store.inbox(run.run_id()).unwrap(), []);
    check_store(&*store).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_with_signals_can_be_terminated() {
    let builder = TestEngine::builder().workflow(COLLECT, broken);
    let engine = builder.start().await.unwrap();
    let run = start(&engine).await;
    run.signal(ADD, 1).await.unwrap();
    run.terminate("never").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error:?}");
    let error = run.signal(ADD, 2).await.unwrap_err();
    assert!(matches!(error, SignalError::AlreadyClosed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_of_another_type_parks_the_run_and_is_read_by_mended_code() {
    let store = memory();
    let first = engine(&store).await;
    let run = start(&first).await;
    let as_text: Signal<String> = Signal::new("add");
    run.signal(as_text, "5".to_owned()).await.unwrap();
    run.signal(ADD, 6).await.unwrap();
    let description = run.describe().await.unwrap();
    let cause = description.parked.map(|parked| parked.cause);
    let Some(ParkCause::Turn { failure }) = cause else { panic!("{cause:?}") };
    assert!(matches!(failure, TurnFailure::SignalUndecodable { .. }), "{failure:?}");
    run.signal(STOP, ()).await.unwrap();
    drop(first);
    async fn tolerant(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u64>> {
        let (mut added, mut stops) = (ctx.signals(ADD), ctx.signals(STOP));
        let mut all = Vec::new();
        loop {
            select! {
                number = added.recv_checked() => all.push(number.unwrap_or(0)),
                () = stops.recv() => return Ok(all),
            }
        }
    }
    let second = TestEngine::on_store(store).workflow(COLLECT, tolerant).start().await.unwrap();
    assert_eq!(find(&second).await.result().await.unwrap(), [0, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_description_tells_what_is_unread_and_what_is_awaited() {
    for replay in [true, false] {
        let builder = TestEngine::builder().replay_every_event(replay);
        let engine = builder.workflow(COLLECT, collect).start().await.unwrap();
        let run = start(&engine).await;
        let unknown: Signal<()> = Signal::new("of no use");
        run.signal(unknown, ()).await.unwrap();
        run.signal(ADD, 1).await.unwrap();
        // An answer waits for what was acknowledged before.
        run.history().await.unwrap();
        let mut signals = run.describe().await.unwrap().signals;
        while signals.received < 2 {
            tokio::task::yield_now().await;
            signals = run.describe().await.unwrap().signals;
        }
        let unread: Vec<_> =
            signals.unread.iter().map(|unread| (&*unread.signal_name, unread.count)).collect();
        assert_eq!(unread, [("of no use", 1)]);
        let awaited: Vec<_> = signals.awaited.iter().map(|wait| &*wait.signal_name).collect();
        assert_eq!(awaited, ["add", "stop"]);
        assert!(signals.awaited[0].source.to_string().contains("signals.rs:"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_still_takes_signals() {
    let engine = engine(&memory()).await;
    let run = start(&engine).await;
    run.cancel("enough").await.unwrap();
    run.signal(ADD, 1).await.unwrap();
    run.signal(STOP, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_to_a_run_whose_history_cannot_be_read_is_a_named_error() {
    let store = memory();
    let first = engine(&store).await;
    let run = start(&first).await;
    run.signal(ADD, 1).await.unwrap();
    drop(first);
    let mut batch = Batch::new();
    let key = HistoryKey { run_id: run.run_id(), event_id: EventId::FIRST }.encode();
    batch.put(Space::History, key, "no event");
    store.commit(batch, Persist::Sync).await.unwrap();
    let second = engine(&store).await;
    let run = find(&second).await;
    let error = run.signal(ADD, 2).await.unwrap_err();
    assert!(matches!(error, SignalError::HistoryUnusable { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_over_what_cannot_be_read_of_an_inbox() {
    let store = memory();
    let first = TestEngine::on_store(Arc::clone(&store)).workflow(COLLECT, broken);
    let first = first.start().await.unwrap();
    let run = start(&first).await;
    run.signal(ADD, 1).await.unwrap();
    drop(first);
    let place = |sequence| InboxKey { run_id: run.run_id(), sequence }.encode();
    let mut batch = Batch::new();
    batch.put(Space::State, place(1), "no row");
    store.commit(batch, Persist::Sync).await.unwrap();
    let first_row = store.get(Space::State, &place(0)).unwrap();

    let second = engine(&store).await;
    let run = find(&second).await;
    let error = run.signal(ADD, 2).await.unwrap_err();
    assert!(matches!(error, SignalError::HistoryUnusable { .. }), "{error:?}");
    let error = run.cancel("enough").await.unwrap_err();
    assert!(matches!(error, RunError::HistoryUnusable { .. }), "{error:?}");
    assert_eq!(store.get(Space::State, &place(0)).unwrap(), first_row);
    run.terminate("it is damaged").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error:?}");
    check_store(&*store).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_start_cannot_be_read_says_so_to_whoever_ends_it() {
    let store = memory();
    let first = TestEngine::on_store(Arc::clone(&store)).workflow(COLLECT, broken);
    let first = first.start().await.unwrap();
    let run = start(&first).await;
    drop(first);
    let key = InboxKey { run_id: run.run_id(), sequence: 0 }.encode();
    let mut batch = Batch::new();
    batch.put(Space::State, key, "no row");
    store.commit(batch, Persist::Sync).await.unwrap();
    let second = engine(&store).await;
    let error = find(&second).await.terminate("it is damaged").await.unwrap_err();
    assert!(matches!(error, RunError::HistoryUnusable { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn signals_keep_the_engine_time_in_order() {
    let engine = engine(&memory()).await;
    let run = start(&engine).await;
    for number in 0..3 {
        run.signal(ADD, number).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    run.signal(STOP, ()).await.unwrap();
    run.result().await.unwrap();
    assert_well_formed(&run.history().await.unwrap());
}
