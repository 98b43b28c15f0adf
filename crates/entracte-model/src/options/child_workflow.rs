//! Options of child workflows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    DEFAULT_TASK_QUEUE, WorkflowIdReusePolicy, WorkflowOptionsError, is_default,
    is_default_task_queue, validate_workflow_options,
};
use crate::retry::RetryPolicy;
use crate::time::duration_option_serde;

/// How a child workflow is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildWorkflowOptions {
    /// The child's task queue: where its activities run, unless they name another one. A child
    /// for which none is named has its parent's here (rule CHD-1). Where a stored event names
    /// none, it is [`DEFAULT_TASK_QUEUE`], as it is by [`Default`].
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
