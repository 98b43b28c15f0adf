//! What child workflows and requests to cancel mean for the machine.

use entracte_model::event::{
    ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, ExternalWorkflowExecutionCancelRequested,
    RequestCancelExternalWorkflowExecutionFailed, StartChildFailedCause,
    StartChildWorkflowExecutionFailed,
};
use entracte_model::failure::ChildWorkflowFailure;
use entracte_model::{
    ChildWorkflowCancellationType, EventAttributes, EventId, Failure, RetryState, Seq, TimeoutType,
};

use super::drive::TurnEvents;
use super::job::Role;
use crate::context::already_started;
use crate::history::ChildExecution;
use crate::machine::{ChildResolution, ChildStartResolution, Job, TurnFailure};

/// What a cancellation must know of a child.
pub(crate) struct PendingChild {
    pub(crate) wrapper: ChildWorkflowFailure,
    pub(crate) cancellation_type: ChildWorkflowCancellationType,
    pub(crate) has_started: bool,
}

impl PendingChild {
    pub(super) fn new(child: &ChildExecution) -> Self {
        let (started_event_id, run_id) = child.started.unzip();
        Self {
            wrapper: ChildWorkflowFailure {
                workflow_id: child.workflow_id.as_str().to_owned(),
                run_id,
                workflow_type: child.workflow_type.as_ref().to_owned(),
                initiated_event_id: child.initiated_event_id,
                started_event_id: started_event_id.unwrap_or_default(),
                retry_state: RetryState::CancelRequested,
            },
            cancellation_type: child.options.cancellation_type,
            has_started: child.started.is_some(),
        }
    }

    /// Ends the child for a workflow that does not wait for it any more.
    pub(super) fn cancelled(self, seq: Seq) -> Job {
        let failure = Failure::child_workflow(self.wrapper, Failure::canceled());
        if self.has_started {
            let resolution = ChildResolution::Cancelled(failure);
            Job::ResolveChildWorkflowExecution { seq, resolution }
        } else {
            let resolution = ChildStartResolution::Cancelled(failure);
            Job::ResolveChildWorkflowExecutionStart { seq, resolution }
        }
    }
}

/// Tells what an external event of this kind means for the machine; none if it is of another.
pub(super) fn role(
    turn: &TurnEvents<'_>,
    attributes: &EventAttributes,
) -> Result<Option<Role>, TurnFailure> {
    use EventAttributes as A;
    Ok(Some(match attributes {
        A::StartChildWorkflowExecutionFailed(event) => Role::Job(start_failed(turn, event)?),
        A::ChildWorkflowExecutionStarted(event) => Role::Job(started(event)),
        A::ChildWorkflowExecutionCompleted(event) => Role::Job(completed(event)),
        A::ChildWorkflowExecutionFailed(event) => Role::Job(failed(turn, event)?),
        A::ChildWorkflowExecutionCanceled(event) => Role::Job(canceled(turn, event)?),
        A::ChildWorkflowExecutionTimedOut(event) => Role::Job(timed_out(turn, event)?),
        A::ChildWorkflowExecutionTerminated(event) => Role::Job(terminated(turn, event)?),
        A::RequestCancelExternalWorkflowExecutionFailed(event) => cancel_failed(turn, event),
        A::ExternalWorkflowExecutionCancelRequested(event) => cancel_requested(turn, event),
        _ => return Ok(None),
    }))
}

fn started(event: &ChildWorkflowExecutionStarted) -> Job {
    let resolution = ChildStartResolution::Succeeded { run_id: event.run_id };
    Job::ResolveChildWorkflowExecutionStart { seq: event.seq, resolution }
}

fn start_failed(
    turn: &TurnEvents<'_>,
    event: &StartChildWorkflowExecutionFailed,
) -> Result<Job, TurnFailure> {
    let mut wrapper = find(turn, event.seq, event.initiated_event_id)?;
    wrapper.retry_state = RetryState::NonRetryableFailure;
    let failure = match event.cause {
        StartChildFailedCause::OpenChildrenLimitExceeded => {
            let text = "as many child workflows are open as the engine allows";
            let cause = Failure::non_retryable("OpenChildrenLimitExceeded", text);
            Failure::child_workflow(wrapper, cause)
        }
        _ => already_started(wrapper),
    };
    let resolution = ChildStartResolution::Failed(failure);
    Ok(Job::ResolveChildWorkflowExecutionStart { seq: event.seq, resolution })
}

