//! Options of activities and workflow starts, as they are journaled.

mod local_activity;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::local_activity::{DEFAULT_LOCAL_RETRY_THRESHOLD, LocalActivityOptions};
use crate::id::{self, IdError};
use crate::priority::{PriorityError, PriorityOptions};
use crate::retry::{RetryPolicy, RetryPolicyError};
use crate::time::duration_option_serde;

/// The task queue of a run that a client starts without naming one.
///
/// It is part of the stored format: where a stored event or row names no queue, it means this
/// one.
pub const DEFAULT_TASK_QUEUE: &str = "default";

/// How an activity is run: its timeouts (rule TMO-1), retries and task queue.
///
/// These are the timeouts as they were set; [`ActivityTimeouts`](crate::ActivityTimeouts) are
/// those in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityOptions {
    /// The queue that admits the attempts: that of the activity's run unless the activity names
    /// one. Default [`DEFAULT_TASK_QUEUE`].
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

pub(crate) fn is_default_task_queue(task_queue: &str) -> bool {
    task_queue == DEFAULT_TASK_QUEUE
}

pub(crate) fn default_task_queue() -> Arc<str> {
    DEFAULT_TASK_QUEUE.into()
}

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

/// How a child workflow is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildWorkflowOptions {
    /// The child's task queue: where its activities run, unless they name another one. A workflow
    /// that names none gives a child its own (rule CHD-1). Default [`DEFAULT_TASK_QUEUE`].
    #[serde(skip_serializing_if = "is_default_task_queue")]
    pub task_queue: String,
    /// What becomes of the child when its parent closes (rule CHD-5). Default
    /// [`Terminate`](ParentClosePolicy::Terminate).
    #[serde(skip_serializing_if = "is_default")]
    pub parent_close_policy: ParentClosePolicy,
    /// Whose close that is: the parent's run's, or its chain's. Default
    /// [`Run`](ParentCloseScope::Run).
    #[serde(skip_serializing_if = "is_default")]
    pub parent_close_scope: ParentCloseScope,
    /// What a cancellation of the child waits for (rule CHD-12). Default
    /// [`WaitCancellationCompleted`](ChildWorkflowCancellationType::WaitCancellationCompleted).
    #[serde(skip_serializing_if = "is_default")]
    pub cancellation_type: ChildWorkflowCancellationType,
    /// Whether the child may start when an earlier run of its workflow id is closed (rule
    /// CHD-4). Default [`AllowDuplicate`](WorkflowIdReusePolicy::AllowDuplicate).
    #[serde(skip_serializing_if = "is_default")]
    pub workflow_id_reuse_policy: WorkflowIdReusePolicy,
    /// How long the child may take, with all of its runs (rule WTO-1). Default none.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub execution_timeout: Option<Duration>,
    /// How long one run of the child may take (rule WTO-1). Default none.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub run_timeout: Option<Duration>,
    /// How the child is retried if a run of it fails; without a policy it is not (rule CHD-10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
}

impl Default for ChildWorkflowOptions {
    fn default() -> Self {
        Self {
            task_queue: DEFAULT_TASK_QUEUE.to_owned(),
            parent_close_policy: ParentClosePolicy::default(),
            parent_close_scope: ParentCloseScope::default(),
            cancellation_type: ChildWorkflowCancellationType::default(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::default(),
            execution_timeout: None,
            run_timeout: None,
            retry_policy: None,
        }
    }
}

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

impl ChildWorkflowOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`WorkflowOptionsError`] names the first option that is wrong.
    pub fn validate(&self) -> Result<(), WorkflowOptionsError> {
        validate_workflow_options(
            Some(&self.task_queue),
            self.execution_timeout,
            self.run_timeout,
            self.retry_policy.as_ref(),
        )
    }
}

/// What becomes of a child workflow when its parent closes (rules CHD-5 to CHD-8).
///
/// The policy applies to every close of the parent: completed, failed, cancelled, timed out and
/// terminated, and at the end of a run that goes on in another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ParentClosePolicy {
    /// The child is terminated. None of its code runs any more: it undoes nothing.
    #[default]
    Terminate,
    /// The child is asked to cancel.
    RequestCancel,
    /// The child goes on.
    Abandon,
}

/// Whose close a [`ParentClosePolicy`] is about, if the parent goes on in another run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ParentCloseScope {
    /// The run's that started the child: also when that is retried or continues as new. This is
    /// Temporal's rule (rule CHD-6).
    #[default]
    Run,
    /// The chain's: the child goes on as long as the chain does, and the policy applies when its
    /// last run closes. The runs that follow know nothing else of the child: they have no handle
    /// to it, and do not hear of its end.
    ///
    /// A child that has not started when the run closes that asked for it never starts (rule
    /// CHD-8): await its start before continuing as new.
    Chain,
}

impl ChildWorkflowOptions {
    /// Whether the child goes on when its parent does so in another run, and falls, or is asked
    /// to cancel, with the last one.
    #[must_use]
    pub fn falls_with_chain(&self) -> bool {
        self.parent_close_scope == ParentCloseScope::Chain
            && self.parent_close_policy != ParentClosePolicy::Abandon
    }
}

/// What a workflow that cancels a child waits for (rule CHD-12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ChildWorkflowCancellationType {
    /// The child is asked; the parent waits for its end, whatever that is.
    #[default]
    WaitCancellationCompleted,
    /// The child is asked; the parent goes on when the child knows of it.
    WaitCancellationRequested,
    /// The child is asked; the parent goes on at once.
    TryCancel,
    /// Nothing is asked; the parent goes on at once.
    Abandon,
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

/// Where a run stands; Temporal's numbers, which are part of the stored format (rule VIS-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
#[non_exhaustive]
pub enum WorkflowStatus {
    /// Open.
    Running = 1,
    /// Returned a result.
    Completed = 2,
    /// Returned a failure.
    Failed = 3,
    /// Returned a cancellation.
    Canceled = 4,
    /// Ended from outside, at once.
    Terminated = 5,
    /// Went on in a new run.
    ContinuedAsNew = 6,
    /// Ran into a timeout of its own.
    TimedOut = 7,
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

impl WorkflowStatus {
    /// Whether the run is still open.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether a closed run counts as failed for
    /// [`AllowDuplicateFailedOnly`](WorkflowIdReusePolicy::AllowDuplicateFailedOnly).
    #[must_use]
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Terminated | Self::TimedOut)
    }
}

/// A stored status has a number that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("workflow status {0} is unknown")]
pub struct UnknownStatus(pub u8);

impl TryFrom<u8> for WorkflowStatus {
    type Error = UnknownStatus;
    fn try_from(number: u8) -> Result<Self, UnknownStatus> {
        Ok(match number {
            1 => Self::Running,
            2 => Self::Completed,
            3 => Self::Failed,
            4 => Self::Canceled,
            5 => Self::Terminated,
            6 => Self::ContinuedAsNew,
            7 => Self::TimedOut,
            unknown => return Err(UnknownStatus(unknown)),
        })
    }
}

impl From<WorkflowStatus> for u8 {
    fn from(status: WorkflowStatus) -> Self {
        status as Self
    }
}

impl std::fmt::Display for WorkflowStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Terminated => "terminated",
            Self::ContinuedAsNew => "continued as new",
            Self::TimedOut => "timed out",
        })
    }
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

    #[test]
    fn vis_5_unknown_status_numbers_are_named() {
        for number in 1..=7 {
            assert_eq!(u8::from(WorkflowStatus::try_from(number).unwrap()), number);
        }
        assert_eq!(WorkflowStatus::try_from(99), Err(UnknownStatus(99)));
    }
}
