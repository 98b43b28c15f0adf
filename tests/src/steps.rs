//! A workflow of three activities, the smallest that has every kind of turn.

use std::time::Duration;

use entracte::prelude::*;

/// Adds one.
pub const ADD_ONE: Activity<u64, u64> =
    Activity::new("add-one").start_to_close_timeout(Duration::from_secs(30));

/// Adds one, three times in sequence.
pub const THREE_STEPS: Workflow<u64, u64> = Workflow::new("three-steps");

/// The code of [`ADD_ONE`].
///
/// # Errors
/// Never.
pub async fn add_one(_ctx: ActivityContext, number: u64) -> ActivityResult<u64> {
    Ok(number + 1)
}

/// The code of [`THREE_STEPS`].
///
/// # Errors
/// Those of its activities.
pub async fn three_steps(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let one = ctx.activity(ADD_ONE, number).await?;
    let two = ctx.activity(ADD_ONE, one).await?;
    ctx.activity(ADD_ONE, two).await
}
