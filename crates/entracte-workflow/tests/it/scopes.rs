//! Trees of cancellation scopes (rules CAN-2 and CAN-3).

use std::future::pending;

use entracte_model::event::*;
use entracte_model::{ActivityCancellationType, EventAttributes, Failure, Payload, Seq};
use entracte_workflow::{
    Scope, Signal, TurnFailure, Workflow, WorkflowContext, WorkflowResult, join, join_all, select,
    turn,
};

use crate::rig::*;

const STOP: Signal<String> = Signal::new("stop");
const ITEM: Signal<u64> = Signal::new("item");
const PACK: Workflow<u64, u64> = Workflow::new("pack");

/// Cancels a scope as soon as a signal says so, and goes on for ever.
async fn stop_on_signal(ctx: &WorkflowContext, scope: &Scope) {
    let reason = ctx.signals(STOP).recv().await;
    scope.cancel(reason);
}

fn child_started(rig: &Rig, seq: u32) -> Vec<EventAttributes> {
    let seq = Seq::new(seq);
    vec![EventAttributes::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
        seq,
        initiated_event_id: rig.state.children[&seq].initiated_event_id,
        run_id: run_id(),
    })]
}

#[test]
fn can_2_everything_that_is_pending_in_a_scope_reacts_by_its_own_type_in_order() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let everything = scope.run(async {
            let waits = ActivityCancellationType::WaitCancellationCompleted;
            let (asleep, charged, shipped, child, local, sent, item) = join!(
                ctx.sleep_or_cancelled(SECOND),
                ctx.activity(CHARGE, 1),
                ctx.activity(SHIP, 2).cancellation_type(waits),
                ctx.child(PACK, 3).workflow_id("pack-3"),
                ctx.local_activity(CHARGE, 4),
                ctx.external_workflow("other").signal(ITEM, 5),
                async { ctx.signals(ITEM).recv_or_cancelled().await },
            );
            assert!(asleep.is_err() && item.is_err() && local.is_err());
            assert!(charged.unwrap_err().is_canceled());
            assert_eq!(shipped.unwrap(), 20);
            // What was sent goes on.
            sent?;
            child
        });
        let outside = ctx.activity(CHARGE, 6);
        let (child, (), outside) = join!(everything, stop_on_signal(&ctx, &scope), outside);
        assert!(!ctx.is_cancelled());
        assert_eq!(scope.cancel_reason().as_deref(), Some("enough"));
        Ok(child? + outside?)
    });
    assert_eq!(
        rig.start(()),
        [
            "schedule 1 charge",
            "start timer 2 1s",
            "schedule 3 charge",
            "schedule 4 ship",
            "start child 5 pack as pack-3",
            "signal 7 item to other",
        ]
    );
    assert!(rig.turn(child_started(&rig, 5)).is_empty());
    assert_eq!(
        rig.signal("stop", "enough"),
        [
            "cancel timer 2",
            "cancel activity of event 4",
            "cancel activity of event 5",
            "cancel child 5",
        ]
    );
    assert_eq!(rig.local, ["cancel 6 charge"]);
    let asked = rig.state.sent_cancels.values().next().unwrap();
    assert_eq!(asked.initiated.reason, "enough");
    // The code goes on when everything has answered.
    rig.complete(4, 20);
    rig.complete(1, 1);
    let local = rig.machine.local_activity(Seq::new(6)).unwrap();
    let marker = LocalActivityMarker {
        seq: local.seq,
        activity_id: local.activity_id.clone(),
        activity_type: local.activity_type.clone(),
        attempt: 1,
        outcome: LocalActivityOutcome::Canceled { details: None },
        source: local.source,
    };
    let marker = MarkerRecorded { marker: Marker::LocalActivity(marker) };
    rig.turn(vec![EventAttributes::MarkerRecorded(marker)]);
    let arrived = ExternalWorkflowExecutionSignaled {
        seq: Seq::new(7),
        initiated_event_id: rig.state.sent_signals[&Seq::new(7)].initiated_event_id,
    };
    rig.turn(vec![EventAttributes::ExternalWorkflowExecutionSignaled(arrived)]);
    let completed = ChildWorkflowExecutionCompleted {
        seq: Seq::new(5),
        initiated_event_id: rig.state.children[&Seq::new(5)].initiated_event_id,
        run_id: run_id(),
        result: Payload::encode(&40_u64).unwrap(),
    };
    let completed = EventAttributes::ChildWorkflowExecutionCompleted(completed);
    assert_eq!(rig.turn(vec![completed]), ["complete 41"]);
}

