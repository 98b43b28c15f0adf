//! Signals that a run sends to other workflows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SourceLocation;
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::payload::Payload;

/// The run sends a signal to another workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalExternalWorkflowExecutionInitiated {
    /// The operation's number.
    pub seq: Seq,
    /// The workflow that it is sent to.
    pub workflow_id: WorkflowId,
    /// The run that was open under the workflow id at that time: it gets the signal, and no
    /// other; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The durable name of the signal.
    pub signal_name: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// A signal could not be sent to another workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalExternalWorkflowExecutionFailed {
    /// The operation's number.
    pub seq: Seq,
    /// The event that sent the signal.
    pub initiated_event_id: EventId,
    /// Why.
    pub cause: SignalExternalFailedCause,
}

/// Why a signal could not be sent to another workflow; Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum SignalExternalFailedCause {
    /// The workflow has no open run.
    NotFound,
    /// Its run has had as many signals as it may have.
    SignalCountLimitExceeded,
}

/// A signal has reached another workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalWorkflowExecutionSignaled {
    /// The operation's number.
    pub seq: Seq,
    /// The event that sent the signal.
    pub initiated_event_id: EventId,
}
