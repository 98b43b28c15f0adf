//! Waiting for things that the engine does not own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use entracte_workflow::{TurnFailure, WorkflowContext};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::rig::*;

fn wake_elsewhere(waker: Waker) {
    #[expect(clippy::disallowed_methods, reason = "the test is a foreign wake")]
    std::thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn det_9_a_turn_that_waits_for_nothing_of_ours_fails() {
    let mut rig = Rig::new(async |_: WorkflowContext, ()| {
        std::future::pending::<()>().await;
        Ok(())
    });
    let failure = rig.try_turn(vec![started(&())]).unwrap_err();
    assert_eq!(failure, TurnFailure::ForeignWait);
    let text = failure.to_string();
    for part in ["timer", "socket", "spawned task", "channel", "ctx.sleep", "ctx.activity"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn det_9_an_operation_that_has_ended_is_not_waited_for() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let timer = ctx.sleep(SECOND);
        std::future::pending::<()>().await;
        timer.await;
        Ok(())
    });
    rig.start(());
    assert_eq!(rig.try_turn(rig.fired(1)), Err(TurnFailure::ForeignWait));
}

/// Hands the waker of whoever polls out.
async fn lend_waker(to: &Mutex<Option<Waker>>) {
    poll_fn(|cx| {
        *to.lock().unwrap() = Some(cx.waker().clone());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn det_9_a_wake_from_outside_a_turn_fails_the_next_one_and_calls_the_hook() {
    let lent = Arc::new(Mutex::new(None));
    let to = Arc::clone(&lent);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let to = Arc::clone(&to);
        async move {
            lend_waker(&to).await;
            ctx.sleep(SECOND).await;
            Ok(())
        }
    });
    rig.start(());
    let called = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&called);
    rig.machine.on_foreign_wake(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let waker: Waker = lent.lock().unwrap().clone().unwrap();
    // Cloning and dropping say nothing.
    drop(waker.clone());
    assert!(!rig.machine.is_foreign_woken());
    waker.wake_by_ref();
    wake_elsewhere(waker.clone());
    assert_eq!(called.load(Ordering::Relaxed), 1);
    assert!(rig.machine.is_foreign_woken());
    let external = rig.fired(1);
    let failure =
        entracte_workflow::turn(&mut rig.machine, &rig.state, run_id(), rig.now, external);
    assert_eq!(failure, Err(TurnFailure::ForeignWake));
    // Nothing is polled any more, so a further wake has no meaning.
    waker.wake();
    assert_eq!(called.load(Ordering::Relaxed), 1);
}

#[test]
fn det_9_a_wake_from_another_thread_during_a_turn_is_foreign() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let timer = ctx.sleep(SECOND);
        poll_fn(|cx| {
            wake_elsewhere(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        timer.await;
        Ok(())
    });
    assert_eq!(rig.try_turn(vec![started(&())]), Err(TurnFailure::ForeignWake));
}

#[test]
fn a_hook_that_is_set_late_is_called_at_once() {
    let lent = Arc::new(Mutex::new(None));
    let to = Arc::clone(&lent);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let to = Arc::clone(&to);
        async move {
            lend_waker(&to).await;
            ctx.sleep(SECOND).await;
            Ok(())
        }
    });
    rig.start(());
    lent.lock().unwrap().take().unwrap().wake();
    let called = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&called);
    rig.machine.on_foreign_wake(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    assert_eq!(called.load(Ordering::Relaxed), 1);
}

#[test]
fn wakes_of_a_machine_that_was_dropped_have_no_meaning() {
    let lent = Arc::new(Mutex::new(None));
    let to = Arc::clone(&lent);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let to = Arc::clone(&to);
        async move {
            lend_waker(&to).await;
            ctx.sleep(SECOND).await;
            Ok(())
        }
    });
    rig.start(());
    rig.machine.on_foreign_wake(Arc::new(|| panic!("the hook was called")));
    drop(rig);
    lent.lock().unwrap().take().unwrap().wake();
}

