//! Sagas.

use entracte_model::Failure;
use entracte_workflow::{WorkflowContext, WorkflowResult};

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
        ["fail: card declined; a compensation failed too: undo by charge: bank is closed; a \
          compensation failed too: undo by refund: bank is closed"]
    );
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
