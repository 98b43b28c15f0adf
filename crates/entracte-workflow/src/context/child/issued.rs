//! A child that was issued: its start, its handle and its end.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{Failure, Payload, RunId, Seq, WorkflowId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::core::Core;
use crate::context::external::SignalExternal;
use crate::context::operation::Outcome;
use crate::define::Signal;
use crate::machine::ChildResolution;

#[derive(Debug, Clone)]
pub(super) enum Progress {
    Immediate(Failure),
    Started(Seq),
    Done,
}

/// A child that was issued, without its output type. Dropping it stops the waiting.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) core: Arc<Core>,
    pub(super) workflow_type: &'static str,
    pub(super) progress: Progress,
}

impl Child {
    fn poll_immediate(&mut self) -> Option<Poll<Failure>> {
        let Progress::Immediate(failure) = &self.progress else { return None };
        if !self.core.admit_immediate() {
            return Some(Poll::Pending);
        }
        let failure = failure.clone();
        self.progress = Progress::Done;
        Some(Poll::Ready(failure))
    }

    fn seq(&self) -> Seq {
        match self.progress {
            Progress::Started(seq) => seq,
            _ => panic!("a child workflow was awaited again after it had ended"),
        }
    }

    pub(super) fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Failure>> {
        if let Some(polled) = self.poll_immediate() {
            return polled.map(Err);
        }
        let result = match self.core.poll_operation(self.seq(), cx.waker()) {
            Poll::Ready(Outcome::Child(ChildResolution::Completed(output))) => Ok(output),
            Poll::Ready(Outcome::Child(
                ChildResolution::Failed(failure) | ChildResolution::Cancelled(failure),
            )) => Err(failure),
            // The machine gives children no other outcome.
            Poll::Ready(_) | Poll::Pending => return Poll::Pending,
        };
        self.progress = Progress::Done;
        Poll::Ready(result)
    }

    fn poll_result<O: DeserializeOwned>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<O, Failure>> {
        let workflow_type = self.workflow_type;
        self.poll_payload(cx).map(|result| {
            result?.decode().map_err(|error| {
                let message = format!("result of workflow `{workflow_type}`: {error}");
                Failure::non_retryable("DecodeError", message)
            })
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Progress::Started(seq) = self.progress {
            self.core.detach_child(seq);
        }
    }
}

/// Waits until a child workflow has started: the future of
/// [`ChildWorkflowCall::start`](crate::ChildWorkflowCall::start). Dropping it stops the waiting and
/// nothing else.
#[must_use = "futures do nothing unless awaited"]
pub struct StartChildWorkflow<O> {
    pub(super) child: Child,
    pub(super) workflow_id: Option<WorkflowId>,
    pub(super) output: PhantomData<fn() -> O>,
}

impl<O> Future for StartChildWorkflow<O> {
    type Output = Result<ChildWorkflowHandle<O>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(polled) = self.child.poll_immediate() {
            return polled.map(Err);
        }
        let seq = self.child.seq();
        let Poll::Ready(started) = self.child.core.poll_child_start(seq, cx.waker()) else {
            return Poll::Pending;
        };
        let core = Arc::clone(&self.child.core);
        let workflow_type = self.child.workflow_type;
        // From here on the handle is what waits.
        self.child.progress = Progress::Done;
        let workflow_id = self.workflow_id.take();
        Poll::Ready(started.and_then(|first_execution_run_id| {
            let child = Child { core, workflow_type, progress: Progress::Started(seq) };
            let missing = || Failure::non_retryable("Internal", "a child without a workflow id");
            Ok(ChildWorkflowHandle {
                child,
                seq,
                workflow_id: workflow_id.ok_or_else(missing)?,
                first_execution_run_id,
                output: PhantomData,
            })
        }))
    }
}

impl<O> fmt::Debug for StartChildWorkflow<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartChildWorkflow").field(&self.child.workflow_type).finish()
    }
}

/// A child workflow that has started (rule CHD-17). Dropping it stops the waiting and nothing
/// else: what becomes of the child is said by its [`ParentClosePolicy`].
///
/// [`ParentClosePolicy`]: entracte_model::ParentClosePolicy
pub struct ChildWorkflowHandle<O> {
    child: Child,
    seq: Seq,
    workflow_id: WorkflowId,
    first_execution_run_id: RunId,
    output: PhantomData<fn() -> O>,
}

impl<O> ChildWorkflowHandle<O> {
    /// The child's workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.workflow_id
    }

    /// The child's first run.
    #[must_use]
    pub fn first_execution_run_id(&self) -> RunId {
        self.first_execution_run_id
    }

    /// Waits for the child's end, whichever of its runs that is (rule CHD-9).
    ///
    /// The output is the child's, or a [`Failure`] of the kind `ChildWorkflow` whose cause tells
    /// what went wrong.
    pub fn result(self) -> ChildWorkflowFuture<O> {
        ChildWorkflowFuture { child: self.child, output: PhantomData }
    }

    /// Sends the child a signal (rule CHD-15). Nothing happens until it is awaited; see
    /// [`ExternalWorkflow::signal`](crate::ExternalWorkflow::signal).
    #[track_caller]
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SignalExternal {
        SignalExternal::to_child(&self.child.core, &self.workflow_id, self.seq, signal, &value)
    }

    /// Requests the child's cancellation; what that means for [`result`](Self::result) is said
    /// by its [`ChildWorkflowCancellationType`]. A second request changes nothing.
    ///
    /// [`ChildWorkflowCancellationType`]: entracte_model::ChildWorkflowCancellationType
    pub fn cancel(&self, reason: impl Into<String>) {
        self.child.core.cancel_child(self.seq, reason.into());
    }
}

impl<O> fmt::Debug for ChildWorkflowHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildWorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("first_execution_run_id", &self.first_execution_run_id)
            .finish_non_exhaustive()
    }
}

/// Waits for the end of a child workflow. Dropping it stops the waiting and nothing else.
#[must_use = "futures do nothing unless awaited"]
pub struct ChildWorkflowFuture<O> {
    pub(super) child: Child,
    pub(super) output: PhantomData<fn() -> O>,
}

impl<O: DeserializeOwned> Future for ChildWorkflowFuture<O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.child.poll_result(cx)
    }
}

impl<O> fmt::Debug for ChildWorkflowFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildWorkflowFuture").field(&self.child.workflow_type).finish()
    }
}
