//! Local activities over shutdowns, parked runs and changed code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{Store, StoreExt};
use entracte::verify::verify;
use entracte::{EventType, ParkCause, PendingActivityState};
use entracte_testing::{SimulatedDisk, TestEngine};
use entracte_tests::look::{assert_well_formed, event_types};

use crate::local_activities_gate::*;

/// Starts an engine whose activity ends with an outcome once it hears of the shutdown.
async fn until_shutdown(
    disk: &SimulatedDisk,
    attempts: &Arc<AtomicU32>,
    outcome: fn(u64) -> ActivityResult<u64>,
) -> Engine {
    let attempts = Arc::clone(attempts);
    TestEngine::on_store(disk.reopen())
        .workflow(CALL, async |ctx: WorkflowContext, number| {
            let number = ctx.local_activity(LOOK, number).await?;
            ctx.local_activity(LOOK, number + 1).await
        })
        .activity(LOOK, move |ctx: ActivityContext, number| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async move {
                assert_eq!(ctx.attempt(), 1);
                assert_eq!(ctx.cancelled().await, CancelCause::EngineShutdown);
                outcome(number)
            }
        })
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn local_activity_shutdown_sends_cancellation_that_leaves_no_marker_when_acknowledged() {
    let (disk, attempts) = (disk(), Arc::new(AtomicU32::new(0)));
    let first = until_shutdown(&disk, &attempts, |_| Err(Failure::canceled())).await;
    let run = first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = tokio::time::Instant::now();
    first.shutdown().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody had to be cut off");
    assert_eq!(disk.reopen().read_history(run.run_id()).unwrap().len(), 1);
    let gate = Gate::new();
    gate.open.add_permits(2);
    let second = gate.engine(&(disk.reopen() as Arc<dyn Store>)).await;
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_eq!((attempts.load(Ordering::Relaxed), gate.begun()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn local_activity_complete_after_shutdown_gets_its_marker_and_the_next_one_waits() {
    let (disk, attempts) = (disk(), Arc::new(AtomicU32::new(0)));
    let first = until_shutdown(&disk, &attempts, Ok).await;
    let run = first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.shutdown().await.unwrap();
    use EventType as T;
    let store = disk.reopen();
    let history = store.read_history(run.run_id()).unwrap();
    assert_eq!(event_types(&history), [T::WorkflowExecutionStarted, T::MarkerRecorded]);
    assert_eq!(attempts.load(Ordering::Relaxed), 1, "the next one is not begun");
    assert_eq!(verify(&*store).unwrap().counts.local_activities, 1);
    let second = until_shutdown(&disk, &attempts, Ok).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    second.shutdown().await.unwrap();
    let store = disk.reopen();
    let history = store.read_history(run.run_id()).unwrap();
    assert_eq!(history.last().unwrap().attributes.event_type(), T::WorkflowExecutionCompleted);
    assert_nothing_left(&*store);
}

#[tokio::test(start_paused = true)]
async fn what_outlasts_the_grace_is_cut_off_and_begins_again() {
    let (disk, gate) = (disk(), Gate::new());
    let first = gate.engine(&(disk.reopen() as Arc<dyn Store>)).await;
    first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    gate.begins.notified().await;
    first.shutdown().await.unwrap();
    gate.let_end();
    let second = gate.engine(&(disk.reopen() as Arc<dyn Store>)).await;
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_eq!(gate.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_in_the_inbox_of_a_parked_run_and_is_not_lost_with_its_engine() {
    for crash in [false, true] {
        let (store, gate) = (memory(), Gate::new());
        let broken = Arc::new(AtomicBool::new(false));
        let set_up = || {
            let broken = Arc::clone(&broken);
            let builder = gate.set_up(TestEngine::on_store(Arc::clone(&store)));
            builder.workflow(CALL, move |ctx: WorkflowContext, number| {
                let broken = Arc::clone(&broken);
                async move {
                    let number = ctx.local_activity(LOOK, number).await?;
                    assert!(!broken.load(Ordering::Relaxed), "broken on purpose");
                    Ok(number)
                }
            })
        };
        let mut engine = set_up().start().await.unwrap();
        let mut run = engine.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
        gate.begins.notified().await;
        broken.store(true, Ordering::Relaxed);
        gate.let_end();
        while run.describe().await.unwrap().parked.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(store.inbox(run.run_id()).unwrap().len(), 1);
        let report = verify(&*store).unwrap();
        assert!(report.is_sound(), "{report}");
        if crash {
            drop(engine);
            engine = set_up().start().await.unwrap();
            run = engine.workflow_handle(CALL, "one").await.unwrap();
            assert!(run.describe().await.unwrap().parked.is_some());
        }
        broken.store(false, Ordering::Relaxed);
        assert_eq!(run.result().await.unwrap(), 40);
        assert_eq!(gate.begun(), 1, "it is not begun again");
        assert_nothing_left(&*store);
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_attempt_goes_on_while_its_run_is_parked_for_something_else() {
    const GO: Signal<()> = Signal::new("go");
    let (store, gate) = (memory(), Gate::new());
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let builder = gate.set_up(TestEngine::on_store(Arc::clone(&store)));
    let builder = builder.workflow(CALL, move |ctx: WorkflowContext, number| {
        let broken = Arc::clone(&breaks);
        async move {
            let lookup = ctx.local_activity(LOOK, number).start();
            ctx.signals(GO).recv().await;
            assert!(!broken.load(Ordering::Relaxed), "broken on purpose");
            lookup.await
        }
    });
    let engine = builder.start().await.unwrap();
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    gate.begins.notified().await;
    run.signal(GO, ()).await.unwrap();
    while run.describe().await.unwrap().parked.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!(pending.state, PendingActivityState::Started);
    gate.let_end();
    while store.inbox(run.run_id()).unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    broken.store(false, Ordering::Relaxed);
    assert_eq!(run.result().await.unwrap(), 40);
    assert_eq!(gate.begun(), 1);
    assert_well_formed(&run.history().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn code_that_has_changed_before_the_end_wins_over_the_row() {
    const GO: Signal<()> = Signal::new("go");
    const OTHER: Activity<u64, u64> =
        Activity::new("other").start_to_close_timeout(Duration::from_secs(30));
    let (store, gate) = (memory(), Gate::new());
    let first = gate.engine(&store).await;
    for id in ["waits", "calls"] {
        first.start_workflow(CALL, 40).workflow_id(id).await.unwrap();
        gate.begins.notified().await;
    }
    drop(first);
    // One run now waits for a signal, the other for another activity.
    let builder = TestEngine::on_store(Arc::clone(&store));
    let builder = builder.workflow(CALL, async |ctx: WorkflowContext, number| {
        if ctx.workflow_id().as_str() == "waits" {
            ctx.signals(GO).recv().await;
            return Ok(1);
        }
        ctx.local_activity(OTHER, number).await
    });
    let builder = builder.activity(OTHER, |_, number| std::future::ready(Ok(number + 2)));
    let second = builder.start().await.unwrap();
    let calls = second.workflow_handle(CALL, "calls").await.unwrap();
    assert_eq!(calls.result().await.unwrap(), 42);
    let waits = second.workflow_handle(CALL, "waits").await.unwrap();
    assert!(waits.describe().await.unwrap().pending_local_activities.is_empty());
    let report = verify(&*store).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.counts.local_activities, report.counts.runs_awaiting_clients), (0, 1));
    waits.signal(GO, ()).await.unwrap();
    assert_eq!(waits.result().await.unwrap(), 1);
    assert_nothing_left(&*store);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn det_1_code_that_has_changed_after_the_end_parks_the_run_with_both_sides() {
    const OTHER: Activity<u64, u64> =
        Activity::new("other").start_to_close_timeout(Duration::from_secs(30));
    let (store, gate) = (memory(), Gate::new());
    let with_sleep = |first: Activity<u64, u64>| {
        move |ctx: WorkflowContext, number| async move {
            let number = ctx.local_activity(first, number).await?;
            ctx.sleep(Duration::from_secs(10)).await;
            Ok(number)
        }
    };
    let set_up = || gate.set_up(TestEngine::on_store(Arc::clone(&store)));
    let first = set_up().workflow(CALL, with_sleep(LOOK)).start().await.unwrap();
    first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    gate.let_end();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(first);
    let second = set_up().workflow(CALL, with_sleep(OTHER)).start().await.unwrap();
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    let parked = run.describe().await.unwrap().parked.unwrap();
    let ParkCause::Turn { failure } = &parked.cause else { panic!("{parked:?}") };
    let text = failure.to_string();
    assert!(
        text.contains("history event 2 is MarkerRecorded of local activity `look-up` (id 1, ")
            && text.contains("but the code now schedules local activity `other` (id 1, "),
        "{text}"
    );
    drop(second);
    let third = set_up().workflow(CALL, with_sleep(LOOK)).start().await.unwrap();
    let run = third.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_eq!(gate.begun(), 1);
}
