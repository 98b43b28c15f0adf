//! Where a run stands.

use std::sync::Arc;

use entracte_model::event::ParentExecution;
use entracte_model::{EventId, RunId, Timestamp, WorkflowId, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// Where a run stands: written when it starts and when it closes, not in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The durable name of the workflow.
    pub workflow_type: Arc<str>,
    /// The id of the request that started the run.
    pub request_id: Arc<str>,
    /// The first run of the chain to which it belongs.
    pub first_execution_run_id: RunId,
    /// The workflow that started the run as its child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentExecution>,
    /// When it started.
    pub start_time: Timestamp,
    /// Whether it is open, or how it closed.
    pub status: WorkflowStatus,
    /// Its close, once it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<RunClose>,
}

/// The close of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunClose {
    /// When it closed.
    pub time: Timestamp,
    /// The last event of its history.
    pub last_event_id: EventId,
}

plain_row!(RunRow);