#[test]
fn futures_unordered_is_harmless() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut calls: FuturesUnordered<_> =
            (0..3).map(|number| ctx.activity(CHARGE, number).start()).collect();
        let mut order = String::new();
        while let Some(output) = calls.next().await {
            order += &output?.to_string();
        }
        Ok(order + "!")
    });
    rig.start(());
    assert!(rig.complete(2, 2).is_empty());
    assert!(rig.complete(3, 3).is_empty());
    assert_eq!(rig.complete(1, 1), ["complete 231!"]);
}

/// A channel for one value, between parts of one workflow.
#[derive(Default)]
struct Slot {
    value: Option<u64>,
    waker: Option<Waker>,
}

#[test]
fn a_channel_inside_the_workflow_is_harmless() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let slot = Mutex::new(Slot::default());
        let receive = poll_fn(|cx| {
            let mut slot = slot.lock().unwrap();
            slot.waker = Some(cx.waker().clone());
            slot.value.take().map_or(Poll::Pending, Poll::Ready)
        });
        let send = async {
            let output = ctx.activity(CHARGE, cents).await?;
            let mut slot = slot.lock().unwrap();
            slot.value = Some(output);
            slot.waker.take().unwrap().wake();
            Ok::<_, entracte_model::Failure>(())
        };
        // The receiver is polled first, so the sender wakes it for a second round.
        let (received, sent) = entracte_workflow::join!(receive, send);
        sent.map(|()| received)
    });
    rig.start(1);
    assert_eq!(rig.complete(1, 8), ["complete 8"]);
}

#[test]
fn a_future_that_yields_comes_to_rest() {
    let mut rig = Rig::new(async |_: WorkflowContext, rounds: u64| {
        let mut left = rounds;
        poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        Ok(rounds)
    });
    assert_eq!(rig.start(1_000), ["complete 1000"]);
}

#[test]
fn a_workflow_that_never_rests_fails_its_turn() {
    let mut wakes_itself = Rig::new(async |_: WorkflowContext, ()| {
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
        Ok(())
    });
    assert_eq!(wakes_itself.try_turn(vec![started(&())]), Err(TurnFailure::NeverRests));
    let mut naps = Rig::new(async |ctx: WorkflowContext, ()| {
        loop {
            ctx.sleep(Duration::ZERO).await;
            if ctx.history_length() > 5 {
                return Ok(());
            }
        }
    });
    assert_eq!(naps.try_turn(vec![started(&())]), Err(TurnFailure::NeverRests));
    let mut ignores = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        loop {
            ctx.sleep(SECOND).await;
            let _ = ctx.activity(CHARGE, cents).await;
            if ctx.history_length() > 50 {
                return Ok(());
            }
        }
    });
    ignores.start(1);
    let reason = "by hand".to_owned();
    let request =
        entracte_model::event::WorkflowExecutionCancelRequested { reason, request_id: None };
    let cancel = entracte_model::EventAttributes::WorkflowExecutionCancelRequested(request);
    let failure = entracte_workflow::turn(
        &mut ignores.machine,
        &ignores.state,
        run_id(),
        ignores.now,
        vec![cancel],
    );
    assert_eq!(failure, Err(TurnFailure::NeverRests));
}

#[test]
fn a_machine_inside_the_turn_of_another_keeps_their_wakes_apart() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut inner = Rig::new(async |ctx: WorkflowContext, ()| {
            ctx.sleep(SECOND).await;
            Ok(())
        });
        inner.start(());
        let sleep = pin!(ctx.sleep(SECOND));
        let mut sleep = sleep;
        let mut first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            sleep.as_mut().poll(cx)
        })
        .await;
        Ok(())
    });
    assert_eq!(rig.start(()), ["start timer 1 1s"]);
    assert_eq!(rig.fire(1), ["complete ()"]);
}
