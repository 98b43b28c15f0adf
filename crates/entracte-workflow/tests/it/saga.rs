//! Sagas.

use entracte_model::event::*;
use entracte_model::{EventAttributes, Failure, FailureKind, Payload, RetryState, Seq};
use entracte_workflow::{
    Activity, RetryPolicy, Saga, Signal, Workflow, WorkflowContext, WorkflowResult, select,
};

use crate::rig::*;

async fn two_steps(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    ctx.saga(async |saga| {
        saga.undo(ctx.activity(REFUND, cents));
        let charged = ctx.activity(CHARGE, cents).await?;
        saga.undo(ctx.activity(CHARGE, 0));
        let shipped = ctx.activity(SHIP, cents).await?;
        Ok(charged + shipped)
    })
    .await
}

#[test]
fn a_saga_that_succeeds_undoes_nothing() {
    let mut rig = Rig::new(two_steps);
    assert_eq!(rig.start(1), ["schedule 1 charge"]);
    assert_eq!(rig.complete(1, 1), ["schedule 2 ship"]);
    assert_eq!(rig.complete(2, 2), ["complete 3"]);
}

#[test]
fn a_saga_that_fails_undoes_in_reverse_order_one_after_the_other() {
    let mut rig = Rig::new(two_steps);
    rig.start(1);
    rig.complete(1, 1);
    assert_eq!(rig.fail(2, declined()), ["schedule 3 charge"]);
    assert_eq!(rig.complete(3, 0), ["schedule 4 refund"]);
    // The output of an undo is not looked at.
    assert_eq!(rig.complete(4, 77), ["fail: card declined"]);
}

#[test]
fn only_what_was_registered_is_undone() {
    let mut rig = Rig::new(two_steps);
    rig.start(1);
    assert_eq!(rig.fail(1, declined()), ["schedule 2 refund"]);
}

#[test]
fn failed_undos_do_not_stop_the_others_and_are_reported() {
    let mut rig = Rig::new(two_steps);
    rig.start(1);
    rig.complete(1, 1);
    rig.fail(2, declined());
    let closed = Failure::application("Closed", "bank is closed");
    assert_eq!(rig.fail(3, closed.clone()), ["schedule 4 refund"]);
    assert_eq!(
        rig.fail(4, closed),
        ["fail: card declined; compensation `charge` failed too: bank is closed; \
          compensation `refund` failed too: bank is closed"]
    );
    let EventAttributes::WorkflowExecutionFailed(failed) = &rig.events.last().unwrap().attributes
    else {
        panic!("{:?}", rig.events.last())
    };
    // The original failure is there to match on, and so are those of the compensations.
    let failure = &failed.failure;
    assert!(matches!(failure.kind(), FailureKind::Activity(it) if it.activity_type == "ship"));
    assert_eq!(failure.application_type(), Some("Declined"));
    let named = failure.failed_compensations();
    let named: Vec<_> = named.iter().map(|failed| (failed.name, failed.failure)).collect();
    assert_eq!(named.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["charge", "refund"]);
    for (name, failure) in named {
        assert_eq!(failure.application_type(), Some("Closed"));
        assert!(matches!(failure.kind(), FailureKind::Activity(it) if it.activity_type == name));
    }
}

const UNDO: Workflow<u64, u64> = Workflow::new("undo");

/// Fails after steps with a compensation of each kind.
async fn every_kind(ctx: WorkflowContext, is_parallel: bool) -> WorkflowResult<()> {
    ctx.saga(async |saga| {
        if is_parallel {
            saga.compensate_in_parallel();
        }
        saga.undo(ctx.activity(REFUND, 1).retry_policy(RetryPolicy::none()));
        saga.undo(ctx.local_activity(SHIP, 2).start_to_close_timeout(SECOND));
        saga.undo(ctx.child(UNDO, 3).workflow_id("undo-3"));
        let cleaner = ctx.clone();
        saga.undo_with("wait and refund", async move {
            cleaner.sleep(SECOND).await;
            cleaner.activity(REFUND, 4).await?;
            Err(Failure::application("Late", "too late"))
        });
        Err(ctx.activity(CHARGE, 1).await.unwrap_err())
    })
    .await
}

