//! The pure machine that runs one workflow: jobs in, commands out.
//!
//! | job | what it does before the workflow is polled |
//! |---|---|
//! | `InitializeWorkflow` | makes the context and the workflow's future |
//! | `FireTimer`, `ResolveActivity` | ends the operation, if something waits for it |
//! | `ResolveSignalExternalWorkflow`, `ResolveRequestCancelExternalWorkflow` | the same, for a signal or a request to another workflow |
//! | `ResolveChildWorkflowExecutionStart` | wakes who waits for the child's start |
//! | `ResolveChildWorkflowExecution` | ends the child |
//! | `ResolveActivity` with a back-off | starts the timer; when that fires, schedules the local activity again |
//! | `SignalWorkflow` | puts the signal behind the others of its name |
//! | `CancelWorkflow` | ends timers that are not shielded, requests the cancellation of such activities and children |
//!
//! After each job the workflow is polled until it rests; signals directly behind the start or
//! another signal are applied before that. Commands come in the order of issue,
//! then the job's cancellations in the order of their numbers, then the terminal command: when
//! the workflow has returned, or waits for its continuation as new.

mod apply;
mod command;
mod job;
mod local_activities;
mod outstanding;
mod reports;
mod signals;
mod turn_failure;
mod waker;

use std::any::Any;
use std::fmt;
use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use entracte_model::Payload;
use entracte_model::event::WorkflowExecutionSignaled;

pub(crate) use self::apply::JobHead;
use self::apply::apply_to;
pub use self::command::{Command, ContinueAsNewOptions};
pub use self::job::{
    Activation, ActivityResolution, ChildResolution, ChildStartResolution, InitializeWorkflow, Job,
    PendingCounts,
};
pub use self::local_activities::LocalActivity;
pub(crate) use self::local_activities::local_failure;
pub use self::outstanding::{Outstanding, OutstandingKind};
pub use self::signals::{AwaitedSignal, UnreadSignals};
pub use self::turn_failure::{Mismatch, TurnFailure};
use self::waker::TurnWaker;
use crate::context::{Core, RunInfo, WorkflowContext};
use crate::registry::{ErasedWorkflow, WorkflowFuture};

/// How often a workflow may wake itself within one turn.
const POLLS_MAX: u32 = 100_000;

/// Runs one workflow, without clock, I/O, threads or an async runtime.
///
/// Dropping a machine has no effects: nothing is cancelled, and panics of destructors in the
/// workflow are caught.
pub struct Machine {
    workflow: Arc<dyn ErasedWorkflow>,
    waker: Arc<TurnWaker>,
    phase: Phase,
    last_words: LastWords,
}

/// What a run that has returned leaves to whoever drives it.
#[derive(Debug, Default)]
struct LastWords {
    unread: Vec<UnreadSignals>,
    /// The unread signals of a run that goes on in a new one.
    carried: Vec<WorkflowExecutionSignaled>,
    published: Vec<(Arc<str>, Payload)>,
}

enum Phase {
    /// Before the first job.
    New,
    Open(Running),
    /// After the terminal command: jobs change nothing.
    Closed,
    /// After a failed turn: jobs are refused.
    Dead(TurnFailure),
}

struct Running {
    core: Arc<Core>,
    future: WorkflowFuture,
}

impl Machine {
    /// Makes a machine that has not begun.
    #[must_use]
    pub fn new(workflow: Arc<dyn ErasedWorkflow>) -> Self {
        Self {
            workflow,
            waker: Arc::default(),
            phase: Phase::New,
            last_words: LastWords::default(),
        }
    }

    /// Sets what is called, once and from any thread, when something outside the run's turns
    /// wakes it. The next activation fails with [`TurnFailure::ForeignWake`]; the call tells
    /// when not to wait for one.
    pub fn on_foreign_wake(&self, hook: Arc<dyn Fn() + Send + Sync>) {
        self.waker.set_hook(hook);
    }

    /// Whether something outside the run's turns has woken it.
    #[must_use]
    pub fn is_foreign_woken(&self) -> bool {
        self.waker.is_foreign()
    }

    /// Applies jobs one by one, polls the workflow to rest after each, and gives what it
    /// decided.
    ///
    /// After the terminal command, jobs change nothing and bring nothing.
    ///
    /// # Errors
    /// [`TurnFailure`] says why the turn failed. The machine is dead then: what it decided in
    /// this activation is lost, and every further activation is refused.
    pub fn activate(&mut self, activation: Activation) -> Result<Vec<Command>, TurnFailure> {
        if let Phase::Dead(failure) = &self.phase {
            return Err(TurnFailure::Dead(Box::new(failure.clone())));
        }
        let Activation { run_id, time, is_replaying, history_length, history_size, pending, jobs } =
            activation;
        let mut head = JobHead {
            run_id,
            time,
            is_replaying,
            history_length,
            history_size,
            pending: Some(pending),
        };
        let mut commands = Vec::new();
        let mut jobs = jobs.into_iter().peekable();
        while let Some(job) = jobs.next() {
            if self.is_closed() {
                break;
            }
            match self.run_job(&mut head, job, &mut jobs) {
                Ok(of_job) => commands.extend(of_job),
                Err(failure) => {
                    self.put_away(Phase::Dead(failure.clone()));
                    return Err(failure);
                }
            }
        }
        Ok(commands)
    }

