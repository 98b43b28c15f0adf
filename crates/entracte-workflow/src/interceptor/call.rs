//! What interceptors see of calls.

use std::sync::Arc;

use entracte_model::{Headers, Payload, RunId, Timestamp, WorkflowId};

/// A call of a client that has not been sent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClientCall {
    /// What is called; changing it changes nothing.
    pub kind: ClientCallKind,
    /// The arguments; none for a query.
    pub input: Vec<Payload>,
    /// What travels along. A query reads what was published, so that of a query goes nowhere.
    pub headers: Headers,
}

/// What a client calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCallKind {
    /// It starts a workflow.
    StartWorkflow {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The durable name of the workflow.
        workflow_type: Arc<str>,
    },
    /// It sends a run a signal.
    SignalWorkflow {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// The durable name of the signal.
        signal_name: Arc<str>,
    },
    /// It asks for what a run has published.
    QueryWorkflow {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// The durable name of the query.
        query: Arc<str>,
    },
}

impl ClientCall {
    /// Makes a call; for whoever sends it.
    #[must_use]
    pub fn new(kind: ClientCallKind, input: Vec<Payload>, headers: Headers) -> Self {
        Self { kind, input, headers }
    }
}

/// A call of a workflow that has not been recorded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WorkflowCall {
    /// What is called; changing it changes nothing.
    pub kind: WorkflowCallKind,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    pub headers: Headers,
}

/// What a workflow calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowCallKind {
    /// It schedules an activity.
    ScheduleActivity {
        /// The durable name of the activity.
        activity_type: Arc<str>,
    },
    /// It starts a child workflow.
    StartChildWorkflow {
        /// The child's workflow id; none if the workflow chose none.
        workflow_id: Option<WorkflowId>,
        /// The durable name of the child workflow.
        workflow_type: Arc<str>,
    },
    /// It schedules a local activity; seen again by every replay, as it is not journaled.
    ScheduleLocalActivity {
        /// The durable name of the activity.
        activity_type: Arc<str>,
    },
    /// It sends another workflow a signal.
    SignalExternalWorkflow {
        /// The other workflow.
        workflow_id: WorkflowId,
        /// The durable name of the signal.
        signal_name: Arc<str>,
    },
    /// It goes on in a new run.
    ContinueAsNew {
        /// The durable name of the new run's workflow.
        workflow_type: Arc<str>,
    },
}

impl WorkflowCall {
    /// Makes a call; for whoever records it.
    #[must_use]
    pub fn new(kind: WorkflowCallKind, input: Vec<Payload>, headers: Headers) -> Self {
        Self { kind, input, headers }
    }
}

/// What an interceptor may know of the workflow that calls: all of it is the same on replay,
/// but [`is_replaying`](Self::is_replaying).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WorkflowInfo<'a> {
    /// The workflow id.
    pub workflow_id: &'a WorkflowId,
    /// The durable name of the workflow.
    pub workflow_type: &'a str,
    /// The run.
    pub run_id: RunId,
    /// The run's task queue.
    pub task_queue: &'a str,
    /// The number of the attempt under the workflow's own retry policy, from 1.
    pub attempt: u32,
    /// The headers that the run was started with.
    pub headers: &'a Headers,
    /// The time of the event whose turn runs.
    pub now: Timestamp,
    /// Whether the run is being rebuilt from its history. For logging only.
    pub is_replaying: bool,
}
