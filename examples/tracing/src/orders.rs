//! What is traced: an order is charged, and its label printed. None of it knows of tracing.

use std::time::Duration;

use entracte::prelude::*;

/// An order, by what it costs in cents.
pub const ORDER: Workflow<u64, String> = Workflow::new("order");
/// Charges so many cents.
pub const CHARGE: Activity<u64, String> =
    Activity::new("charge").start_to_close_timeout(Duration::from_secs(30));
/// Prints the label of what was paid for.
pub const PRINT_LABEL: Activity<String, String> =
    Activity::new("print-label").start_to_close_timeout(Duration::from_secs(30));

/// The workflow.
///
/// # Errors
/// What its activities return.
pub async fn order(ctx: WorkflowContext, cents: u64) -> WorkflowResult<String> {
    let receipt = ctx.activity(CHARGE, cents).await.context("charge the card")?;
    ctx.activity(PRINT_LABEL, receipt).await.context("print the label")
}

/// Charges the card; the first attempt finds the line busy.
///
/// # Errors
/// `Busy` at the first attempt.
pub async fn charge(ctx: ActivityContext, cents: u64) -> ActivityResult<String> {
    if ctx.attempt() == 1 {
        tracing::info!("the line is busy");
        return Err(Failure::application("Busy", "the line is busy"));
    }
    tracing::info!(cents, "charged");
    Ok(format!("receipt for {cents} cents"))
}

/// Prints a label; it holds its thread, as printers' libraries do.
///
/// # Errors
/// None.
pub fn print_label(_ctx: ActivityContext, receipt: String) -> ActivityResult<String> {
    tracing::info!("printed");
    Ok(format!("label, {receipt}"))
}