#[test]
fn can_3_a_scope_cancels_those_inside_of_it_and_none_around_it() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, which: u64| {
        let outer = ctx.scope();
        let (left, right) = (outer.scope(), outer.scope());
        let shield = outer.run(async { ctx.shielded_scope() }).await;
        let behind = shield.scope();
        let scopes = [&outer, &left, &right, &shield, &behind];
        let stop = stop_on_signal(&ctx, scopes[usize::try_from(which).unwrap()]);
        let naps = join_all(scopes.map(|scope| scope.run(ctx.sleep_or_cancelled(SECOND))));
        let (naps, ()) = join!(naps, stop);
        let cancelled = scopes.map(|scope| u64::from(scope.is_cancelled()));
        assert_eq!(naps.iter().map(|nap| u64::from(nap.is_err())).collect::<Vec<_>>(), cancelled);
        Ok(cancelled.into_iter().fold(0, |all, one| 10 * all + one))
    });
    let timers = |numbers: &[u64]| -> Vec<String> {
        numbers.iter().map(|number| format!("cancel timer {number}")).collect()
    };
    for (which, cancelled, left) in
        [(0, vec![1, 2, 3], 11_100), (1, vec![2], 1_000), (3, vec![4, 5], 11), (4, vec![5], 1)]
    {
        rig.start(which);
        assert_eq!(rig.signal("stop", "enough"), timers(&cancelled));
        let open: Vec<_> =
            (1..=5).filter(|number| !cancelled.contains(&u64::from(*number))).collect();
        let end = open.iter().map(|number| rig.fire(*number)).collect::<Vec<_>>().concat();
        assert_eq!(end, [format!("complete {left}")]);
        rig = again(&rig);
    }
}

/// The same workflow, from its beginning.
fn again(rig: &Rig) -> Rig {
    let workflow = std::sync::Arc::clone(&rig.workflow);
    let mut rig = Rig::new(async |_: WorkflowContext, ()| Ok(()));
    rig.machine = entracte_workflow::Machine::new(std::sync::Arc::clone(&workflow));
    rig.workflow = workflow;
    rig
}

#[test]
fn can_3_the_run_is_the_root_of_all_scopes_and_its_reason_is_theirs() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope().scope();
        let waits = async {
            scope.cancelled().await;
            let here = ctx.current_scope().cancel_reason();
            (scope.cancel_reason(), here)
        };
        let (inner, here) = scope.run(waits).await;
        assert_eq!(inner, here);
        // Another reason changes nothing, and a new scope is cancelled from the start.
        scope.cancel("too late");
        assert_eq!(scope.cancel_reason(), ctx.cancel_reason());
        assert!(ctx.scope().is_cancelled() && !ctx.shielded_scope().is_cancelled());
        Ok(inner.unwrap())
    });
    rig.start(());
    assert_eq!(rig.cancel(), ["complete by hand"]);
}

#[test]
fn can_3_what_is_started_in_a_cancelled_scope_fails_at_once_without_an_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        scope.cancel("enough");
        let failures: WorkflowResult<Vec<String>> = scope
            .run(async {
                let mut failures = vec![
                    ctx.sleep_or_cancelled(SECOND).await.unwrap_err(),
                    ctx.activity(CHARGE, 1).await.unwrap_err(),
                    ctx.local_activity(CHARGE, 1).await.unwrap_err(),
                    ctx.child(PACK, 1).await.unwrap_err(),
                    ctx.child(PACK, 1).start().await.unwrap_err(),
                    ctx.external_workflow("other").signal(ITEM, 1).await.unwrap_err(),
                    ctx.external_workflow("other").cancel("stop").await.unwrap_err(),
                    ctx.signals(ITEM).recv_or_cancelled().await.unwrap_err(),
                ];
                assert!(failures.iter().all(Failure::is_canceled));
                failures.retain(|failure| failure.message() != "canceled");
                Ok(failures.iter().map(|failure| failure.message().to_owned()).collect())
            })
            .await;
        // Outside of the scope nothing is cancelled.
        ctx.activity(CHARGE, 2).await?;
        Ok(failures?.join("; "))
    });
    assert_eq!(rig.start(()), ["schedule 1 charge"]);
    assert_eq!(
        rig.complete(1, 1),
        ["complete Activity cancelled; Activity cancelled; \
          Child Workflow Execution cancelled before scheduled: enough; \
          Child Workflow Execution cancelled before scheduled: enough; \
          Signal was cancelled before being sent; \
          Request to cancel was cancelled before being sent"]
    );
}

