//! The state that a machine shares with the context and the futures of its workflow.
//!
//! Only the machine's thread uses it during a turn, so the lock is never waited for; it makes
//! the workflow's future `Send`. No user code runs under the lock: wakers are woken and
//! dropped after it is released.

mod children;
mod intercept;
mod local_activities;
mod machine_side;
mod published;
mod signals;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use entracte_model::{Headers, Payload, RunId, Seq, Timestamp, WorkflowId};

use self::signals::SignalQueues;
pub(crate) use self::signals::UnreadSignal;
use super::operation::{Operation, OperationKind, Outcome, Progress};
use super::random::Random;
use crate::interceptor::InterceptorChain;
use crate::machine::{Command, TurnFailure};

/// How many operations may resolve at once, without waiting, in one turn. A loop around a
/// sleep that is over at once would otherwise hold its thread for ever.
const IMMEDIATE_RESOLUTIONS_MAX: u32 = 100_000;

thread_local! {
    /// How many shields surround what is being polled on this thread, of whichever run.
    static SHIELDS_HERE: Cell<u32> = const { Cell::new(0) };
}

/// Whether what is being polled on this thread is inside of a shield.
pub(crate) fn is_shielded_here() -> bool {
    SHIELDS_HERE.get() > 0
}

/// What does not change during a run.
#[derive(Debug)]
pub(crate) struct RunInfo {
    pub(crate) workflow_id: WorkflowId,
    pub(crate) workflow_type: Arc<str>,
    pub(crate) run_id: RunId,
    pub(crate) first_execution_run_id: RunId,
    pub(crate) attempt: u32,
    pub(crate) headers: Headers,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) info: RunInfo,
    interceptors: InterceptorChain,
    /// How many shields surround what is being polled right now.
    shields: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) is_replaying: bool,
    pub(crate) history_length: u64,
    pub(crate) random: Random,
    pub(crate) cancel_reason: Option<String>,
    operations: BTreeMap<Seq, Operation>,
    /// The operations of the pending local activities, by their numbers at the moment.
    locals: BTreeMap<Seq, Seq>,
    /// The numbers of local activities under which something has changed.
    local_changes: BTreeSet<Seq>,
    seq_last: u32,
    /// The commands of the running job, without cancellations.
    commands: Vec<Command>,
    /// The operations whose cancellation the running job requests. Ordered, because the order
    /// in which a workflow drops its futures is not a decision of its author.
    cancellations: BTreeMap<Seq, Command>,
    cancel_waiters: BTreeMap<u64, Waker>,
    /// The workflow ids of children that are not known to have started.
    starting: BTreeSet<WorkflowId>,
    cancel_waiter_last: u64,
    immediate_resolutions: u32,
    signals: SignalQueues,
    /// What the running turn has published, by name.
    published: BTreeMap<Arc<str>, Payload>,
    /// Why the running turn must fail, though the workflow's code does not.
    failure: Option<TurnFailure>,
    /// Whether a job is running. Between two jobs, calls record nothing: a command of a task
    /// that the workflow has spawned would get into a turn that no replay repeats.
    in_job: bool,
    inert: bool,
}

