//! Cancellation of runs and activities.

use std::time::Duration;

use entracte_model::event::WorkflowExecutionTerminated;
use entracte_model::{
    ActivityCancellationType as Type, EventAttributes, Failure, FailureKind, RetryState,
};
use entracte_workflow::{WorkflowContext, join, join_all, select, try_join_all};

use crate::rig::*;

#[test]
fn acx_1_try_cancel_asks_the_activity_and_goes_on_at_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let failure = ctx.activity(CHARGE, cents).await.unwrap_err();
        let FailureKind::Activity(wrapper) = failure.kind() else { panic!("{failure:?}") };
        assert_eq!(wrapper.scheduled_event_id.get(), 2);
        assert_eq!(wrapper.retry_state, RetryState::CancelRequested);
        assert_eq!(failure.message(), "Activity cancelled");
        ctx.shield(ctx.sleep(SECOND)).await;
        ctx.shield(async { ctx.sleep(SECOND).await }).await;
        Err::<(), _>(failure)
    });
    rig.start(1);
    assert_eq!(rig.cancel(), ["cancel activity of event 2", "start timer 2 1s"]);
    // What the activity says in the end is recorded and changes nothing.
    assert!(rig.complete(1, 5).is_empty());
    // A sleep that is handed to a shield is shielded as one that is made inside.
    assert_eq!(rig.fire(2), ["start timer 3 1s"]);
    assert_eq!(rig.fire(3), ["cancelled: canceled"]);
}

#[test]
fn acx_1_and_acx_6_wait_cancellation_completed_waits_for_what_the_activity_does() {
    let workflow = async |ctx: WorkflowContext, cents: u64| {
        let call = ctx.activity(CHARGE, cents);
        call.cancellation_type(Type::WaitCancellationCompleted).await
    };
    let mut completes = Rig::new(workflow);
    completes.start(1);
    assert_eq!(completes.cancel(), ["cancel activity of event 2"]);
    assert!(completes.state.activities.values().all(|activity| activity.cancel_requested));
    assert_eq!(completes.complete(1, 7), ["complete 7"]);
    let mut fails = Rig::new(workflow);
    fails.start(1);
    fails.cancel();
    assert_eq!(fails.fail(1, declined()), ["fail: card declined"]);
    let mut cancelled = Rig::new(workflow);
    cancelled.start(1);
    cancelled.cancel();
    assert_eq!(cancelled.activity_cancelled(1), ["cancelled: canceled"]);
}

#[test]
fn acx_1_abandon_tells_the_activity_nothing_and_goes_on_at_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let call = ctx.activity(CHARGE, cents).cancellation_type(Type::Abandon);
        let failure = call.await.unwrap_err();
        ctx.shield(async { ctx.sleep(SECOND).await }).await;
        Err::<(), _>(failure)
    });
    rig.start(1);
    assert_eq!(rig.cancel(), ["start timer 2 1s"]);
    assert!(rig.complete(1, 5).is_empty());
    assert_eq!(rig.fire(2), ["cancelled: canceled"]);
}

#[test]
fn acx_1_an_abandoned_activity_that_is_dropped_is_told_nothing() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        select! {
            charged = ctx.activity(CHARGE, cents).cancellation_type(Type::Abandon) => charged,
            () = ctx.sleep(SECOND) => ctx.activity(SHIP, cents).await,
        }
    });
    rig.start(1);
    assert_eq!(rig.fire(2), ["schedule 3 ship"]);
    assert!(!rig.state.activities[&entracte_model::Seq::new(1)].cancel_requested);
}

#[test]
fn can_1_a_second_request_changes_nothing() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.cancelled().await;
        assert_eq!(ctx.cancel_reason().as_deref(), Some("by hand"));
        ctx.shield(async { ctx.sleep(SECOND).await }).await;
        Ok(())
    });
    assert!(rig.start(()).is_empty());
    assert_eq!(rig.cancel(), ["start timer 1 1s"]);
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.fire(1), ["complete ()"]);
}

