//! Errors of the engine, one enum per operation.

mod activity;
mod message;
mod parking;
mod task_queue;
mod watch;

use entracte_model::options::WorkflowOptionsError;
use entracte_model::{
    DecodeError, EncodeError, EventId, Failure, IdError, PriorityError, RunId, WorkflowId,
};
use entracte_store::StoreError;
use entracte_workflow::RegistryError;

pub use self::activity::{ActivityNotFound, AsyncActivityError, PendingActivityError};
pub use self::message::{QueryError, SignalError};
pub use self::parking::ParkCause;
pub use self::task_queue::TaskQueueOptionsError;
pub use self::watch::WatchError;

/// Says why an engine could not be started.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartEngineError {
    /// A workflow or activity is registered wrongly.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The options of a task queue are wrong.
    #[error("the options of task queue `{task_queue}` are invalid: {source}")]
    TaskQueue {
        /// The name of the queue.
        task_queue: String,
        /// What is wrong.
        source: TaskQueueOptionsError,
    },
    /// An activity may never run: its limit of attempts at a time is zero.
    #[error("activity `{activity_type}` may run zero attempts at a time: at least one is needed")]
    ActivityConcurrencyZero {
        /// The durable name of the activity.
        activity_type: String,
    },
    /// The store could not be opened, or not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An actor of the engine could not be started.
    #[error("the engine's {actor} actor could not be started: {reason}")]
    Actor {
        /// Which actor.
        actor: &'static str,
        /// What the actor system said.
        reason: String,
    },
}

/// The engine is not there any more: it was shut down, dropped or killed, or its store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the engine has stopped: {reason}")]
pub struct EngineStopped {
    /// Why.
    pub reason: String,
}

/// Says why a workflow was not started.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StartWorkflowError {
    /// The workflow id, the request id or the workflow's name cannot be an id (rule WID-8).
    #[error("`{id}` cannot be an id: {source}")]
    InvalidId {
        /// The beginning of the id.
        id: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// No workflow of this name is registered in the engine.
    #[error("workflow type `{workflow_type}` is not registered; registered are {registered:?}")]
    NotRegistered {
        /// The name.
        workflow_type: String,
        /// The names that are.
        registered: Vec<String>,
    },
    /// The argument cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The argument is larger than the engine's `payload_bytes_max` (rule LIM-4).
    #[error("the argument of {bytes} bytes is larger than the {limit} bytes allowed")]
    PayloadTooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The fairness key or weight is wrong (rule PRI-2).
    #[error(transparent)]
    Priority(#[from] PriorityError),
    /// The task queue, a timeout or the retry policy is wrong.
    #[error(transparent)]
    Options(#[from] WorkflowOptionsError),
    /// The headers are larger than the engine's `payload_bytes_max` (rule LIM-4).
    #[error("the headers of {bytes} bytes are larger than the {limit} bytes allowed")]
    HeadersTooLarge {
        /// How large names and values are.
        bytes: usize,
        /// How large they may be.
        limit: usize,
    },
    /// An interceptor refused it ([`Interceptor::client_call`]): nothing was sent.
    ///
    /// [`Interceptor::client_call`]: entracte_workflow::Interceptor::client_call
    #[error("an interceptor refused it: {failure}")]
    Refused {
        /// Why, in the interceptor's words.
        failure: Failure,
    },
    /// A run of this workflow id is open, or a closed one forbids another (rule WID-4).
    #[error("{}", already_started_text(workflow_id, *run_id, *closed))]
    AlreadyStarted {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run that is in the way.
        run_id: RunId,
        /// The first run of its chain.
        first_execution_run_id: RunId,
        /// The request that started it.
        request_id: String,
        /// Whether that run is closed, so that the reuse policy refused.
        closed: bool,
    },
    /// The open run of this workflow id cannot be terminated: its stored history cannot be read.
    /// Nothing was started.
    #[error("run {run_id}, which is in the way, cannot be terminated: {cause}")]
    HistoryUnusable {
        /// The run that is in the way.
        run_id: RunId,
        /// What is wrong with its history.
        cause: ParkCause,
    },
    /// A start that terminates the open run of its workflow id may not forbid a run that
    /// follows a closed one: it would terminate, and then be refused. Nothing was changed.
    #[error(
        "the conflict policy TerminateExisting cannot be used with a reuse policy that forbids a \
         run after a terminated one"
    )]
    ConflictingPolicies,
    /// As many runs are open as the engine's `open_runs_max` allows.
    #[error("{limit} runs are open, which is as many as allowed")]
    TooManyOpenRuns {
        /// How many.
        limit: usize,
    },
    /// The store could not be read; nothing was started.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before the start was taken up: nothing was started.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
    /// The engine stopped before it could answer: the workflow may have been started or not.
    /// Starting again with the same request id is safe.
    #[error("whether workflow `{workflow_id}` was started is not known: {reason}")]
    OutcomeUnknown {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// Why the answer is missing.
        reason: String,
    },
}

