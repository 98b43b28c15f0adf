//! The context is inert once its run has ended, failed its turn, or left memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use entracte_model::Failure;
use entracte_workflow::{ActivityFuture, TurnFailure, WorkflowContext};

use crate::rig::*;

/// Uses the context when it is dropped, and then panics.
struct Busy {
    ctx: WorkflowContext,
    dropped: Arc<AtomicU32>,
    panics: bool,
    started: Option<ActivityFuture<u64>>,
}

impl Busy {
    fn new(ctx: &WorkflowContext, dropped: &Arc<AtomicU32>, panics: bool) -> Self {
        let dropped = Arc::clone(dropped);
        Self { ctx: ctx.clone(), dropped, panics, started: None }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        drop(self.started.take());
        let started = self.ctx.activity(SHIP, 1).start();
        drop(self.ctx.sleep(SECOND));
        let _ = (self.ctx.now(), self.ctx.random(), self.ctx.uuid(), self.ctx.is_cancelled());
        std::mem::forget(started);
        if self.panics && !std::thread::panicking() {
            panic!("a destructor panics");
        }
    }
}

#[test]
fn a_run_that_leaves_memory_cancels_nothing() {
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    let mut rig = Rig::new(move |ctx: WorkflowContext, cents: u64| {
        let counter = Arc::clone(&counter);
        async move {
            let mut busy = Busy::new(&ctx, &counter, true);
            busy.started = Some(ctx.activity(CHARGE, cents).start());
            ctx.sleep(SECOND).await;
            drop(busy);
            Ok(())
        }
    });
    rig.start(1);
    let events = rig.events.clone();
    let workflow = Arc::clone(&rig.workflow);
    drop(rig);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    let rebuilt = entracte_workflow::replay(workflow, run_id(), &events).unwrap();
    assert_eq!(rebuilt.machine.outstanding().len(), 2);
}

#[test]
fn destructors_that_run_after_the_end_record_nothing() {
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    // What the future holds after it is ready is dropped by the machine.
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let busy = Busy::new(&ctx, &counter, true);
        Holding { _busy: busy }
    });
    assert_eq!(rig.start(()), ["complete 1"]);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

/// A future that is ready at once and still holds something.
struct Holding {
    _busy: Busy,
}

impl Future for Holding {
    type Output = Result<u64, Failure>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Ok(1))
    }
}

#[test]
fn a_failed_turn_records_nothing_and_drops_everything() {
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let counter = Arc::clone(&counter);
        async move {
            let _busy = Busy::new(&ctx, &counter, true);
            let _outer = Busy::new(&ctx, &counter, false);
            std::future::pending::<()>().await;
            Ok(())
        }
    });
    assert_eq!(rig.try_turn(vec![started(&())]), Err(TurnFailure::ForeignWait));
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}

#[test]
fn a_panic_unwinds_through_destructors_that_use_the_context() {
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&dropped);
    let mut rig = Rig::new(move |ctx: WorkflowContext, number: u64| {
        let counter = Arc::clone(&counter);
        async move {
            let _busy = Busy::new(&ctx, &counter, true);
            assert_eq!(number, 0, "zero was expected");
            Ok(())
        }
    });
    let failure = rig.try_turn(vec![started(&1_u64)]).unwrap_err();
    assert!(matches!(failure, TurnFailure::Panic { .. }), "{failure}");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_context_that_outlives_its_run_is_harmless() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = Arc::clone(&kept);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        *keep.lock().unwrap() = Some(ctx.clone());
        async move {
            ctx.sleep(SECOND).await;
            Ok(())
        }
    });
    rig.start(());
    rig.fire(1);
    let ctx: WorkflowContext = kept.lock().unwrap().take().unwrap();
    drop(ctx.activity(CHARGE, 1).start());
    drop(ctx.sleep(SECOND));
    assert_eq!(rig.machine.outstanding(), []);
}
