//! Options of workflow starts: how they are checked, and what becomes of a workflow id that is
//! taken.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::WorkflowStatus;
use crate::id::{self, IdError};
use crate::retry::{RetryPolicy, RetryPolicyError};

/// Says what is wrong with the options of a workflow.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowOptionsError {
    /// A timeout is set to zero.
    #[error("invalid {timeout}: it is zero")]
    ZeroTimeout {
        /// Temporal's name of the timeout.
        timeout: &'static str,
    },
    /// The retry policy is wrong.
    #[error(transparent)]
    RetryPolicy(#[from] RetryPolicyError),
    /// The name of the task queue cannot be one (rule WID-8).
    #[error("invalid task queue name: {source}")]
    TaskQueue {
        /// What is wrong with it.
        source: IdError,
    },
}

/// Checks the task queue, the timeouts and the retry policy of a workflow, as far as they are
/// set.
///
/// # Errors
/// [`WorkflowOptionsError`] names the first option that is wrong.
pub fn validate_workflow_options(
    task_queue: Option<&str>,
    execution_timeout: Option<Duration>,
    run_timeout: Option<Duration>,
    retry_policy: Option<&RetryPolicy>,
) -> Result<(), WorkflowOptionsError> {
    let timeouts =
        [("WorkflowExecutionTimeout", execution_timeout), ("WorkflowRunTimeout", run_timeout)];
    for (timeout, value) in timeouts {
        if value.is_some_and(|value| value.is_zero()) {
            return Err(WorkflowOptionsError::ZeroTimeout { timeout });
        }
    }
    retry_policy.map_or(Ok(()), RetryPolicy::validate)?;
    let checked = task_queue.map_or(Ok(()), id::check);
    checked.map_err(|source| WorkflowOptionsError::TaskQueue { source })
}

/// What a start does when an earlier run of the workflow id is closed (rule WID-2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WorkflowIdReusePolicy {
    /// Starts a new run.
    #[default]
    AllowDuplicate,
    /// Starts a new run unless the earlier one completed.
    AllowDuplicateFailedOnly,
    /// Refuses.
    RejectDuplicate,
    /// Starts a new run, and terminates the earlier one if it is open: Temporal's deprecated
    /// policy, which is the only way for a child to take the place of an open run (rule CHD-3).
    TerminateIfRunning,
}

impl WorkflowIdReusePolicy {
    /// Whether a run may follow one that has closed like this (rule WID-2).
    #[must_use]
    pub const fn allows_after(self, status: WorkflowStatus) -> bool {
        match self {
            Self::AllowDuplicate | Self::TerminateIfRunning => true,
            Self::AllowDuplicateFailedOnly => status.is_failed(),
            Self::RejectDuplicate => false,
        }
    }
}

/// What a start does when a run of the workflow id is open (rule WID-3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum WorkflowIdConflictPolicy {
    /// Refuses.
    #[default]
    Fail,
    /// Returns a handle to the open run.
    UseExisting,
    /// Terminates the open run, then starts a new one.
    TerminateExisting,
}
