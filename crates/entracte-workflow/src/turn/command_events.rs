//! From commands to the events that record them.

use std::sync::Arc;

use entracte_model::event::{
    ActivityTaskCancelRequested, ActivityTaskScheduled,
    RequestCancelExternalWorkflowExecutionInitiated, SignalExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionInitiated, TimerCanceled, TimerStarted, WorkflowExecutionCanceled,
    WorkflowExecutionCompleted, WorkflowExecutionContinuedAsNew, WorkflowExecutionFailed,
};
use entracte_model::id::RunPurpose;
use entracte_model::{EventAttributes, RunId, Seq, SourceLocation, WorkflowId};

use super::drive::TurnEvents;
use crate::machine::{Command, TurnFailure};

/// The event that records a command; `run_id` is the run that gives it.
pub(super) fn command_event(
    turn: &TurnEvents<'_>,
    run_id: RunId,
    command: Command,
) -> Result<EventAttributes, TurnFailure> {
    match command {
        Command::ScheduleActivity { .. }
        | Command::RequestCancelActivity { .. }
        | Command::ScheduleLocalActivity { .. }
        | Command::RequestCancelLocalActivity { .. } => activity_event(turn, command),
        Command::StartTimer { .. } | Command::CancelTimer { .. } => timer_event(turn, command),
        Command::StartChildWorkflowExecution { .. }
        | Command::CancelChildWorkflowExecution { .. } => child_event(turn, command),
        Command::SignalExternalWorkflowExecution { .. }
        | Command::RequestCancelExternalWorkflowExecution { .. } => external_event(command),
        Command::CompleteWorkflowExecution { .. }
        | Command::FailWorkflowExecution { .. }
        | Command::CancelWorkflowExecution { .. }
        | Command::ContinueAsNewWorkflowExecution { .. } => end_event(turn, run_id, command),
    }
}

fn activity_event(turn: &TurnEvents<'_>, command: Command) -> Result<EventAttributes, TurnFailure> {
    match command {
        Command::ScheduleActivity {
            seq,
            activity_id,
            activity_type,
            input,
            headers,
            options,
            source,
        } => Ok(EventAttributes::ActivityTaskScheduled(ActivityTaskScheduled {
            seq,
            activity_id,
            activity_type,
            input,
            headers,
            options,
            source,
        })),
        Command::RequestCancelActivity { seq } => {
            let activity = turn.activity(seq).ok_or_else(|| unknown("activity", seq))?;
            let scheduled_event_id = activity.wrapper.scheduled_event_id;
            let request = ActivityTaskCancelRequested { scheduled_event_id };
            Ok(EventAttributes::ActivityTaskCancelRequested(request))
        }
        Command::ScheduleLocalActivity { seq, .. }
        | Command::RequestCancelLocalActivity { seq } => {
            let message = format_args!("local activity {seq} leaves no event before its end");
            Err(TurnFailure::internal(message))
        }
        other => Err(misplaced(&other)),
    }
}

fn timer_event(turn: &TurnEvents<'_>, command: Command) -> Result<EventAttributes, TurnFailure> {
    match command {
        Command::StartTimer { seq, start_to_fire_timeout, source } => {
            let started = TimerStarted { seq, start_to_fire_timeout, source };
            Ok(EventAttributes::TimerStarted(started))
        }
        Command::CancelTimer { seq } => {
            let started_event_id =
                turn.timer_started_event(seq).ok_or_else(|| unknown("timer", seq))?;
            Ok(EventAttributes::TimerCanceled(TimerCanceled { seq, started_event_id }))
        }
        other => Err(misplaced(&other)),
    }
}

