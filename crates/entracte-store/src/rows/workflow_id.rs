//! Which run a workflow id stands for.

use std::sync::Arc;

use entracte_model::event::WorkflowExecutionStarted;
use entracte_model::{RunId, WorkflowStatus};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// The current run of a workflow id: the open one, or else the one that was open last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowIdRow {
    /// The run.
    pub run_id: RunId,
    /// The first run of the chain to which it belongs.
    pub first_execution_run_id: RunId,
    /// The id of the request that started it.
    pub request_id: Arc<str>,
    /// Whether it is open, or how it closed.
    pub status: WorkflowStatus,
}

impl WorkflowIdRow {
    /// That of an open run that began like this.
    #[must_use]
    pub fn begun(run_id: RunId, started: &WorkflowExecutionStarted) -> Self {
        Self {
            run_id,
            first_execution_run_id: started.first_execution_run_id,
            request_id: Arc::clone(&started.request_id),
            status: WorkflowStatus::Running,
        }
    }
}

plain_row!(WorkflowIdRow);
