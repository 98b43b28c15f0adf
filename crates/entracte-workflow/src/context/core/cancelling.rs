//! What a cancellation does to the operations of a scope.
//!
//! | operation | not yet recorded | pending |
//! |---|---|---|
//! | timer | vanishes, is over | is cancelled, is over |
//! | activity, child | vanishes, ends as cancelled | is asked to cancel; its type says when it ends |
//! | local activity | vanishes, ends as cancelled | as an activity; one that backs off ends now |
//! | signal or request to another workflow | vanishes, ends as cancelled | goes on |

use std::sync::Arc;
use std::task::{Poll, Waker};

use entracte_model::Seq;

use super::limits::Limited;
use super::machine_side::wake;
use super::scopes::{ScopeId, Waiting};
use super::{Core, State};
use crate::context::activity::cancelled as activity_cancelled;
use crate::context::child::cancelled as child_cancelled;
use crate::context::external::{REQUEST, SIGNAL, cancelled_before_sent};
use crate::context::operation::{ChildStart, Operation, OperationKind, Outcome, Progress};
use crate::machine::{ActivityResolution, ChildResolution, Command};

impl Core {
    /// The run is asked to cancel.
    pub(crate) fn cancel(&self, reason: String) {
        self.cancel_scope(ScopeId::ROOT, reason.into());
    }

    /// Cancels a scope, those below it, and what is pending in them; nothing between two jobs.
    /// Timers end here and now, activities and children when their resolution comes.
    pub(crate) fn cancel_scope(&self, id: ScopeId, reason: Arc<str>) {
        let mut state = self.lock();
        if state.is_deaf() {
            return;
        }
        let concerned = state.scopes.cancel(id, &reason);
        let mut wakers = concerned.wakers;
        for seq in concerned.operations {
            state.ask_to_cancel(seq, &reason, &mut wakers);
        }
        drop(state);
        wake(wakers);
    }

    /// Makes a scope inside of another one, with one holder.
    pub(crate) fn make_scope(&self, parent: ScopeId, is_shielded: bool) -> ScopeId {
        self.lock().scopes.make(parent, is_shielded)
    }

    pub(crate) fn hold_scope(&self, id: ScopeId) {
        self.lock().scopes.hold(id);
    }

    pub(crate) fn release_scope(&self, id: ScopeId) {
        self.lock().scopes.release(id);
    }

    /// Why a scope is cancelled; none if it is not.
    pub(crate) fn cancel_reason(&self, id: ScopeId) -> Option<Arc<str>> {
        self.lock().scopes.reason(id).cloned()
    }

    /// Why what is started here and now fails at once as cancelled; none if it does not (rule
    /// CAN-3).
    pub(crate) fn cancel_reason_here(&self) -> Option<Arc<str>> {
        self.cancel_reason(self.scope_here())
    }

    /// Whether what is started here and now fails at once as cancelled (rule CAN-3).
    pub(crate) fn is_scope_cancelled(&self) -> bool {
        self.cancel_reason_here().is_some()
    }

    /// Registers a waiter for a scope's cancellation, in place of where it waited before.
    pub(crate) fn poll_cancelled(
        &self,
        id: ScopeId,
        waiter: &mut Option<CancelWaiter>,
        waker: &Waker,
    ) -> Poll<()> {
        // Before the lock, so that it is dropped after it.
        let waker = waker.clone();
        let mut state = self.lock();
        if state.scopes.reason(id).is_some() {
            return Poll::Ready(());
        }
        let (number, moved) = match waiter.take() {
            Some(known) if known.scope == id => (Some(known.number), None),
            Some(CancelWaiter { scope, number }) => {
                (None, state.scopes.stop_waiting(scope, number))
            }
            None => (None, None),
        };
        let Waiting { number, replaced } = state.scopes.wait(id, number, waker);
        *waiter = Some(CancelWaiter { scope: id, number });
        drop(state);
        drop((moved, replaced));
        Poll::Pending
    }

    pub(crate) fn release_cancel_waiter(&self, CancelWaiter { scope, number }: CancelWaiter) {
        let released = self.lock().scopes.stop_waiting(scope, number);
        drop(released);
    }
}

/// Where something waits for a cancellation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CancelWaiter {
    scope: ScopeId,
    number: u64,
}

impl State {
    /// An operation is awaited in a scope: if that is further inside than where the operation
    /// was, it belongs there from now on.
    ///
    /// Whoever waits for it polls it now: the wakers need not be woken, only be dropped without
    /// the lock.
    pub(super) fn adopt(&mut self, seq: Seq, scope: ScopeId, wakers: &mut Vec<Waker>) {
        if self.is_deaf() {
            return;
        }
        let Some(operation) = self.operations.get_mut(seq) else { return };
        let before = operation.scope;
        if before == scope || !self.scopes.is_within(scope, before) {
            return;
        }
        operation.scope = scope;
        self.scopes.add_operation(scope, seq);
        self.scopes.remove_operation(before, seq);
        if let Some(reason) = self.scopes.reason(scope).cloned() {
            self.ask_to_cancel(seq, &reason, wakers);
        }
    }