#[test]
fn chd_13_and_acx_2_what_is_cancelled_in_the_turn_that_started_it_leaves_no_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let everything = scope.run(async {
            let (asleep, charged, local, child, sent, asked) = join!(
                ctx.sleep_or_cancelled(SECOND),
                ctx.activity(CHARGE, 1),
                ctx.local_activity(CHARGE, 1),
                ctx.child(PACK, 1).workflow_id("pack-1"),
                ctx.external_workflow("other").signal(ITEM, 1),
                ctx.external_workflow("other").cancel("stop"),
            );
            let child = child.unwrap_err();
            assert!(asleep.is_err() && charged.unwrap_err().is_canceled());
            assert!(local.unwrap_err().is_canceled() && child.is_canceled());
            assert!(sent.unwrap_err().is_canceled() && asked.unwrap_err().is_canceled());
            child.message().to_owned()
        });
        let (message, ()) = join!(everything, async { scope.cancel("enough") });
        // The id is free again.
        ctx.child(PACK, 2).workflow_id("pack-1").await?;
        Ok(message)
    });
    assert_eq!(rig.start(()), ["start child 7 pack as pack-1"]);
    rig.turn(child_started(&rig, 7));
    let completed = ChildWorkflowExecutionCompleted {
        seq: Seq::new(7),
        initiated_event_id: rig.state.children[&Seq::new(7)].initiated_event_id,
        run_id: run_id(),
        result: Payload::encode(&0_u64).unwrap(),
    };
    assert_eq!(
        rig.turn(vec![EventAttributes::ChildWorkflowExecutionCompleted(completed)]),
        ["complete Child Workflow Execution cancelled before scheduled: enough"]
    );
    assert_eq!(rig.machine.local_activities(), []);
}

#[test]
fn can_3_an_operation_belongs_where_it_is_awaited_if_that_is_further_inside() {
    // Awaited inside of a scope, an operation of the outside is cancelled with the scope.
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let started = ctx.activity(CHARGE, 1).start();
        let awaited = scope.run(started);
        let (charged, ()) = join!(awaited, stop_on_signal(&ctx, &scope));
        Ok(charged.unwrap_err().to_string())
    });
    rig.start(());
    let end = ["cancel activity of event 2", "complete canceled"];
    assert_eq!(rig.signal("stop", "enough"), end);

    // Also one that was cancelled before.
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let started = join_all([ctx.activity(CHARGE, 1), ctx.activity(CHARGE, 2)]);
        stop_on_signal(&ctx, &scope).await;
        let charged = scope.run(started).await;
        assert!(charged.iter().all(Result::is_err));
        Ok(())
    });
    rig.start(());
    let end = ["cancel activity of event 2", "cancel activity of event 3", "complete ()"];
    assert_eq!(rig.signal("stop", "enough"), end);

    // Awaited outside, one of the inside stays what it was.
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let mut started = None;
        scope.run(async { started = Some(ctx.activity(CHARGE, 1).start()) }).await;
        let (charged, ()) = join!(started.unwrap(), stop_on_signal(&ctx, &scope));
        Ok(charged.unwrap_err().to_string())
    });
    rig.start(());
    let end = ["cancel activity of event 2", "complete canceled"];
    assert_eq!(rig.signal("stop", "enough"), end);
}

#[test]
fn can_3_a_scope_can_be_cancelled_and_waited_for_from_other_branches() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let watcher = {
            let scope = scope.clone();
            async move {
                scope.cancelled().await;
                scope.cancel_reason().unwrap()
            }
        };
        let worker = scope.run(async {
            let charged = ctx.activity(CHARGE, 1).await;
            // Cleanup, although the scope is cancelled.
            ctx.shield(ctx.activity(REFUND, 1)).await?;
            charged
        });
        let (why, charged, ()) = join!(watcher, worker, stop_on_signal(&ctx, &scope));
        assert!(charged.unwrap_err().is_canceled());
        Ok(why)
    });
    rig.start(());
    assert_eq!(rig.signal("stop", "enough"), ["cancel activity of event 2", "schedule 2 refund"]);
    assert_eq!(rig.complete(2, ""), ["complete enough"]);
}

