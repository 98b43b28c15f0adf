//! Child workflows, and requests to cancel other workflows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SourceLocation;
use crate::failure::{Failure, RetryState};
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::options::{ChildWorkflowOptions, ParentClosePolicy};
use crate::payload::Payload;

/// The workflow that started a run as its child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentExecution {
    /// The parent's workflow id.
    pub workflow_id: WorkflowId,
    /// The parent's run.
    pub run_id: RunId,
    /// The number of the child's operation in that run.
    pub seq: Seq,
    /// The event of that run that asked for the child.
    pub initiated_event_id: EventId,
    /// What becomes of the child when the parent closes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent_close_policy: ParentClosePolicy,
}

/// A workflow execution: an id and one of its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowExecution {
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The run asks for a child workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChildWorkflowExecutionInitiated {
    /// The operation's number.
    pub seq: Seq,
    /// The child's workflow id.
    pub workflow_id: WorkflowId,
    /// The durable name of the child workflow.
    pub workflow_type: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// How the child is run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub options: ChildWorkflowOptions,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// Why a child workflow was not started; Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum StartChildFailedCause {
    /// A run of the workflow id is open, or a closed one forbids another (rules CHD-3 and CHD-4).
    WorkflowAlreadyExists,
    /// As many children are open as the engine allows.
    OpenChildrenLimitExceeded,
}

/// A child workflow was not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartChildWorkflowExecutionFailed {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// Why.
    pub cause: StartChildFailedCause,
}

/// A child workflow has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionStarted {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's first run.
    pub run_id: RunId,
}

/// A child workflow returned a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionCompleted {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's last run.
    pub run_id: RunId,
    /// The result.
    pub result: Payload,
}

/// A child workflow returned a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionFailed {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's last run.
    pub run_id: RunId,
    /// The failure of the last run.
    pub failure: Failure,
    /// Why there is no further run.
    pub retry_state: RetryState,
}

/// A child workflow returned a cancellation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionCanceled {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's last run.
    pub run_id: RunId,
    /// What it returned; its chain holds a cancellation.
    pub failure: Failure,
}

/// A child workflow ran into a timeout of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionTimedOut {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's last run.
    pub run_id: RunId,
    /// Why there is no further run.
    pub retry_state: RetryState,
}

/// A child workflow was ended from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowExecutionTerminated {
    /// The operation's number.
    pub seq: Seq,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The child's last run.
    pub run_id: RunId,
    /// Why, in the words of whoever ended it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The run asks another workflow, or one of its children, to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestCancelExternalWorkflowExecutionInitiated {
    /// The operation's number: of the request, or of the child that is to cancel.
    pub seq: Seq,
    /// The workflow that is asked.
    pub workflow_id: WorkflowId,
    /// The run that is asked; none if there is no open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Whether the workflow is a child of the run, and `seq` the number of that child.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub child_workflow_only: bool,
    /// Why, in the words of the workflow.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// Why another workflow was not asked to cancel; Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum CancelExternalFailedCause {
    /// There is no such workflow (rule CAN-8).
    ExternalWorkflowExecutionNotFound,
}

/// Another workflow was not asked to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestCancelExternalWorkflowExecutionFailed {
    /// The number of the request.
    pub seq: Seq,
    /// The event that told to ask.
    pub initiated_event_id: EventId,
    /// Why.
    pub cause: CancelExternalFailedCause,
}

/// Another workflow, or a child, knows that it is asked to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalWorkflowExecutionCancelRequested {
    /// The number of the request, or of the child.
    pub seq: Seq,
    /// The event that told to ask.
    pub initiated_event_id: EventId,
}