impl Rig {
    fn local_activity_fails(&mut self, seq: u32) -> Vec<String> {
        let local = self.machine.local_activity(Seq::new(seq)).unwrap();
        let failure = Failure::application("Lost", "it is lost");
        let marker = Marker::LocalActivity(LocalActivityMarker {
            seq: local.seq,
            activity_id: local.activity_id,
            activity_type: local.activity_type,
            attempt: 1,
            outcome: LocalActivityOutcome::Failed {
                failure,
                retry_state: RetryState::MaximumAttemptsReached,
            },
            source: local.source,
        });
        self.turn(vec![EventAttributes::MarkerRecorded(MarkerRecorded { marker })])
    }

    fn child_ends(&mut self, seq: u32) -> Vec<String> {
        let seq = Seq::new(seq);
        let initiated_event_id = self.state.children[&seq].initiated_event_id;
        let run_id = run_id();
        let started = ChildWorkflowExecutionStarted { seq, initiated_event_id, run_id };
        self.turn(vec![EventAttributes::ChildWorkflowExecutionStarted(started)]);
        // What it gives is not looked at, even if it cannot be read as what it should be.
        let result = Payload::encode(&"done").unwrap();
        let completed = ChildWorkflowExecutionCompleted { seq, initiated_event_id, run_id, result };
        self.turn(vec![EventAttributes::ChildWorkflowExecutionCompleted(completed)])
    }
}

#[test]
fn local_activities_children_and_futures_compensate_too() {
    let mut rig = Rig::new(every_kind);
    rig.start(false);
    assert_eq!(rig.fail(1, declined()), ["start timer 2 1s"]);
    assert_eq!(rig.fire(2), ["schedule 3 refund"]);
    assert_eq!(rig.complete(3, ""), ["start child 4 undo as undo-3"]);
    assert!(rig.child_ends(4).is_empty());
    assert_eq!(rig.local, ["run 5 ship #1"]);
    assert_eq!(rig.local_activity_fails(5), ["schedule 6 refund"]);
    let scheduled = &rig.state.activities[&Seq::new(6)];
    assert_eq!(scheduled.options.retry_policy.maximum_attempts, 1);
    assert_eq!(
        rig.complete(6, ""),
        ["fail: card declined; compensation `wait and refund` failed too: too late; \
          compensation `ship` failed too: it is lost"]
    );
}

#[test]
fn compensations_run_at_the_same_time_on_demand_started_in_reverse_order() {
    let mut rig = Rig::new(every_kind);
    rig.start(true);
    assert_eq!(
        rig.fail(1, declined()),
        ["start child 2 undo as undo-3", "schedule 4 refund", "start timer 5 1s"]
    );
    assert_eq!(rig.local, ["run 3 ship #1"]);
    assert!(rig.local_activity_fails(3).is_empty());
    // A cancellation stops none of them.
    assert!(rig.cancel().is_empty());
    assert!(rig.complete(4, "").is_empty());
    assert_eq!(rig.fire(5), ["schedule 6 refund"]);
    assert!(rig.complete(6, "").is_empty());
    assert_eq!(
        rig.child_ends(2),
        ["fail: card declined; compensation `wait and refund` failed too: too late; \
          compensation `ship` failed too: it is lost"]
    );
}

#[test]
fn an_undo_that_is_registered_after_its_step_can_use_what_that_gave() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.saga(async |saga| {
            let receipt = ctx.activity(CHARGE, cents).await?;
            saga.undo(ctx.activity(REFUND, receipt));
            ctx.activity(SHIP, cents).await
        })
        .await
    });
    rig.start(1);
    rig.complete(1, 77);
    assert_eq!(rig.fail(2, declined()), ["schedule 3 refund"]);
    let scheduled = rig.events.last().unwrap();
    let EventAttributes::ActivityTaskScheduled(scheduled) = &scheduled.attributes else {
        panic!("{scheduled:?}")
    };
    assert_eq!(scheduled.input[0].decode::<u64>(), Ok(77));
    assert_eq!(rig.complete(3, ""), ["fail: card declined"]);
}

#[test]
fn can_3_a_cancelled_saga_undoes_shielded_and_closes_as_cancelled() {
    let mut rig = Rig::new(two_steps);
    rig.start(1);
    rig.complete(1, 1);
    assert_eq!(rig.cancel(), ["cancel activity of event 5", "schedule 3 charge"]);
    assert_eq!(rig.complete(3, 0), ["schedule 4 refund"]);
    assert_eq!(rig.complete(4, "done"), ["cancelled: canceled"]);
}

