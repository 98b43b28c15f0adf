//! What a machine does with the shared state: begin jobs, end operations, take commands.

use std::task::Waker;

use entracte_model::{Failure, Seq};

use super::{Core, IMMEDIATE_RESOLUTIONS_MAX};
use crate::context::operation::{Operation, OperationKind, Outcome};
use crate::machine::{ActivityResolution, Command, JobHead};

impl Core {
    pub(crate) fn begin_job(&self, head: &mut JobHead) {
        let mut state = self.lock();
        state.now = head.time;
        state.is_replaying = head.is_replaying;
        state.history_length = head.history_length;
        state.history_size = head.history_size;
        if let Some(pending) = head.pending.take() {
            state.pending = pending;
        }
        state.immediate_resolutions = 0;
        state.in_job = true;
    }

    /// Takes the commands of the job: what was issued in order, then the cancellations in the
    /// order of their numbers.
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        let mut state = self.lock();
        state.in_job = false;
        let mut commands: Vec<_> = std::mem::take(&mut state.commands).into_values().collect();
        commands.extend(std::mem::take(&mut state.cancellations).into_values());
        commands
    }

    /// Ends a timer; tells whether the number was ever given.
    pub(crate) fn fire_timer(&self, seq: Seq) -> bool {
        self.lock().go_on_after_timer(seq) || self.resolve(seq, Outcome::Fired)
    }

    /// Ends an activity; tells whether the number was ever given.
    pub(crate) fn resolve_activity(
        &self,
        seq: Seq,
        resolution: ActivityResolution,
        is_local: bool,
    ) -> bool {
        if is_local {
            return self.resolve_local(seq, resolution);
        }
        self.resolve(seq, Outcome::Activity(resolution))
    }

    /// Ends a signal to another workflow; tells whether the number was ever given.
    pub(crate) fn resolve_external_signal(&self, seq: Seq, failure: Option<Failure>) -> bool {
        self.resolve(seq, Outcome::ExternalSignal(failure.map_or(Ok(()), Err)))
    }

    /// Ends a request to cancel another workflow; tells whether the number was ever given.
    pub(crate) fn resolve_external_cancel(&self, seq: Seq, failure: Option<Failure>) -> bool {
        self.resolve(seq, Outcome::ExternalCancel(failure.map_or(Ok(()), Err)))
    }

    pub(super) fn resolve(&self, seq: Seq, outcome: Outcome) -> bool {
        let mut state = self.lock();
        let known = seq.get() >= 1 && seq.get() <= state.seq_last;
        let (mut waker, mut released) = (None, None);
        if let Some(operation) = state.operations.get(seq) {
            let fits = matches!(
                (&operation.kind, &outcome),
                (OperationKind::Activity { .. }, Outcome::Activity(_))
                    | (OperationKind::Timer { .. }, Outcome::Fired)
                    | (OperationKind::ExternalSignal { .. }, Outcome::ExternalSignal(_))
                    | (OperationKind::ExternalCancel { .. }, Outcome::ExternalCancel(_))
                    | (OperationKind::ChildWorkflow { .. }, Outcome::Child(_))
            );
            if !fits {
                return false;
            }
            if operation.is_detached {
                // Nothing waits for it, so nothing would take its outcome.
                released = state.remove_operation(seq);
            } else if operation.is_pending() {
                waker = state.operations.resolve(seq, outcome);
            }
        }
        drop(state);
        drop(released);
        wake(waker);
        known
    }

    /// Whether something waits for the operation.
    pub(crate) fn awaits(&self, seq: Seq) -> bool {
        let state = self.lock();
        let pending =
            |operation: &Operation| operation.is_awaited() && operation.number(seq) == seq;
        state.locals.contains_key(&seq) || state.operations.get(seq).is_some_and(pending)
    }

    /// Whether anything can still wake the run: a pending operation, a signal, or its
    /// cancellation.
    pub(crate) fn is_anything_outstanding(&self) -> bool {
        let state = self.lock();
        state.operations.is_any_awaited()
            || state.signals.is_awaited()
            || state.scopes.is_run_cancellation_awaited()
    }

    pub(crate) fn is_overrun(&self) -> bool {
        self.lock().immediate_resolutions > IMMEDIATE_RESOLUTIONS_MAX
    }

    /// From now on, calls record nothing.
    pub(crate) fn make_inert(&self) {
        let mut state = self.lock();
        state.inert = true;
        state.locals.clear();
        let operations = std::mem::take(&mut state.operations);
        let cancel_waiters = state.scopes.take_waiters();
        let signal_waiters = state.signals.take_waiters();
        drop(state);
        drop(operations);
        drop(cancel_waiters);
        drop(signal_waiters);
    }

    pub(crate) fn pending<T>(&self, describe: impl Fn(Seq, &Operation) -> T) -> Vec<T> {
        let state = self.lock();
        let pending = state.operations.iter().filter(|(_, operation)| operation.is_awaited());
        pending.map(|(seq, operation)| describe(seq, operation)).collect()
    }
}

pub(super) fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
