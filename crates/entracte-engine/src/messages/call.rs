//! What is asked of a run, and what it answers.

use std::sync::Arc;

use entracte_model::event::{WorkflowExecutionSignaled, WorkflowExecutionStarted};
use entracte_model::{
    EventAttributes, Payload, RunId, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use tokio::sync::oneshot;

use super::activity_operation::ActivityOperationCall;
use super::async_activity::AsyncActivityCall;
use crate::description::WorkflowDescription;
use crate::errors::{QueryError, RunError, SignalError, StartWorkflowError, WorkflowError};

pub(crate) enum RunCall {
    /// Another start of the same workflow id.
    Start(Box<StartRequest>),
    /// Tell how the run ends, when it has.
    Result {
        reply: ResultReply,
    },
    Describe {
        reply: DescribeReply,
    },
    Cancel {
        request: CancelRequest,
        reply: DoneReply,
    },
    Terminate {
        reason: String,
        reply: DoneReply,
    },
    Signal {
        signaled: Box<WorkflowExecutionSignaled>,
        reply: SignalReply,
    },
    /// Tell an attempt something from elsewhere than its code.
    AsyncActivity(Box<AsyncActivityCall>),
    /// Pause, unpause, reset or change pending activities.
    ActivityOperation(Box<ActivityOperationCall>),
    /// Tell what the run has published; opens no run that has begun.
    Query {
        query: String,
        reply: QueryReply,
    },
}

/// A start that a client asks for.
pub(crate) struct StartRequest {
    /// The first event of the run, if it is started; the run id in it is filled in then.
    pub(crate) started: WorkflowExecutionStarted,
    pub(crate) reuse_policy: WorkflowIdReusePolicy,
    pub(crate) conflict_policy: WorkflowIdConflictPolicy,
    pub(crate) reply: StartReply,
}

/// The run that a start led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartedRun {
    pub(crate) run_id: RunId,
    pub(crate) first_execution_run_id: RunId,
}

/// A request to cancel a run.
#[derive(Debug, Clone)]
pub(crate) struct CancelRequest {
    /// Why, in somebody's words.
    pub(crate) reason: String,
    /// Of a client's request; what another run asks for has a row of its own.
    pub(crate) request_id: Option<Arc<str>>,
}

pub(crate) type StartReply = oneshot::Sender<Result<StartedRun, StartWorkflowError>>;
pub(crate) type ResultReply = oneshot::Sender<Result<EventAttributes, WorkflowError>>;
pub(crate) type DescribeReply = oneshot::Sender<Result<WorkflowDescription, RunError>>;
pub(crate) type QueryReply = oneshot::Sender<Result<Payload, QueryError>>;
pub(crate) type SignalReply = oneshot::Sender<Result<(), SignalError>>;
pub(crate) type DoneReply = oneshot::Sender<Result<(), RunError>>;
