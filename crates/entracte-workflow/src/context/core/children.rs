//! Child workflows in the shared state: two resolutions, and handles that only wait.

use std::task::{Poll, Waker};

use entracte_model::{Failure, RunId, Seq, WorkflowId};

use super::Core;
use super::machine_side::wake;
use crate::context::operation::{ChildStart, OperationKind, Outcome};
use crate::machine::{ChildResolution, ChildStartResolution, Command};

impl Core {
    /// A child has started, or will not; tells whether the number was ever given.
    pub(crate) fn resolve_child_start(&self, seq: Seq, resolution: ChildStartResolution) -> bool {
        match resolution {
            ChildStartResolution::Succeeded { run_id } => {
                self.child_started(seq, ChildStart::Started(run_id))
            }
            ChildStartResolution::Failed(failure) => {
                self.resolve_child(seq, ChildResolution::Failed(failure))
            }
            ChildStartResolution::Cancelled(failure) => {
                self.resolve_child(seq, ChildResolution::Cancelled(failure))
            }
        }
    }

    /// Ends a child; tells whether the number was ever given.
    pub(crate) fn resolve_child(&self, seq: Seq, resolution: ChildResolution) -> bool {
        self.child_started(seq, ChildStart::Over) && self.resolve(seq, Outcome::Child(resolution))
    }

    /// Wakes whoever waits for a child's start.
    fn child_started(&self, seq: Seq, known: ChildStart) -> bool {
        let mut state = self.lock();
        let is_given = seq.get() >= 1 && seq.get() <= state.seq_last;
        let (mut waker, mut started) = (None, None);
        if let Some(operation) = state.operations.get_mut(seq) {
            let OperationKind::ChildWorkflow { start, workflow_id, .. } = &mut operation.kind
            else {
                return false;
            };
            if let ChildStart::Pending(waiting) = start {
                waker = waiting.take();
                *start = known;
                started = Some(workflow_id.clone());
            }
        }
        if let Some(workflow_id) = started {
            state.starting.remove(&workflow_id);
        }
        drop(state);
        wake(waker);
        is_given
    }

    /// Asks whether a child has started: gives its first run, or why it will not. Its end is
    /// still there for whoever waits for that.
    pub(crate) fn poll_child_start(&self, seq: Seq, waker: &Waker) -> Poll<Result<RunId, Failure>> {
        let scope = self.scope_here();
        // Before the lock, so that they are dropped after it.
        let (own, mut wakers) = (waker.clone(), Vec::new());
        let mut state = self.lock();
        state.adopt(seq, scope, &mut wakers);
        let Some(operation) = state.operations.get_mut(seq) else { return Poll::Pending };
        let OperationKind::ChildWorkflow { start, .. } = &mut operation.kind else {
            return Poll::Pending;
        };
        match start {
            ChildStart::Started(run_id) => return Poll::Ready(Ok(*run_id)),
            ChildStart::Pending(slot) => {
                wakers.extend(slot.replace(own));
                return Poll::Pending;
            }
            ChildStart::Over => {}
        }
        drop(state);
        match self.poll_operation(seq, waker) {
            Poll::Ready(Outcome::Child(
                ChildResolution::Failed(failure) | ChildResolution::Cancelled(failure),
            )) => Poll::Ready(Err(failure)),
            // A result without a start: no engine tells that.
            _ => Poll::Pending,
        }
    }

    /// Nothing waits for a child any more. It goes on; a cancellation of the run still reaches
    /// it.
    pub(crate) fn detach_child(&self, seq: Seq) {
        let mut state = self.lock();
        if state.is_deaf() {
            return;
        }
        let mut released = None;
        let mut waiting = None;
        if let Some(operation) = state.operations.get_mut(seq) {
            if operation.is_pending() {
                if let OperationKind::ChildWorkflow { start: ChildStart::Pending(slot), .. } =
                    &mut operation.kind
                {
                    waiting = slot.take();
                }
                state.operations.detach(seq);
            } else {
                released = state.remove_operation(seq);
            }
        }
        drop(state);
        drop(waiting);
        drop(released);
    }

    /// Whether the run already asks for a child of this workflow id, and does not know yet
    /// whether it has started (rule CHD-3).
    pub(crate) fn is_child_starting(&self, workflow_id: &WorkflowId) -> bool {
        self.lock().starting.contains(workflow_id)
    }

    /// Requests the cancellation of a child, once.
    pub(crate) fn cancel_child(&self, seq: Seq, reason: String) {
        let mut state = self.lock();
        if state.is_deaf() {
            return;
        }
        let Some(operation) = state.operations.get_mut(seq) else { return };
        if !operation.is_pending() || std::mem::replace(&mut operation.cancel_requested, true) {
            return;
        }
        let source = operation.source.into();
        let cancel =
            Command::CancelChildWorkflowExecution { child_workflow_seq: seq, reason, source };
        state.cancellations.insert(seq, cancel);
    }
}