#[test]
fn can_3_select_drops_the_branch_whose_scope_is_cancelled_elsewhere() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        let mut stops = ctx.signals(STOP);
        loop {
            select! {
                charged = scope.run(ctx.activity(CHARGE, 1)) => {
                    return Ok(charged.map_or_else(|failure| failure.to_string(), |_| "paid".to_owned()));
                }
                () = scope.cancelled() => return Ok("cancelled".to_owned()),
                reason = stops.recv() => scope.cancel(reason),
            }
        }
    });
    rig.start(());
    // The signal wins the first round, whose call is dropped; that of the second fails at once.
    let end = ["cancel activity of event 2", "complete canceled"];
    assert_eq!(rig.signal("stop", "enough"), end);
}

#[test]
fn can_2_a_loop_around_a_cancellation_that_has_come_fails_its_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut items = ctx.signals(ITEM);
        let mut noted = 0_u64;
        loop {
            select! {
                () = ctx.cancelled() => noted += 1,
                item = items.recv() => return Ok(item + noted),
            }
            assert!(noted < 200_000, "nothing has stopped the loop");
        }
    });
    assert!(rig.start(()).is_empty());
    let request =
        WorkflowExecutionCancelRequested { reason: "by hand".to_owned(), request_id: None };
    let cancel = EventAttributes::WorkflowExecutionCancelRequested(request);
    let failure = turn(&mut rig.machine, &rig.state, run_id(), rig.now, vec![cancel]);
    assert_eq!(failure, Err(TurnFailure::NeverRests));
}

#[test]
fn can_2_a_cancellation_can_be_waited_for_again_and_again() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        for _ in 0..1_000 {
            ctx.cancelled().await;
        }
        Ok(())
    });
    assert!(rig.start(()).is_empty());
    assert_eq!(rig.cancel(), ["complete ()"]);
}

#[test]
fn can_2_a_loop_that_ignores_the_cancellation_of_its_scope_fails_its_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, rounds: u64| {
        let scope = ctx.scope();
        scope.cancel("enough");
        let naps = async {
            for _ in 0..rounds {
                ctx.sleep(SECOND).await;
            }
        };
        scope.run(naps).await;
        Ok(())
    });
    assert_eq!(rig.try_turn(vec![started(&u64::MAX)]), Err(TurnFailure::NeverRests));
}

#[test]
fn waiting_for_nothing_but_a_scope_that_only_the_workflow_can_cancel_fails_the_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.shielded_scope().cancelled().await;
        Ok(())
    });
    assert_eq!(rig.try_turn(vec![started(&())]), Err(TurnFailure::ForeignWait));
    // One below the run can be cancelled from outside.
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.scope().cancelled().await;
        Ok(())
    });
    rig.start(());
    assert_eq!(rig.cancel(), ["complete ()"]);
}

#[test]
fn scopes_are_inert_outside_of_turns_and_after_the_end() {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    let keep = std::sync::Arc::clone(&kept);
    let mut rig = Rig::new(move |ctx: WorkflowContext, ()| {
        let scope = ctx.scope();
        *keep.lock().unwrap() = Some(scope.clone());
        async move {
            scope.run(ctx.activity(CHARGE, 1)).await?;
            let _last_words = CancelsWhenDropped(scope);
            Ok(())
        }
    });
    rig.start(());
    let scope: Scope = kept.lock().unwrap().take().unwrap();
    scope.cancel("from elsewhere");
    assert!(!scope.is_cancelled());
    assert_eq!(rig.complete(1, 1), ["complete ()"]);
    scope.cancel("too late");
    drop(scope.scope().run(pending::<()>()));
    assert_eq!(rig.machine.outstanding(), []);
}

struct CancelsWhenDropped(Scope);

impl Drop for CancelsWhenDropped {
    fn drop(&mut self) {
        self.0.cancel("dropped");
    }
}

#[test]
fn the_run_can_be_cancelled_by_its_own_code() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let stop = async {
            ctx.signals(STOP).recv().await;
            ctx.current_scope().cancel("own decision");
        };
        let (charged, ()) = join!(ctx.activity(CHARGE, 1), stop);
        assert!(ctx.is_cancelled());
        Err::<(), _>(charged.unwrap_err())
    });
    rig.start(());
    let end = ["cancel activity of event 2", "cancelled: canceled"];
    assert_eq!(rig.signal("stop", "enough"), end);
}
