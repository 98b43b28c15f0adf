//! The state that a machine shares with the context and the futures of its workflow.
//!
//! Only the machine's thread uses it during a turn, so the lock is never waited for; it makes
//! the workflow's future `Send`. No user code runs under the lock: a waker can be user code, and
//! own futures of the workflow, so wakers are cloned before the lock is taken, and woken and
//! dropped after it is released. Where a function has several ways out, what it drops is
//! declared before the lock is taken, and so outlives the guard on each of them.

mod cancelling;
mod children;
mod intercept;
mod limits;
mod local_activities;
mod machine_side;
mod operations;
mod published;
mod scopes;
mod signals;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use entracte_model::{Failure, Headers, Payload, PendingLimits, RunId, Seq, Timestamp, WorkflowId};

pub(crate) use self::cancelling::CancelWaiter;
use self::cancelling::cancellation;
pub(crate) use self::limits::Limited;
use self::operations::Operations;
pub(crate) use self::scopes::ScopeId;
use self::scopes::ScopeTree;
use self::signals::SignalQueues;
pub(crate) use self::signals::UnreadSignal;
use super::operation::{Operation, OperationKind, Outcome, Progress};
use super::random::Random;
use crate::interceptor::InterceptorChain;
use crate::machine::{Command, PendingCounts, TurnFailure};

/// How many operations may resolve at once, without waiting, in one turn. A loop around a
/// sleep that is over at once would otherwise hold its thread for ever.
const IMMEDIATE_RESOLUTIONS_MAX: u32 = 100_000;

thread_local! {
    /// The scope of what is being polled on this thread, of whichever run.
    static SCOPE_HERE: Cell<ScopeId> = const { Cell::new(ScopeId::ROOT) };
}

/// The scope of what is being polled on this thread.
pub(crate) fn scope_here() -> ScopeId {
    SCOPE_HERE.get()
}

