//! The run's cancellation: waiting for it, and being shielded from it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::core::Core;

/// The future of [`WorkflowContext::cancelled`](crate::WorkflowContext::cancelled).
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Cancelled {
    core: Arc<Core>,
    waiter: Option<u64>,
}

impl Cancelled {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, waiter: None }
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { core, waiter } = &mut *self;
        core.poll_cancelled(waiter, cx.waker())
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.core.release_cancel_waiter(waiter);
        }
    }
}

/// The future of [`WorkflowContext::shield`](crate::WorkflowContext::shield).
#[must_use = "futures do nothing unless awaited"]
pub struct Shield<F> {
    core: Arc<Core>,
    future: Pin<Box<F>>,
}

impl<F: Future> Shield<F> {
    pub(super) fn new(core: Arc<Core>, future: impl IntoFuture<IntoFuture = F>) -> Self {
        let scope = core.enter_shield();
        let future = Box::pin(future.into_future());
        drop(scope);
        Self { core, future }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { core, future } = &mut *self;
        let _scope = core.enter_shield();
        future.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}