    /// Asks a pending operation to cancel, once; whoever waits is to be woken if that ends it.
    fn ask_to_cancel(&mut self, seq: Seq, reason: &Arc<str>, wakers: &mut Vec<Waker>) {
        let Some(operation) = self.operations.get(seq) else { return };
        if !operation.is_pending() || operation.cancel_requested {
            return;
        }
        let (number, limited) = (operation.number(seq), Limited::of(&operation.kind));
        if self.takes_back(number, limited) {
            return self.end_unrecorded(seq, number, reason, wakers);
        }
        let Some(operation) = self.operations.get_mut(seq) else { return };
        match &mut operation.kind {
            OperationKind::Activity { .. } | OperationKind::ChildWorkflow { .. } => {
                operation.cancel_requested = true;
            }
            OperationKind::LocalActivity(local) if !local.backs_off => {
                operation.cancel_requested = true;
                local.cancel_requested = true;
                self.touch_local(number);
            }
            OperationKind::LocalActivity(_)
            | OperationKind::Timer { .. }
            | OperationKind::ExternalSignal { .. }
            | OperationKind::ExternalCancel { .. } => {}
        }
        let Some(operation) = self.operations.get(seq) else { return };
        if let Some((number, command)) = cancellation(seq, operation, reason) {
            self.cancellations.insert(number, command);
        }
        let ended = match &operation.kind {
            OperationKind::Timer { .. } => Outcome::TimerCancelled,
            OperationKind::LocalActivity(local) if local.backs_off => {
                Outcome::Activity(ActivityResolution::Cancelled(local.cancelled()))
            }
            _ => return,
        };
        wakers.extend(self.operations.resolve(seq, ended));
        self.forget_local(number);
    }

    /// Ends an operation whose command has not left the workflow: no event tells of it (rules
    /// ACX-2, CHD-13 and SIG-9).
    fn end_unrecorded(
        &mut self,
        seq: Seq,
        number: Seq,
        reason: &Arc<str>,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(operation) = self.operations.get_mut(seq) else { return };
        let ended = match &mut operation.kind {
            OperationKind::Activity { activity_type } => {
                Outcome::Activity(ActivityResolution::Cancelled(activity_cancelled(activity_type)))
            }
            OperationKind::LocalActivity(local) => {
                Outcome::Activity(ActivityResolution::Cancelled(local.cancelled()))
            }
            OperationKind::Timer { .. } => Outcome::TimerCancelled,
            OperationKind::ExternalSignal { .. } => {
                Outcome::ExternalSignal(Err(cancelled_before_sent(SIGNAL)))
            }
            OperationKind::ExternalCancel { .. } => {
                Outcome::ExternalCancel(Err(cancelled_before_sent(REQUEST)))
            }
            OperationKind::ChildWorkflow { workflow_type, workflow_id, start } => {
                self.starting.remove(workflow_id);
                if let ChildStart::Pending(waiting) = std::mem::replace(start, ChildStart::Over) {
                    wakers.extend(waiting);
                }
                let failure = child_cancelled(workflow_type, Some(workflow_id.as_str()), reason);
                Outcome::Child(ChildResolution::Cancelled(failure))
            }
        };
        if operation.is_detached {
            // Its waker must not be dropped under the lock.
            let released = self.remove_operation(seq).map(|released| released.progress);
            if let Some(Progress::Pending(waker)) = released {
                wakers.extend(waker);
            }
        } else {
            wakers.extend(self.operations.resolve(seq, ended));
        }
        self.forget_local(number);
    }
}

/// The command that asks a recorded operation to cancel, under the operation's number outside;
/// none of what cannot be taken back.
pub(super) fn cancellation(
    seq: Seq,
    operation: &Operation,
    reason: &str,
) -> Option<(Seq, Command)> {
    let command = match &operation.kind {
        OperationKind::Activity { .. } => Command::RequestCancelActivity { seq },
        OperationKind::Timer { .. } => Command::CancelTimer { seq },
        OperationKind::ChildWorkflow { .. } => Command::CancelChildWorkflowExecution {
            child_workflow_seq: seq,
            reason: reason.to_owned(),
            source: operation.source.into(),
        },
        OperationKind::LocalActivity(local) => {
            return Some((local.seq, super::local_activities::request_cancellation(local)));
        }
        OperationKind::ExternalSignal { .. } | OperationKind::ExternalCancel { .. } => return None,
    };
    Some((seq, command))
}
