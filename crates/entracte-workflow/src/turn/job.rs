//! From external events to jobs.

use std::sync::Arc;

use entracte_model::event::{
    Marker, MarkerRecorded, SignalExternalFailedCause, SignalExternalWorkflowExecutionFailed,
    WorkflowExecutionStarted,
};
use entracte_model::failure::{ActivityFailure, FailureKind};
use entracte_model::{EventAttributes, EventId, Failure, RetryState};

use super::children;
use super::drive::TurnEvents;
use super::local_activities;
use crate::machine::{ActivityResolution, InitializeWorkflow, Job, TurnFailure};

/// What an event means for the machine.
#[derive(Debug)]
pub(crate) enum Role {
    /// It is external and brings this job.
    Job(Job),
    /// It is external and brings no job.
    Silent,
}

/// Tells what an external event means for the machine.
pub(crate) fn role(
    turn: &TurnEvents<'_>,
    attributes: &EventAttributes,
) -> Result<Role, TurnFailure> {
    let job = match attributes {
        EventAttributes::WorkflowExecutionStarted(started) => {
            Job::InitializeWorkflow(Box::new(initialize(started)))
        }
        EventAttributes::WorkflowExecutionCancelRequested(request) => {
            Job::CancelWorkflow { reason: request.reason.clone() }
        }
        EventAttributes::WorkflowExecutionSignaled(signaled) => Job::SignalWorkflow {
            signal_name: Arc::clone(&signaled.signal_name),
            input: signaled.input.clone(),
            headers: signaled.headers.clone(),
            originating_event_id: turn.next_event_id(),
            request_id: Arc::clone(&signaled.request_id),
        },
        EventAttributes::TimerFired(fired) => Job::FireTimer { seq: fired.seq },
        EventAttributes::ExternalWorkflowExecutionSignaled(end) => {
            Job::ResolveSignalExternalWorkflow { seq: end.seq, failure: None }
        }
        EventAttributes::SignalExternalWorkflowExecutionFailed(end) => {
            let failure = Some(signal_failure(turn, end));
            Job::ResolveSignalExternalWorkflow { seq: end.seq, failure }
        }
        EventAttributes::ActivityTaskCompleted(_)
        | EventAttributes::ActivityTaskFailed(_)
        | EventAttributes::ActivityTaskTimedOut(_)
        | EventAttributes::ActivityTaskCanceled(_) => activity_end(turn, attributes)?,
        EventAttributes::MarkerRecorded(MarkerRecorded {
            marker: Marker::LocalActivity(marker),
        }) => local_activities::resolve(marker),
        EventAttributes::ActivityTaskStarted(_)
        | EventAttributes::WorkflowExecutionTerminated(_)
        | EventAttributes::WorkflowExecutionTimedOut(_) => return Ok(Role::Silent),
        other => {
            if let Some(role) = children::role(turn, other)? {
                return Ok(role);
            }
            return Err(not_external(other));
        }
    };
    Ok(Role::Job(job))
}

/// What the end of an activity means for the machine.
fn activity_end(turn: &TurnEvents<'_>, attributes: &EventAttributes) -> Result<Job, TurnFailure> {
    let failed = |wrapper, started_event_id, retry_state, cause: &Failure| {
        let wrapper = ActivityFailure { started_event_id, retry_state, ..wrapper };
        ActivityResolution::Failed(Failure::activity(wrapper, cause.clone()))
    };
    let (seq, resolution) = match attributes {
        EventAttributes::ActivityTaskCompleted(end) => {
            let (seq, _) = find(turn, end.scheduled_event_id)?;
            (seq, ActivityResolution::Completed(end.result.clone()))
        }
        EventAttributes::ActivityTaskFailed(end) => {
            let (seq, wrapper) = find(turn, end.scheduled_event_id)?;
            (seq, failed(wrapper, end.started_event_id, end.retry_state, &end.failure))
        }
        EventAttributes::ActivityTaskTimedOut(end) => {
            let (seq, wrapper) = find(turn, end.scheduled_event_id)?;
            (seq, failed(wrapper, end.started_event_id, end.retry_state, &end.failure))
        }
        EventAttributes::ActivityTaskCanceled(end) => {
            let (seq, mut wrapper) = find(turn, end.scheduled_event_id)?;
            wrapper.started_event_id = end.started_event_id;
            let details = end.details.clone();
            let cause = Failure::new(FailureKind::Canceled { details }, "canceled");
            (seq, ActivityResolution::Cancelled(Failure::activity(wrapper, cause)))
        }
        other => return Err(not_external(other)),
    };
    Ok(Job::ResolveActivity { seq, resolution, is_local: false })
}