#[test]
fn can_2_everything_pending_reacts_and_activities_resolve_in_the_order_of_their_numbers() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let naps = async {
            let over = ctx.sleep_or_cancelled(SECOND).await;
            assert_eq!(over, Err(Failure::canceled()));
            ctx.shield(async { ctx.sleep(SECOND).await }).await;
            1
        };
        let calls = join_all((0..3).map(|number| ctx.activity(CHARGE, number)));
        let (naps, calls) = join!(naps, calls);
        assert!(calls.iter().all(|call| call.as_ref().is_err_and(Failure::is_canceled)));
        Ok(naps)
    });
    rig.start(());
    assert_eq!(
        rig.cancel(),
        [
            // The nap goes on shielded at once; it was polled in the cancellation's own job.
            "start timer 5 1s",
            "cancel activity of event 2",
            "cancel activity of event 3",
            "cancel activity of event 4",
            "cancel timer 4",
        ]
    );
    assert_eq!(rig.fire(5), ["complete 1"]);
}

#[test]
fn can_2_what_is_dropped_because_another_was_cancelled_is_asked_only_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        try_join_all((0..3).map(|number| ctx.activity(CHARGE, number))).await?;
        Ok(())
    });
    rig.start(());
    assert_eq!(
        rig.cancel(),
        [
            "cancel activity of event 2",
            "cancel activity of event 3",
            "cancel activity of event 4",
            "cancelled: canceled"
        ]
    );
}

#[test]
fn can_2_a_workflow_may_complete_although_it_was_asked_to_cancel() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(Duration::from_secs(3600)).await;
        Ok(u64::from(ctx.is_cancelled()))
    });
    rig.start(());
    assert_eq!(rig.cancel(), ["cancel timer 1", "complete 1"]);
}

#[test]
fn can_3_new_operations_of_a_cancelled_run_fail_at_once_without_an_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.cancelled().await;
        ctx.sleep(SECOND).await;
        assert_eq!(ctx.sleep_or_cancelled(SECOND).await, Err(Failure::canceled()));
        let failure = ctx.activity(CHARGE, cents).await.unwrap_err();
        assert!(failure.is_canceled());
        ctx.shield(ctx.activity(CHARGE, cents)).await
    });
    rig.start(1);
    assert_eq!(rig.cancel(), ["schedule 1 charge"]);
    assert_eq!(rig.complete(1, 3), ["complete 3"]);
}

#[test]
fn can_3_what_is_shielded_does_not_react() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        // Started outside, awaited inside.
        let started = ctx.activity(SHIP, cents).start();
        let shielded = ctx.shield(async {
            let charged = ctx.activity(CHARGE, cents).await?;
            assert!(ctx.is_cancelled());
            let shipped = started.await?;
            ctx.sleep_or_cancelled(SECOND).await?;
            Ok::<_, Failure>(charged + shipped)
        });
        let (sum, open) = join!(shielded, ctx.sleep_or_cancelled(SECOND));
        assert!(open.is_err());
        sum
    });
    assert_eq!(rig.start(1), ["schedule 1 ship", "start timer 2 1s", "schedule 3 charge"]);
    // The one that was not yet awaited inside the shield is not shielded yet.
    assert_eq!(rig.cancel(), ["cancel activity of event 2", "cancel timer 2"]);
    assert_eq!(rig.complete(3, 30), ["cancelled: canceled"]);

    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let started = ctx.activity(SHIP, cents).start();
        ctx.shield(started).await
    });
    rig.start(1);
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.complete(1, 4), ["complete 4"]);
}

#[test]
fn can_3_dropping_inside_a_shield_cancels_as_ever() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.shield(async {
            select! {
                charged = ctx.activity(CHARGE, cents) => charged,
                () = ctx.sleep(SECOND) => Ok(0),
            }
        })
        .await
    });
    rig.start(1);
    assert_eq!(rig.fire(2), ["cancel activity of event 2", "complete 0"]);
}

#[test]
fn can_6_termination_runs_no_code() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(());
    let reason = "by hand".to_owned();
    let terminated =
        EventAttributes::WorkflowExecutionTerminated(WorkflowExecutionTerminated { reason });
    assert!(rig.turn(vec![terminated]).is_empty());
    assert_eq!(rig.state.closed, Some(entracte_model::WorkflowStatus::Terminated));
    entracte_workflow::replay(rig.workflow, run_id(), &rig.events).unwrap();
}

#[test]
fn select_can_wait_for_the_cancellation() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.shield(async {
            select! {
                () = ctx.cancelled() => Ok(0),
                charged = ctx.activity(CHARGE, cents) => charged,
            }
        })
        .await
    });
    rig.start(1);
    assert_eq!(rig.cancel(), ["cancel activity of event 2", "complete 0"]);
}
