//! What keeps a child from being started, and the failures that say so.

use entracte_model::failure::ChildWorkflowFailure;
use entracte_model::{ChildWorkflowOptions, Failure, FailureKind, RetryState, WorkflowId, id};

use crate::context::core::Core;

/// Checks what can be wrong before anything is issued; gives the id that the workflow chose.
pub(super) fn prepare(
    core: &Core,
    workflow_type: &str,
    workflow_id: Option<String>,
    options: &ChildWorkflowOptions,
) -> Result<Option<WorkflowId>, Failure> {
    if let Some(reason) = core.cancel_reason_here() {
        return Err(cancelled(workflow_type, workflow_id.as_deref(), &reason));
    }
    let Some(workflow_id) = check(workflow_type, workflow_id.as_deref(), options)? else {
        return Ok(None);
    };
    if core.is_child_starting(&workflow_id) {
        return Err(already_started(ChildWorkflowFailure {
            workflow_id: workflow_id.as_str().to_owned(),
            workflow_type: workflow_type.to_owned(),
            retry_state: RetryState::NonRetryableFailure,
            ..ChildWorkflowFailure::default()
        }));
    }
    Ok(Some(workflow_id))
}

/// Checks what is wrong with a call wherever it is started; gives the id that the workflow
/// chose.
pub(super) fn check(
    workflow_type: &str,
    workflow_id: Option<&str>,
    options: &ChildWorkflowOptions,
) -> Result<Option<WorkflowId>, Failure> {
    let invalid = |reason: String| {
        let message = format!("child workflow `{workflow_type}`: {reason}");
        Failure::non_retryable("InvalidChildWorkflowOptions", message)
    };
    id::check(workflow_type).map_err(|error| invalid(error.to_string()))?;
    options.validate().map_err(|error| invalid(error.to_string()))?;
    workflow_id.map(WorkflowId::new).transpose().map_err(|error| invalid(error.to_string()))
}

/// The failure of a child whose workflow id is taken (rule CHD-3).
pub(crate) fn already_started(child: ChildWorkflowFailure) -> Failure {
    let text = "child workflow execution already started";
    let cause = Failure::non_retryable("WorkflowExecutionAlreadyStarted", text);
    Failure::child_workflow(child, cause)
}

/// The failure of a child that was cancelled before it was issued; no event tells of it (rule
/// CHD-13).
pub(in crate::context) fn cancelled(
    workflow_type: &str,
    workflow_id: Option<&str>,
    reason: &str,
) -> Failure {
    let child = ChildWorkflowFailure {
        workflow_id: workflow_id.unwrap_or_default().to_owned(),
        workflow_type: workflow_type.to_owned(),
        retry_state: RetryState::CancelRequested,
        ..ChildWorkflowFailure::default()
    };
    let mut message = "Child Workflow Execution cancelled before scheduled".to_owned();
    if !reason.is_empty() {
        message = format!("{message}: {reason}");
    }
    Failure::new(FailureKind::ChildWorkflow(child), message).with_cause(Failure::canceled())
}