fn completed(event: &ChildWorkflowExecutionCompleted) -> Job {
    let resolution = ChildResolution::Completed(event.result.clone());
    Job::ResolveChildWorkflowExecution { seq: event.seq, resolution }
}

fn failed(turn: &TurnEvents<'_>, event: &ChildWorkflowExecutionFailed) -> Result<Job, TurnFailure> {
    let mut wrapper = find(turn, event.seq, event.initiated_event_id)?;
    (wrapper.run_id, wrapper.retry_state) = (Some(event.run_id), event.retry_state);
    let resolution =
        ChildResolution::Failed(Failure::child_workflow(wrapper, event.failure.clone()));
    Ok(Job::ResolveChildWorkflowExecution { seq: event.seq, resolution })
}

fn canceled(
    turn: &TurnEvents<'_>,
    event: &ChildWorkflowExecutionCanceled,
) -> Result<Job, TurnFailure> {
    let mut wrapper = find(turn, event.seq, event.initiated_event_id)?;
    (wrapper.run_id, wrapper.retry_state) = (Some(event.run_id), RetryState::NonRetryableFailure);
    let resolution =
        ChildResolution::Cancelled(Failure::child_workflow(wrapper, event.failure.clone()));
    Ok(Job::ResolveChildWorkflowExecution { seq: event.seq, resolution })
}

/// Rule CHD-11.
fn timed_out(
    turn: &TurnEvents<'_>,
    event: &ChildWorkflowExecutionTimedOut,
) -> Result<Job, TurnFailure> {
    let mut wrapper = find(turn, event.seq, event.initiated_event_id)?;
    (wrapper.run_id, wrapper.retry_state) = (Some(event.run_id), event.retry_state);
    let cause = Failure::timeout(TimeoutType::StartToClose, "Child workflow timeout");
    let resolution = ChildResolution::Failed(Failure::child_workflow(wrapper, cause));
    Ok(Job::ResolveChildWorkflowExecution { seq: event.seq, resolution })
}

/// Rule CHD-11.
fn terminated(
    turn: &TurnEvents<'_>,
    event: &ChildWorkflowExecutionTerminated,
) -> Result<Job, TurnFailure> {
    let mut wrapper = find(turn, event.seq, event.initiated_event_id)?;
    (wrapper.run_id, wrapper.retry_state) = (Some(event.run_id), RetryState::NonRetryableFailure);
    let reason = if event.reason.is_empty() { "terminated" } else { &event.reason };
    let resolution =
        ChildResolution::Failed(Failure::child_workflow(wrapper, Failure::terminated(reason)));
    Ok(Job::ResolveChildWorkflowExecution { seq: event.seq, resolution })
}

fn cancel_failed(
    turn: &TurnEvents<'_>,
    event: &RequestCancelExternalWorkflowExecutionFailed,
) -> Role {
    let Some(sent) = turn.sent_cancel(event.initiated_event_id) else { return Role::Silent };
    if sent.child_workflow_only {
        // The child has ended meanwhile, which its own event tells.
        return Role::Silent;
    }
    let message = format!("workflow `{}` has no open run to cancel", sent.workflow_id);
    let failure = Some(Failure::non_retryable("ExternalWorkflowNotFound", message));
    Role::Job(Job::ResolveRequestCancelExternalWorkflow { seq: event.seq, failure })
}

/// Rule CHD-12: a workflow may wait for nothing more than this.
fn cancel_requested(
    turn: &TurnEvents<'_>,
    event: &ExternalWorkflowExecutionCancelRequested,
) -> Role {
    let Some(sent) = turn.sent_cancel(event.initiated_event_id) else { return Role::Silent };
    let seq = event.seq;
    if !sent.child_workflow_only {
        return Role::Job(Job::ResolveRequestCancelExternalWorkflow { seq, failure: None });
    }
    match turn.child(seq) {
        Some(child)
            if child.cancellation_type
                == ChildWorkflowCancellationType::WaitCancellationRequested =>
        {
            Role::Job(child.cancelled(seq))
        }
        _ => Role::Silent,
    }
}

fn find(
    turn: &TurnEvents<'_>,
    seq: Seq,
    initiated_event_id: EventId,
) -> Result<ChildWorkflowFailure, TurnFailure> {
    let child = turn.child(seq).map(|child| child.wrapper);
    child.filter(|wrapper| wrapper.initiated_event_id == initiated_event_id).ok_or_else(|| {
        TurnFailure::internal(format_args!("event {initiated_event_id} asks for no pending child"))
    })
}
