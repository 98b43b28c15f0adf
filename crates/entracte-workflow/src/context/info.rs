//! What a workflow knows of its own run.

use entracte_model::{Failure, Headers, RunId, WorkflowId};

use super::WorkflowContext;

/// How long a history is that suggests a new run, in events and in bytes (rule LIM-3). Workflows
/// decide by them, and a replay must decide the same: they never change.
const SUGGESTED_EVENTS: u64 = 4_096;
const SUGGESTED_BYTES: u64 = 4 * 1024 * 1024;

impl WorkflowContext {
    /// The workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.core.info.workflow_id
    }

    /// The id of this run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.core.info.run_id
    }

    /// The id of the first run of the chain that this run continues.
    #[must_use]
    pub fn first_execution_run_id(&self) -> RunId {
        self.core.info.first_execution_run_id
    }

    /// The durable name of the workflow.
    #[must_use]
    pub fn workflow_type(&self) -> &str {
        &self.core.info.workflow_type
    }

    /// The run's task queue: where its activities run, unless they name another one, and what
    /// its children take over. Workflow code itself waits in no queue: it runs wherever its
    /// engine does, as soon as something has happened to it.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        &self.core.info.task_queue
    }

    /// The number of the attempt under the workflow's own retry policy, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.core.info.attempt
    }

    /// Why the attempt before this one failed or timed out, under the workflow's own retry policy
    /// (rule WTO-6); none of a first attempt.
    #[must_use]
    pub fn last_failure(&self) -> Option<&Failure> {
        self.core.info.continued_failure.as_ref()
    }

    /// The run before this one in its chain; none of the first.
    #[must_use]
    pub fn continued_execution_run_id(&self) -> Option<RunId> {
        self.core.info.continued_execution_run_id
    }

    /// The headers that the run was started with; those of a signal come with it
    /// ([`Signals::headers`](crate::Signals::headers)).
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.core.info.headers
    }

    /// Whether the run is being rebuilt from its history. For logging only: what a workflow
    /// does must not depend on it.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.core.lock().is_replaying
    }

    /// How many events the history has, up to the one whose turn runs.
    #[must_use]
    pub fn history_length(&self) -> u64 {
        self.core.lock().history_length
    }

    /// About how many bytes the history has, up to the event whose turn runs: the payloads,
    /// headers and failures in it, and 100 for each event.
    #[must_use]
    pub fn history_size(&self) -> u64 {
        self.core.lock().history_size
    }

    /// Whether the history has become so long that the workflow should go on as a new run: from
    /// 4,096 events or 4 MiB on (rules LIM-3 and CNT-4).
    #[must_use]
    pub fn continue_as_new_suggested(&self) -> bool {
        let state = self.core.lock();
        state.history_length >= SUGGESTED_EVENTS || state.history_size >= SUGGESTED_BYTES
    }
}