    /// Whether the workflow has returned.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Applies a job, with the signals behind it that the workflow is to see together with it,
    /// and polls.
    fn run_job(
        &mut self,
        head: &mut JobHead,
        job: Job,
        behind: &mut Peekable<impl Iterator<Item = Job>>,
    ) -> Result<Vec<Command>, TurnFailure> {
        let _turn = self.waker.enter();
        self.refuse_foreign_wake()?;
        let is_joined = matches!(job, Job::InitializeWorkflow(_) | Job::SignalWorkflow { .. });
        self.apply(head, job)?;
        let is_signal = |job: &Job| matches!(job, Job::SignalWorkflow { .. });
        while is_joined && let Some(signal) = behind.next_if(is_signal) {
            self.apply(head, signal)?;
        }
        let Phase::Open(running) = &mut self.phase else {
            return Err(TurnFailure::internal("the run has not begun"));
        };
        let core = Arc::clone(&running.core);
        let polled = running.poll_to_rest(&self.waker)?;
        self.refuse_foreign_wake()?;
        let terminal = match polled {
            Poll::Ready(result) => terminal(&core.info.workflow_type, result)?,
            Poll::Pending => match core.take_continued() {
                Some(continued) => {
                    self.last_words.carried = core.take_unread();
                    continued
                }
                None if core.is_anything_outstanding() => return Ok(core.take_commands()),
                None => return Err(TurnFailure::ForeignWait),
            },
        };
        let mut commands = core.take_commands();
        commands.push(terminal);
        self.last_words.unread = core.unread_signals();
        self.last_words.published = core.take_published();
        self.put_away(Phase::Closed);
        Ok(commands)
    }

    fn apply(&mut self, head: &mut JobHead, job: Job) -> Result<(), TurnFailure> {
        match (&self.phase, job) {
            (Phase::New, Job::InitializeWorkflow(init)) => self.initialize(head, *init),
            (Phase::Open(running), job) => {
                running.core.begin_job(head);
                apply_to(&running.core, job)
            }
            (Phase::New | Phase::Closed | Phase::Dead(_), _) => {
                Err(TurnFailure::internal("the first job of a run must be InitializeWorkflow"))
            }
        }
    }

    fn initialize(
        &mut self,
        head: &mut JobHead,
        init: InitializeWorkflow,
    ) -> Result<(), TurnFailure> {
        let info = RunInfo {
            workflow_id: init.workflow_id,
            workflow_type: Arc::clone(&init.workflow_type),
            run_id: head.run_id,
            first_execution_run_id: init.first_execution_run_id,
            task_queue: init.task_queue,
            attempt: init.attempt,
            headers: init.headers,
            continued_execution_run_id: init.continued_execution_run_id,
            continued_failure: init.continued_failure,
            limits: init.limits,
        };
        let interceptors = self.workflow.interceptors();
        let core = Arc::new(Core::new(info, init.randomness_seed, interceptors));
        core.begin_job(head);
        let ctx = WorkflowContext::new(Arc::clone(&core));
        // Reading the input and calling the function run user code as polling does.
        let started = catch_unwind(AssertUnwindSafe(|| self.workflow.start(ctx, &init.input)));
        let future = started.map_err(|panic| panicked(panic.as_ref()))?.map_err(|source| {
            let workflow_type = init.workflow_type.as_ref().to_owned();
            TurnFailure::InputUndecodable { workflow_type, source }
        })?;
        self.phase = Phase::Open(Running { core, future });
        Ok(())
    }

    fn refuse_foreign_wake(&self) -> Result<(), TurnFailure> {
        if self.waker.is_foreign() { Err(TurnFailure::ForeignWake) } else { Ok(()) }
    }

    /// Drops the workflow without effects: the context is inert by then, so what destructors
    /// do with it records nothing, and their panics are caught.
    fn put_away(&mut self, next: Phase) {
        self.waker.close();
        if let Phase::Open(Running { core, future }) = std::mem::replace(&mut self.phase, next) {
            core.make_inert();
            let _turn = self.waker.enter();
            let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
        }
    }
}

impl Running {
    /// Polls until the workflow is ready, or pending without having woken itself: channels
    /// inside the workflow wake whoever waits on their other end.
    fn poll_to_rest(
        &mut self,
        turn_waker: &Arc<TurnWaker>,
    ) -> Result<Poll<<WorkflowFuture as Future>::Output>, TurnFailure> {
        let waker = Waker::from(Arc::clone(turn_waker));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..POLLS_MAX {
            turn_waker.clear_woken();
            let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(&mut cx)));
            let polled = polled.map_err(|panic| panicked(panic.as_ref()))?;
            if let Some(failure) = self.core.turn_failure() {
                return Err(failure);
            }
            match polled {
                Poll::Ready(result) => return Ok(Poll::Ready(result)),
                Poll::Pending if self.core.is_overrun() => return Err(TurnFailure::NeverRests),
                Poll::Pending if self.core.is_continued() => return Ok(Poll::Pending),
                Poll::Pending if !turn_waker.is_woken() => return Ok(Poll::Pending),
                Poll::Pending => {}
            }
        }
        Err(TurnFailure::NeverRests)
    }
}

fn terminal(
    workflow_type: &str,
    result: <WorkflowFuture as Future>::Output,
) -> Result<Command, TurnFailure> {
    match result {
        Ok(Ok(result)) => Ok(Command::CompleteWorkflowExecution { result }),
        Ok(Err(source)) => {
            let workflow_type = workflow_type.to_owned();
            Err(TurnFailure::ResultUnencodable { workflow_type, source })
        }
        Err(failure) if failure.is_canceled() => Ok(Command::CancelWorkflowExecution { failure }),
        Err(failure) => Ok(Command::FailWorkflowExecution { failure }),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> TurnFailure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not a text".to_owned());
    TurnFailure::Panic { message }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.put_away(Phase::Closed);
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::New => "new",
            Phase::Open(_) => "open",
            Phase::Closed => "closed",
            Phase::Dead(_) => "dead",
        };
        f.debug_struct("Machine").field("phase", &phase).finish_non_exhaustive()
    }
}