impl Core {
    pub(crate) fn new(info: RunInfo, randomness_seed: u64, interceptors: InterceptorChain) -> Self {
        let state = State {
            now: Timestamp::EPOCH,
            is_replaying: false,
            history_length: 0,
            random: Random::new(randomness_seed),
            cancel_reason: None,
            operations: BTreeMap::new(),
            locals: BTreeMap::new(),
            local_changes: BTreeSet::new(),
            seq_last: 0,
            commands: Vec::new(),
            cancellations: BTreeMap::new(),
            cancel_waiters: BTreeMap::new(),
            starting: BTreeSet::new(),
            cancel_waiter_last: 0,
            immediate_resolutions: 0,
            signals: SignalQueues::default(),
            published: BTreeMap::new(),
            failure: None,
            in_job: false,
            inert: false,
        };
        Self { info, interceptors, shields: AtomicU32::new(0), state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so a panic cannot have left the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shields what is polled until the guard is dropped.
    pub(crate) fn enter_shield(&self) -> ShieldScope<'_> {
        self.shields.fetch_add(1, Ordering::Relaxed);
        SHIELDS_HERE.set(SHIELDS_HERE.get() + 1);
        ShieldScope(self)
    }

    fn is_shielded(&self) -> bool {
        self.shields.load(Ordering::Relaxed) > 0
    }

    /// Whether what is started here and now fails at once as cancelled (rule CAN-3).
    pub(crate) fn is_scope_cancelled(&self) -> bool {
        !self.is_shielded() && self.lock().cancel_reason.is_some()
    }

    /// Numbers an operation and records the command that starts it; none once inert, and none
    /// between two jobs.
    pub(crate) fn issue(
        &self,
        kind: OperationKind,
        source: &'static Location<'static>,
        command: impl FnOnce(Seq) -> Command,
    ) -> Option<Seq> {
        self.issue_numbered(source, |seq| (kind, command(seq)))
    }

    /// As [`issue`](Self::issue), for an operation that tells of its number.
    pub(crate) fn issue_numbered(
        &self,
        source: &'static Location<'static>,
        operation: impl FnOnce(Seq) -> (OperationKind, Command),
    ) -> Option<Seq> {
        let shielded = self.is_shielded();
        let mut state = self.lock();
        if state.is_deaf() {
            return None;
        }
        let seq = state.next_seq();
        let progress = Progress::Pending(None);
        let (kind, command) = operation(seq);
        if let OperationKind::ChildWorkflow { workflow_id, .. } = &kind {
            state.starting.insert(workflow_id.clone());
        }
        let operation = Operation {
            kind,
            source,
            progress,
            shielded,
            cancel_requested: false,
            is_detached: false,
        };
        state.operations.insert(seq, operation);
        state.commands.push(command);
        Some(seq)
    }

    /// Asks how an operation ended; afterwards it is forgotten.
    pub(crate) fn poll_operation(&self, seq: Seq, waker: &Waker) -> Poll<Outcome> {
        let shielded = self.is_shielded();
        let mut state = self.lock();
        let Some(operation) = state.operations.get_mut(&seq) else { return Poll::Pending };
        operation.shielded |= shielded;
        let replaced = match &mut operation.progress {
            Progress::Pending(Some(known)) if known.will_wake(waker) => None,
            Progress::Pending(slot) => slot.replace(waker.clone()),
            Progress::Done(_) => match state.operations.remove(&seq).map(|done| done.progress) {
                Some(Progress::Done(outcome)) => return Poll::Ready(outcome),
                Some(Progress::Pending(_)) | None => return Poll::Pending,
            },
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Forgets an operation that nothing waits for any more, and requests its cancellation if
    /// it is pending. One that was started in the same turn vanishes (rules TIM-3 and ACX-2).
    pub(crate) fn release(&self, seq: Seq) {
        let mut state = self.lock();
        if state.is_deaf() {
            return;
        }
        let Some(operation) = state.operations.remove(&seq) else { return };
        let number = operation.number(seq);
        if operation.is_pending() && !operation.cancel_requested {
            match state.commands.iter().rposition(|command| command.starts() == Some(number)) {
                Some(started) => drop(state.commands.remove(started)),
                None => state.request_cancellation(seq, &operation),
            }
        }
        state.forget_local(number);
        drop(state);
        drop(operation);
    }

    /// Counts an operation that resolves without waiting; tells whether it may. Past the limit
    /// it must not resolve, so that the turn comes to an end and fails.
    pub(crate) fn admit_immediate(&self) -> bool {
        let mut state = self.lock();
        state.immediate_resolutions += 1;
        state.immediate_resolutions <= IMMEDIATE_RESOLUTIONS_MAX
    }

    /// Registers a waiter for the run's cancellation under its number, or a new one.
    pub(crate) fn poll_cancelled(&self, number: &mut Option<u64>, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if state.cancel_reason.is_some() {
            return Poll::Ready(());
        }
        let key = *number.get_or_insert_with(|| {
            state.cancel_waiter_last += 1;
            state.cancel_waiter_last
        });
        let replaced = state.cancel_waiters.insert(key, waker.clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    pub(crate) fn release_cancel_waiter(&self, number: u64) {
        let released = self.lock().cancel_waiters.remove(&number);
        drop(released);
    }
}

impl State {
    /// Whether calls record nothing.
    fn is_deaf(&self) -> bool {
        self.inert || !self.in_job
    }

    fn next_seq(&mut self) -> Seq {
        self.seq_last += 1;
        Seq::new(self.seq_last)
    }

    fn request_cancellation(&mut self, seq: Seq, operation: &Operation) {
        let command = match &operation.kind {
            OperationKind::Activity { .. } => Command::RequestCancelActivity { seq },
            OperationKind::Timer { .. } => Command::CancelTimer { seq },
            OperationKind::ChildWorkflow { .. } => Command::CancelChildWorkflowExecution {
                child_workflow_seq: seq,
                reason: self.cancel_reason.clone().unwrap_or_default(),
                source: operation.source.into(),
            },
            OperationKind::LocalActivity(local) => {
                let command = local_activities::request_cancellation(local);
                self.cancellations.insert(local.seq, command);
                return;
            }
            // What has been sent is not taken back.
            OperationKind::ExternalSignal { .. } | OperationKind::ExternalCancel { .. } => return,
        };
        self.cancellations.insert(seq, command);
    }
}

/// Ends a shield's scope when dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct ShieldScope<'a>(&'a Core);

impl Drop for ShieldScope<'_> {
    fn drop(&mut self) {
        self.0.shields.fetch_sub(1, Ordering::Relaxed);
        SHIELDS_HERE.set(SHIELDS_HERE.get().saturating_sub(1));
    }
}
