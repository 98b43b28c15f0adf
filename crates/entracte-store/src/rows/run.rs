//! Where a run stands.

use std::sync::Arc;

use entracte_model::event::{ParentExecution, WorkflowExecutionStarted};
use entracte_model::options::{default_task_queue, is_default_task_queue};
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
    /// The run before it in the chain; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_execution_run_id: Option<RunId>,
    /// Its task queue.
    #[serde(default = "default_task_queue", skip_serializing_if = "is_default_task_queue")]
    pub task_queue: Arc<str>,
    /// The number of the attempt under the workflow's own retry policy, from 1.
    #[serde(default = "first_attempt", skip_serializing_if = "is_first_attempt")]
    pub attempt: u32,
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
    /// The run that follows it in the chain, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_execution_run_id: Option<RunId>,
}

impl RunRow {
    /// That of an open run that began like this, at this time.
    #[must_use]
    pub fn begun(started: &WorkflowExecutionStarted, time: Timestamp) -> Self {
        Self {
            workflow_id: started.workflow_id.clone(),
            workflow_type: Arc::clone(&started.workflow_type),
            request_id: Arc::clone(&started.request_id),
            first_execution_run_id: started.first_execution_run_id,
            continued_execution_run_id: started.continued_execution_run_id,
            task_queue: Arc::clone(&started.task_queue),
            attempt: started.attempt,
            parent: started.parent.clone(),
            start_time: time,
            status: WorkflowStatus::Running,
            close: None,
        }
    }

    /// The run that follows this one in its chain, if it is closed and there is one.
    #[must_use]
    pub fn new_execution_run_id(&self) -> Option<RunId> {
        self.close.and_then(|close| close.new_execution_run_id)
    }
}

const fn first_attempt() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_first_attempt(attempt: &u32) -> bool {
    *attempt == first_attempt()
}

plain_row!(RunRow);
