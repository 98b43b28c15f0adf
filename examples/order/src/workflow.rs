//! The workflow: plain decisions, every effect in an activity.

use entracte::prelude::*;

use crate::contract::{APPROVE, CHARGE, Order, Payment, REFUND, SHIP, STATUS, Status, Tracking};

/// Carries an order out.
pub(crate) async fn order(ctx: WorkflowContext, order: Order) -> WorkflowResult<Tracking> {
    let result = async {
        await_approval(&ctx, &order).await?;
        pay_and_ship(&ctx, &order).await
    }
    .await
    .with_context(|| format!("order `{}`", order.id));
    ctx.publish(
        STATUS,
        match &result {
            Ok(Tracking { tracking }) => Status::Shipped { tracking: tracking.clone() },
            Err(failure) => Status::Failed { why: failure.to_string() },
        },
    );
    result
}

/// Waits for the approver, or for the deadline, whichever comes first in the journal.
async fn await_approval(ctx: &WorkflowContext, order: &Order) -> WorkflowResult<()> {
    ctx.publish(STATUS, Status::AwaitingApproval);
    let mut approvals = ctx.signals(APPROVE);
    let approval = select! {
        approval = approvals.recv() => approval,
        slept = ctx.sleep_or_cancelled(order.deadline) => {
            slept?;
            let deadline = order.deadline;
            return Err(Failure::application("Expired", format!("nobody answered in {deadline:?}")));
        }
    };
    if approval.approved {
        return Ok(());
    }
    Err(Failure::application("Rejected", format!("{} said no", approval.by)))
}

async fn pay_and_ship(ctx: &WorkflowContext, order: &Order) -> WorkflowResult<Tracking> {
    // Each run pays once. The key is made here and not by the attempt, because the refund has to
    // name the charge also when nobody knows what became of it.
    let key = ctx.run_id().to_string();
    let payment = Payment { key, order: order.id.clone(), cents: order.cents };
    ctx.saga(async |saga| {
        let steps = async {
            ctx.publish(STATUS, Status::Charging);
            // Registered before the charge: one that timed out may have been made.
            saga.undo(ctx.activity(REFUND, payment.clone()));
            let paid = ctx.activity(CHARGE, payment).await.context("charge the card")?;
            ctx.publish(STATUS, Status::Shipping { receipt: paid.receipt });
            ctx.activity(SHIP, order.id.clone()).await.context("ship it")
        };
        let result = steps.await;
        if result.is_err() {
            ctx.publish(STATUS, Status::PayingBack);
        }
        result
    })
    .await
}
