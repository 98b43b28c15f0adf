//! Blocking activities: code that holds its thread, and outlives its attempt if it likes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::Payload;
use entracte_workflow::{ActivityContext, BlockingActivity};
use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::lost_attempt;
use super::panics::watch;
use crate::messages::AttemptOutcome;
use crate::overrunning::{Code, CodeId, Codes};
use crate::task_queues::Permit;

/// Starts the code on a thread for such work.
pub(super) fn start(
    activity: BlockingActivity,
    context: ActivityContext,
    input: Vec<Payload>,
    codes: &Arc<Codes>,
    permit: Option<Arc<Permit>>,
) -> BlockingAttempt {
    let code = Code::new(codes, context.info(), permit);
    let id = code.id();
    // What an interceptor has put around the attempt is around its log lines there too.
    let span = tracing::Span::current();
    let handle = tokio::task::spawn_blocking(move || {
        code.begins();
        span.in_scope(|| watch(|| activity(context, input))).flatten()
    });
    BlockingAttempt { handle, id, codes: Arc::clone(codes) }
}

/// Waits for the code. When this is dropped before the code has ended, the code is left behind.
pub(super) struct BlockingAttempt {
    handle: JoinHandle<AttemptOutcome>,
    id: CodeId,
    codes: Arc<Codes>,
}

impl Future for BlockingAttempt {
    type Output = AttemptOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AttemptOutcome> {
        self.handle.poll_unpin(cx).map(|ended| {
            // Its panics are caught, so only a runtime that shuts down ends it like this.
            ended.unwrap_or_else(|_| Err(lost_attempt("the runtime shut down before it ran")))
        })
    }
}

impl Drop for BlockingAttempt {
    fn drop(&mut self) {
        // Code that waits for a thread never runs; code that runs cannot be stopped.
        self.handle.abort();
        self.codes.left_behind(self.id);
    }
}
