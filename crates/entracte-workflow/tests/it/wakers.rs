//! Wakers are user code: the machine holds no lock while it drops them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use entracte_workflow::{Signal, Sleep, Workflow, WorkflowContext, select};

use crate::rig::*;

const PACK: Workflow<u64, u64> = Workflow::new("pack");
const STOP: Signal<()> = Signal::new("stop");

/// Whether this is over within a minute; what has no end goes on in its thread.
fn is_over(test: impl FnOnce() + Send + 'static) -> bool {
    let (over, end) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "the test looks for a deadlock")]
    std::thread::spawn(move || {
        test();
        let _ = over.send(());
    });
    end.recv_timeout(Duration::from_secs(60)).is_ok()
}

/// A waker that owns a future, as that of an executor owns its task.
struct Owner {
    _held: Mutex<Sleep>,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once, for an owner that is given up with the next poll.
fn poll_for_owner(ctx: &WorkflowContext, future: Pin<&mut impl Future>) {
    let held = Mutex::new(ctx.sleep(10 * SECOND));
    let waker = Waker::from(Arc::new(Owner { _held: held }));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

#[test]
fn a_waker_that_owns_a_sleep_is_dropped_under_no_lock() {
    assert!(is_over(|| {
        let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
            let (sleep, charge) = (ctx.sleep(SECOND), ctx.activity(CHARGE, 1).start());
            let (mut sleep, mut charge) = (pin!(sleep), pin!(charge));
            poll_for_owner(&ctx, sleep.as_mut());
            poll_for_owner(&ctx, charge.as_mut());
            // What is awaited in a cancelled scope ends there.
            let scope = ctx.scope();
            scope.cancel("enough");
            scope.run(sleep).await;
            assert!(scope.run(charge).await.unwrap_err().is_canceled());
            Ok(())
        });
        assert_eq!(rig.start(()), ["complete ()"]);
    }));
}

#[test]
fn a_waker_that_owns_a_sleep_is_replaced_under_no_lock() {
    assert!(is_over(|| {
        let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
            let mut starts = pin!(ctx.child(PACK, 1).workflow_id("pack-1").start());
            let mut cancelled = pin!(ctx.cancelled());
            let mut signals = ctx.signals(STOP);
            let mut stopped = pin!(signals.recv());
            poll_for_owner(&ctx, starts.as_mut());
            poll_for_owner(&ctx, cancelled.as_mut());
            poll_for_owner(&ctx, stopped.as_mut());
            select! {
                started = starts => started.map(drop),
                () = cancelled => Ok(()),
                () = stopped => Ok(()),
            }
        });
        assert_eq!(rig.start(()), ["start child 1 pack as pack-1"]);
        assert_eq!(rig.signal("stop", ()), ["complete ()"]);
    }));
}