fn already_started_text(workflow_id: &WorkflowId, run_id: RunId, closed: bool) -> String {
    if closed {
        format!(
            "Workflow execution already finished, and its id may not be used again. \
             WorkflowId: {workflow_id}, RunId: {run_id}"
        )
    } else {
        format!("Workflow execution is already running. WorkflowId: {workflow_id}, RunId: {run_id}")
    }
}

/// Says why there is no result of a workflow.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// The run returned a failure.
    #[error("{failure}")]
    Failed {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// The failure, with its causes.
        failure: Failure,
    },
    /// The run was cancelled.
    #[error("{failure}")]
    Canceled {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// What it returned.
        failure: Failure,
    },
    /// The run was terminated.
    #[error("workflow `{workflow_id}` was terminated: {reason}")]
    Terminated {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// Why, in the words of whoever terminated it.
        reason: String,
    },
    /// The run continued as new; told only of a single run.
    #[error(
        "run {run_id} of workflow `{workflow_id}` continued as new: as run {new_execution_run_id}"
    )]
    ContinuedAsNew {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// The run that follows it.
        new_execution_run_id: RunId,
    },
    /// The run ran into its own timeout, or that of its chain (rule WTO-4).
    #[error("workflow `{workflow_id}` timed out")]
    TimedOut {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
    },
    /// The result is not of the wanted type.
    #[error("the result of workflow `{workflow_id}` cannot be read: {source}")]
    Decode {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// There is no such run.
    #[error(transparent)]
    NotFound(#[from] RunNotFound),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run is closed, but the event at its end is not a close event.
    #[error("run {run_id} is closed, but its last event {event_id} does not close it")]
    NoCloseEvent {
        /// The run.
        run_id: RunId,
        /// Its last event.
        event_id: EventId,
    },
    /// The engine has stopped; the run goes on when it is opened again.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
}

impl WorkflowError {
    /// The failure or cancellation that the run returned.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } | Self::Canceled { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

/// There is no such run in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunNotFound {
    /// No run was ever started under the workflow id.
    #[error("workflow `{workflow_id}` not found")]
    WorkflowId {
        /// The workflow id.
        workflow_id: WorkflowId,
    },
    /// There is no run of this id.
    #[error("run {run_id} not found")]
    RunId {
        /// The run.
        run_id: RunId,
    },
}

/// Says why a run could not be looked at, or not be told something.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The workflow id, or the id of the request, cannot be an id.
    #[error("`{id}` cannot be an id: {source}")]
    InvalidId {
        /// The beginning of the id.
        id: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// There is no such run.
    #[error(transparent)]
    NotFound(#[from] RunNotFound),
    /// The run is closed (rule CAN-6).
    #[error("workflow execution already completed: run {run_id}")]
    AlreadyClosed {
        /// The run.
        run_id: RunId,
    },
    /// What is stored of the run cannot be read, so that nothing can be added to it.
    #[error("run {run_id} cannot be changed: {cause}")]
    HistoryUnusable {
        /// The run.
        run_id: RunId,
        /// What cannot be read.
        cause: ParkCause,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before the request was taken up: it changed nothing.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
    /// The engine stopped before it could answer: the request may have been carried out or
    /// not. A termination can be asked for again: a closed run is not ended twice. So can a
    /// request to cancel with the same
    /// [`request_id`](crate::CancelWorkflow::request_id); with another one it is another
    /// request, which the next run of the chain takes up if the first has ended one.
    #[error("whether run {run_id} was told is not known: {reason}")]
    OutcomeUnknown {
        /// The run.
        run_id: RunId,
        /// Why the answer is missing.
        reason: String,
    },
}

/// Says why an engine could not be shut down in order.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The store's last commit, or its closing, failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
}

/// The beginning of a text that may be far too long.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(50).collect()
}
