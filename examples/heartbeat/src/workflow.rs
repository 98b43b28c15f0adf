//! The workflow: plain decisions, every effect in an activity.

use entracte::ActivityCancellationType;
use entracte::prelude::*;

use crate::contract::{COPY, Copied, CopyRequest, DISCARD, EXAMINE, FINISH, REQUEST, Step};

/// Copies a file, or leaves nothing of the copy behind.
pub(crate) async fn copy_file(
    ctx: WorkflowContext,
    request: CopyRequest,
) -> WorkflowResult<Copied> {
    ctx.publish(REQUEST, request.clone());
    let (source, target) = (request.source.clone(), request.target.clone());
    let silence = request.heartbeat_timeout;
    // The next step looks at what the one before has left: who is asked to stop is waited for.
    let stops = ActivityCancellationType::WaitCancellationCompleted;
    ctx.saga(async |saga| {
        let original = ctx.activity(EXAMINE, request.clone()).await?;
        let step = Step { request, original };
        saga.undo(ctx.activity(DISCARD, target.clone()));
        ctx.activity(COPY, step.clone())
            .heartbeat_timeout(silence)
            .cancellation_type(stops)
            .await?;
        ctx.activity(FINISH, step).heartbeat_timeout(silence).cancellation_type(stops).await
    })
    .await
    .with_context(|| format!("copy `{}` to `{}`", source.display(), target.display()))
}