/// What does not change during a run.
#[derive(Debug)]
pub(crate) struct RunInfo {
    pub(crate) workflow_id: WorkflowId,
    pub(crate) workflow_type: Arc<str>,
    pub(crate) run_id: RunId,
    pub(crate) first_execution_run_id: RunId,
    pub(crate) task_queue: Arc<str>,
    pub(crate) attempt: u32,
    pub(crate) headers: Headers,
    pub(crate) continued_execution_run_id: Option<RunId>,
    pub(crate) continued_failure: Option<Failure>,
    pub(crate) limits: PendingLimits,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) info: RunInfo,
    interceptors: InterceptorChain,
    /// The scope of what is being polled right now.
    scope: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) is_replaying: bool,
    pub(crate) history_length: u64,
    pub(crate) history_size: u64,
    /// What is pending, with what the running job has issued.
    pending: PendingCounts,
    pub(crate) random: Random,
    operations: Operations,
    scopes: ScopeTree,
    /// The operations of the pending local activities, by their numbers at the moment.
    locals: BTreeMap<Seq, Seq>,
    /// The numbers of local activities under which something has changed.
    local_changes: BTreeSet<Seq>,
    seq_last: u32,
    /// The commands of the running job, without cancellations: by the numbers that they give,
    /// which is the order of issue.
    commands: BTreeMap<Seq, Command>,
    /// The operations whose cancellation the running job requests. Ordered, because the order
    /// in which a workflow drops its futures is not a decision of its author.
    cancellations: BTreeMap<Seq, Command>,
    /// The workflow ids of children that are not known to have started.
    starting: BTreeSet<WorkflowId>,
    immediate_resolutions: u32,
    signals: SignalQueues,
    /// What the running turn has published, by name.
    published: BTreeMap<Arc<str>, Payload>,
    /// The command with which the run goes on in a new one, if its workflow asked for that.
    continued: Option<Command>,
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
            history_size: 0,
            pending: PendingCounts::default(),
            random: Random::new(randomness_seed),
            operations: Operations::default(),
            scopes: ScopeTree::new(),
            locals: BTreeMap::new(),
            local_changes: BTreeSet::new(),
            seq_last: 0,
            commands: BTreeMap::new(),
            cancellations: BTreeMap::new(),
            starting: BTreeSet::new(),
            immediate_resolutions: 0,
            signals: SignalQueues::default(),
            published: BTreeMap::new(),
            continued: None,
            failure: None,
            in_job: false,
            inert: false,
        };
        Self { info, interceptors, scope: AtomicU64::new(0), state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so a panic cannot have left the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what is polled into a scope, until the guard is dropped.
    pub(crate) fn enter_scope(&self, id: ScopeId) -> EnteredScope<'_> {
        let before = ScopeId::from_number(self.scope.swap(id.number(), Ordering::Relaxed));
        EnteredScope { core: self, before, on_thread_before: SCOPE_HERE.replace(id) }
    }

    /// The scope of what is being polled.
    pub(crate) fn scope_here(&self) -> ScopeId {
        ScopeId::from_number(self.scope.load(Ordering::Relaxed))
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
        let scope = self.scope_here();
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
            scope,
            cancel_requested: false,
            is_detached: false,
        };
        state.count_issued(&operation.kind);
        state.insert_operation(seq, operation);
        state.commands.insert(seq, command);
        Some(seq)
    }

    /// Asks how an operation ended; afterwards it is forgotten.
    pub(crate) fn poll_operation(&self, seq: Seq, waker: &Waker) -> Poll<Outcome> {
        let scope = self.scope_here();
        // Before the lock, so that they are dropped after it.
        let (waker, mut wakers, mut removed) = (waker.clone(), Vec::new(), None);
        let mut state = self.lock();
        state.adopt(seq, scope, &mut wakers);
        let Some(operation) = state.operations.get_mut(seq) else { return Poll::Pending };
        match &mut operation.progress {
            Progress::Pending(Some(known)) if known.will_wake(&waker) => {}
            Progress::Pending(slot) => wakers.extend(slot.replace(waker)),
            Progress::Done(_) => removed = state.remove_operation(seq),
        }
        drop(state);
        match removed.map(|done| done.progress) {
            Some(Progress::Done(outcome)) => Poll::Ready(outcome),
            Some(Progress::Pending(_)) | None => Poll::Pending,
        }
    }

    /// Forgets an operation that nothing waits for any more, and requests its cancellation if
    /// it is pending. One that was started in the same turn vanishes (rules TIM-3 and ACX-2).
    pub(crate) fn release(&self, seq: Seq) {
        let mut state = self.lock();
        if state.is_deaf() {
            return;
        }
        let Some(operation) = state.remove_operation(seq) else { return };
        let number = operation.number(seq);
        if operation.is_pending()
            && !operation.cancel_requested
            && !state.takes_back(number, Limited::of(&operation.kind))
            && let Some((number, command)) = cancellation(seq, &operation, "")
        {
            state.cancellations.insert(number, command);
        }
        state.forget_local(number);
        drop(state);
        drop(operation);
    }

    /// Ends the run with this command when the running poll is over; tells whether that is
    /// taken up.
    pub(crate) fn continue_as_new(&self, command: Command) -> bool {
        let mut state = self.lock();
        let is_taken = !state.is_deaf() && state.continued.is_none();
        if is_taken {
            state.continued = Some(command);
        }
        is_taken
    }

    pub(crate) fn is_continued(&self) -> bool {
        self.lock().continued.is_some()
    }

    pub(crate) fn take_continued(&self) -> Option<Command> {
        self.lock().continued.take()
    }

    /// Counts an operation that resolves without waiting; tells whether it may. Past the limit
    /// it must not resolve, so that the turn comes to an end and fails.
    pub(crate) fn admit_immediate(&self) -> bool {
        let mut state = self.lock();
        state.immediate_resolutions += 1;
        state.immediate_resolutions <= IMMEDIATE_RESOLUTIONS_MAX
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

    fn insert_operation(&mut self, seq: Seq, operation: Operation) {
        self.scopes.add_operation(operation.scope, seq);
        self.operations.insert(seq, operation);
    }

    fn remove_operation(&mut self, seq: Seq) -> Option<Operation> {
        let operation = self.operations.remove(seq)?;
        self.scopes.remove_operation(operation.scope, seq);
        Some(operation)
    }
}

/// Goes back to the scope before when dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct EnteredScope<'a> {
    core: &'a Core,
    before: ScopeId,
    on_thread_before: ScopeId,
}

impl Drop for EnteredScope<'_> {
    fn drop(&mut self) {
        self.core.scope.store(self.before.number(), Ordering::Relaxed);
        SCOPE_HERE.set(self.on_thread_before);
    }
}