fn child_event(turn: &TurnEvents<'_>, command: Command) -> Result<EventAttributes, TurnFailure> {
    match command {
        Command::StartChildWorkflowExecution {
            seq,
            workflow_id,
            workflow_type,
            input,
            headers,
            options,
            source,
        } => Ok(EventAttributes::StartChildWorkflowExecutionInitiated(
            StartChildWorkflowExecutionInitiated {
                seq,
                workflow_id,
                workflow_type,
                input,
                headers,
                options,
                source,
            },
        )),
        Command::CancelChildWorkflowExecution { child_workflow_seq: seq, reason, source } => {
            let child = turn.child(seq).ok_or_else(|| unknown("child", seq))?;
            let workflow_id = WorkflowId::new(&child.wrapper.workflow_id)
                .map_err(|error| TurnFailure::internal(format_args!("child {seq}: {error}")))?;
            Ok(request_cancel(seq, workflow_id, true, reason, source))
        }
        other => Err(misplaced(&other)),
    }
}

fn external_event(command: Command) -> Result<EventAttributes, TurnFailure> {
    match command {
        Command::SignalExternalWorkflowExecution {
            seq,
            workflow_id,
            child_seq,
            signal_name,
            input,
            headers,
            source,
        } => Ok(EventAttributes::SignalExternalWorkflowExecutionInitiated(
            SignalExternalWorkflowExecutionInitiated {
                seq,
                workflow_id,
                child_seq,
                // Whoever takes the turn knows which run is open.
                run_id: None,
                signal_name,
                input,
                headers,
                source,
            },
        )),
        Command::RequestCancelExternalWorkflowExecution { seq, workflow_id, reason, source } => {
            Ok(request_cancel(seq, workflow_id, false, reason, source))
        }
        other => Err(misplaced(&other)),
    }
}

/// The event that closes the run.
fn end_event(
    turn: &TurnEvents<'_>,
    run_id: RunId,
    command: Command,
) -> Result<EventAttributes, TurnFailure> {
    Ok(match command {
        Command::CompleteWorkflowExecution { result } => {
            EventAttributes::WorkflowExecutionCompleted(WorkflowExecutionCompleted { result })
        }
        Command::FailWorkflowExecution { failure } => {
            let (retry_state, new_execution_run_id) = turn.decide_retry(run_id, &failure)?;
            EventAttributes::WorkflowExecutionFailed(WorkflowExecutionFailed {
                failure,
                retry_state,
                new_execution_run_id,
            })
        }
        Command::CancelWorkflowExecution { failure } => {
            EventAttributes::WorkflowExecutionCanceled(WorkflowExecutionCanceled { failure })
        }
        Command::ContinueAsNewWorkflowExecution {
            workflow_type,
            input,
            headers,
            options,
            source,
        } => {
            let started = turn.started().ok_or_else(not_begun)?;
            let task_queue = options.task_queue.map(Into::into);
            let new_execution_run_id = turn.next_run_id(run_id, RunPurpose::ContinueAsNew);
            EventAttributes::WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew {
                new_execution_run_id,
                workflow_type,
                input,
                headers,
                task_queue: task_queue.unwrap_or_else(|| Arc::clone(&started.task_queue)),
                run_timeout: options.run_timeout.or(started.run_timeout),
                retry_policy: options.retry_policy.or_else(|| started.retry_policy.clone()),
                backoff_start_interval: options.backoff_start_interval,
                source,
            })
        }
        other => return Err(misplaced(&other)),
    })
}

fn request_cancel(
    seq: Seq,
    workflow_id: WorkflowId,
    child_workflow_only: bool,
    reason: String,
    source: SourceLocation,
) -> EventAttributes {
    EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(
        RequestCancelExternalWorkflowExecutionInitiated {
            seq,
            workflow_id,
            // Whoever takes the turn knows which run is open.
            run_id: None,
            child_workflow_only,
            reason,
            source,
        },
    )
}

pub(super) fn not_begun() -> TurnFailure {
    TurnFailure::internal("a run that has not begun ends")
}

fn unknown(what: &str, seq: Seq) -> TurnFailure {
    TurnFailure::internal(format_args!("{what} {seq} is cancelled but not pending"))
}

/// `command_event` hands each command to whoever knows its kind.
fn misplaced(command: &Command) -> TurnFailure {
    TurnFailure::internal(format_args!("{command:?} is taken for a command of another kind"))
}