#[test]
fn can_3_a_cancellation_while_undoing_does_not_stop_it() {
    let mut rig = Rig::new(two_steps);
    rig.start(1);
    rig.complete(1, 1);
    rig.fail(2, declined());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.complete(3, 0), ["schedule 4 refund"]);
    assert_eq!(rig.complete(4, "done"), ["fail: card declined"]);
}

#[test]
fn sagas_nest() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.saga(async |outer| {
            outer.undo(ctx.activity(REFUND, cents));
            ctx.saga(async |inner| {
                inner.undo(ctx.activity(SHIP, cents));
                ctx.activity(CHARGE, cents).await
            })
            .await
        })
        .await
    });
    rig.start(1);
    assert_eq!(rig.fail(1, declined()), ["schedule 2 ship"]);
    assert_eq!(rig.complete(2, 0), ["schedule 3 refund"]);
    assert_eq!(rig.complete(3, "done"), ["fail: card declined"]);
}

/// No timeout at all, which no call may have.
const ENDLESS: Activity<u64, u64> = Activity::new("endless");
const STOP: Signal<()> = Signal::new("stop");

struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unwritable"))
    }
}

#[test]
fn an_undo_that_could_never_start_fails_the_saga_before_its_next_step() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.saga(async |saga| {
            let receipt = ctx.activity(CHARGE, cents).await?;
            saga.undo(ctx.activity(REFUND, receipt));
            saga.undo(ctx.activity(ENDLESS, cents));
            ctx.child(UNDO, cents).await?;
            ctx.activity(SHIP, cents).await
        })
        .await
    });
    rig.start(1);
    assert_eq!(rig.complete(1, 1), ["schedule 2 refund"]);
    let [end] = &rig.complete(2, "")[..] else { panic!("one command") };
    assert!(end.starts_with("fail: register an undo: activity `endless`: "), "{end}");
}

/// How a saga ends whose undo is refused, while it gives a result and waits in between.
async fn refused(ctx: &WorkflowContext, register: impl FnOnce(&mut Saga)) -> Failure {
    let result = ctx
        .saga(async |saga| {
            register(saga);
            ctx.sleep(SECOND).await;
            Ok(())
        })
        .await;
    result.unwrap_err()
}

#[test]
fn an_undo_of_any_kind_is_checked_when_it_is_registered() {
    const WRITE: Activity<Unwritable, u64> = Activity::new("write").start_to_close_timeout(SECOND);
    const WRITER: Workflow<Unwritable, u64> = Workflow::new("writer");
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let failures = [
            refused(&ctx, |saga| saga.undo(ctx.activity(WRITE, Unwritable))).await,
            refused(&ctx, |saga| saga.undo(ctx.activity_by_name("", Vec::new()))).await,
            refused(&ctx, |saga| saga.undo(ctx.local_activity(WRITE, Unwritable))).await,
            refused(&ctx, |saga| saga.undo(ctx.local_activity(ENDLESS, 1))).await,
            refused(&ctx, |saga| saga.undo(ctx.child(WRITER, Unwritable))).await,
            refused(&ctx, |saga| saga.undo(ctx.child(UNDO, 1).workflow_id(""))).await,
            // The first one counts.
            refused(&ctx, |saga| {
                saga.undo(ctx.activity(ENDLESS, 1));
                saga.undo(ctx.activity(WRITE, Unwritable));
            })
            .await,
        ];
        let types = failures.iter().map(|failure| failure.application_type().unwrap_or("none"));
        Ok(types.collect::<Vec<_>>().join(" "))
    });
    assert_eq!(
        rig.start(()),
        ["complete EncodeError InvalidActivityOptions EncodeError InvalidActivityOptions \
          EncodeError InvalidChildWorkflowOptions InvalidActivityOptions"]
    );
}

#[test]
fn a_refused_undo_cancels_nothing_outside_of_its_saga() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let sleep = ctx.sleep(SECOND);
        let failure = refused(&ctx, |saga| saga.undo(ctx.activity(ENDLESS, 1))).await;
        assert!(!ctx.is_cancelled() && !ctx.current_scope().is_cancelled());
        let mut stops = ctx.signals(STOP);
        select! {
            () = sleep => Err(failure),
            () = stops.recv() => Ok(()),
        }
    });
    assert_eq!(rig.start(()), ["start timer 1 1s"]);
    let [end] = &rig.fire(1)[..] else { panic!("one command") };
    assert!(end.starts_with("fail: register an undo: activity `endless`: "), "{end}");
}
