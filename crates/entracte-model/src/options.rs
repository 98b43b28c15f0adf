//! Options of activities and workflow starts, as they are journaled.

mod child_workflow;
mod local_activity;
mod workflow;
mod workflow_status;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::child_workflow::{
    ChildWorkflowCancellationType, ChildWorkflowOptions, ParentClosePolicy, ParentCloseScope,
};
pub use self::local_activity::{DEFAULT_LOCAL_RETRY_THRESHOLD, LocalActivityOptions};
pub use self::workflow::{
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowOptionsError,
    validate_workflow_options,
};
pub use self::workflow_status::{UnknownStatus, WorkflowStatus};
use crate::id::{self, IdError};
use crate::priority::{PriorityError, PriorityOptions};
use crate::retry::{RetryPolicy, RetryPolicyError};
use crate::time::duration_option_serde;

/// The task queue of a run that a client starts without naming one.
///
/// It is part of the stored format: where a stored event or row names no queue, it means this
/// one.
pub const DEFAULT_TASK_QUEUE: &str = "default";

/// Whether it is [`DEFAULT_TASK_QUEUE`], which stored events and rows do not name.
///
/// For use as `#[serde(skip_serializing_if = "is_default_task_queue")]`.
#[must_use]
pub fn is_default_task_queue(task_queue: &str) -> bool {
    task_queue == DEFAULT_TASK_QUEUE
}

/// [`DEFAULT_TASK_QUEUE`], as stored events and rows mean it that name none.
///
/// For use as `#[serde(default = "default_task_queue")]`.
#[must_use]
pub fn default_task_queue() -> Arc<str> {
    DEFAULT_TASK_QUEUE.into()
}

/// How an activity is run: its timeouts (rule TMO-1), retries and task queue.
///
/// These are the timeouts as they were set; [`ActivityTimeouts`](crate::ActivityTimeouts) are
/// those in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityOptions {
    /// The queue that admits the attempts. An activity that names none has that of its run here
    /// (rule CHD-1). Where a stored event names none, it is [`DEFAULT_TASK_QUEUE`], as it is by
    /// [`Default`].
    #[serde(skip_serializing_if = "is_default_task_queue")]
    pub task_queue: String,
    /// How long one attempt may run. No default: this or `schedule_to_close_timeout` must be
    /// set (rule TMO-2).
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<Duration>,
    /// How long the whole activity may take, with its retries and waits, from its first
    /// schedule. Default none.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long an attempt may wait until it starts, not counting a back-off before it.
    /// Default `schedule_to_close_timeout` (rule TMO-3).
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub schedule_to_start_timeout: Option<Duration>,
    /// How long a running attempt may be silent: without a heartbeat. Default none.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Duration>,
    /// How failed attempts are retried. Default: without end (rule RET-2).
    #[serde(skip_serializing_if = "is_default")]
    pub retry_policy: RetryPolicy,
    /// What a cancellation of the activity waits for. Default
    /// [`TryCancel`](ActivityCancellationType::TryCancel).
    #[serde(skip_serializing_if = "is_default")]
    pub cancellation_type: ActivityCancellationType,
    /// Where its attempts stand in their queue. Default: as its workflow (rule PRI-1).
    #[serde(skip_serializing_if = "PriorityOptions::is_empty")]
    pub priority: PriorityOptions,
}

// What is the default is not written: every scheduled activity carries its options.

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for ActivityOptions {
    fn default() -> Self {
        Self {
            task_queue: DEFAULT_TASK_QUEUE.to_owned(),
            start_to_close_timeout: None,
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            heartbeat_timeout: None,
            retry_policy: RetryPolicy::default(),
            cancellation_type: ActivityCancellationType::default(),
            priority: PriorityOptions::default(),
        }
    }
}

/// Says what is wrong with the options of an activity.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivityOptionsError {
    /// Neither of the two timeouts that bound an activity is set (rule TMO-2).
    #[error("a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity")]
    NoCloseTimeout,
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
    /// The fairness key or weight is wrong (rule PRI-2).
    #[error(transparent)]
    Priority(#[from] PriorityError),
}

impl ActivityOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ActivityOptionsError`] names the first option that is wrong.
    pub fn validate(&self) -> Result<(), ActivityOptionsError> {
        let timeouts = [
            ("StartToCloseTimeout", self.start_to_close_timeout),
            ("ScheduleToCloseTimeout", self.schedule_to_close_timeout),
            ("ScheduleToStartTimeout", self.schedule_to_start_timeout),
            ("HeartbeatTimeout", self.heartbeat_timeout),
        ];
        for (timeout, value) in timeouts {
            if value.is_some_and(|value| value.is_zero()) {
                return Err(ActivityOptionsError::ZeroTimeout { timeout });
            }
        }
        if self.start_to_close_timeout.is_none() && self.schedule_to_close_timeout.is_none() {
            return Err(ActivityOptionsError::NoCloseTimeout);
        }
        self.retry_policy.validate()?;
        id::check(&self.task_queue).map_err(|source| ActivityOptionsError::TaskQueue { source })?;
        self.priority.validate()?;
        Ok(())
    }
}

/// What a workflow that cancels an activity waits for (rule ACX-1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ActivityCancellationType {
    /// The attempt is told; the workflow goes on at once.
    #[default]
    TryCancel,
    /// The attempt is told; the workflow waits for what it does.
    WaitCancellationCompleted,
    /// Nothing is told; the workflow goes on at once.
    Abandon,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmo_2_one_of_two_timeouts_must_be_set() {
        let none = ActivityOptions::default();
        assert_eq!(none.validate(), Err(ActivityOptionsError::NoCloseTimeout));
        let second = Some(Duration::from_secs(1));
        let one = ActivityOptions { start_to_close_timeout: second, ..none.clone() };
        assert_eq!(one.validate(), Ok(()));
        let whole = ActivityOptions { schedule_to_close_timeout: second, ..none.clone() };
        assert_eq!(whole.validate(), Ok(()));
        let zero = ActivityOptions { start_to_close_timeout: Some(Duration::ZERO), ..none };
        let timeout = "StartToCloseTimeout";
        assert_eq!(zero.validate(), Err(ActivityOptionsError::ZeroTimeout { timeout }));
    }
}