fn not_external(attributes: &EventAttributes) -> TurnFailure {
    let event_type = attributes.event_type();
    TurnFailure::internal(format_args!("{event_type:?} is not an external event"))
}

/// Whether events of this kind record commands.
pub(crate) fn is_command_event(attributes: &EventAttributes) -> bool {
    matches!(
        attributes,
        EventAttributes::ActivityTaskScheduled(_)
            | EventAttributes::ActivityTaskCancelRequested(_)
            | EventAttributes::TimerStarted(_)
            | EventAttributes::TimerCanceled(_)
            | EventAttributes::SignalExternalWorkflowExecutionInitiated(_)
            | EventAttributes::StartChildWorkflowExecutionInitiated(_)
            | EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(_)
            | EventAttributes::WorkflowExecutionCompleted(_)
            | EventAttributes::WorkflowExecutionFailed(_)
            | EventAttributes::WorkflowExecutionCanceled(_)
            | EventAttributes::WorkflowExecutionContinuedAsNew(_)
    )
}

/// Whether the event is a signal that is taken up together with the event before it.
pub(crate) fn is_with_previous(attributes: &EventAttributes) -> bool {
    matches!(
        attributes,
        EventAttributes::WorkflowExecutionSignaled(signaled) if signaled.with_previous
    )
}

fn initialize(started: &WorkflowExecutionStarted) -> InitializeWorkflow {
    InitializeWorkflow {
        workflow_id: started.workflow_id.clone(),
        workflow_type: started.workflow_type.clone(),
        input: started.input.clone(),
        headers: started.headers.clone(),
        task_queue: Arc::clone(&started.task_queue),
        attempt: started.attempt,
        randomness_seed: started.randomness_seed,
        first_execution_run_id: started.first_execution_run_id,
        continued_execution_run_id: started.continued_execution_run_id,
        continued_failure: started.continued_failure.clone(),
        limits: started.pending_limits(),
    }
}

fn signal_failure(turn: &TurnEvents<'_>, end: &SignalExternalWorkflowExecutionFailed) -> Failure {
    let target = turn.signal_target(end.seq);
    let target = target.as_deref().unwrap_or("unknown");
    match end.cause {
        SignalExternalFailedCause::SignalCountLimitExceeded => Failure::non_retryable(
            "SignalCountLimitExceeded",
            format!("workflow `{target}` exceeded its limit of signals"),
        ),
        _ => Failure::non_retryable(
            "ExternalWorkflowNotFound",
            format!("workflow `{target}` has no open run to signal"),
        ),
    }
}

fn find(
    turn: &TurnEvents<'_>,
    scheduled_event_id: EventId,
) -> Result<(entracte_model::Seq, ActivityFailure), TurnFailure> {
    turn.activity_by_event(scheduled_event_id).ok_or_else(|| {
        TurnFailure::internal(format_args!(
            "event {scheduled_event_id} schedules no pending activity"
        ))
    })
}

/// The failure of an activity that the workflow no longer waits for, without the event that
/// would tell its end.
pub(crate) fn cancelled(wrapper: ActivityFailure) -> ActivityResolution {
    debug_assert_eq!(wrapper.retry_state, RetryState::CancelRequested);
    ActivityResolution::Cancelled(Failure::activity(wrapper, Failure::canceled()))
}
