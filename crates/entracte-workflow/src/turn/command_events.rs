//! From commands to the events that record them.

use entracte_model::event::{
    ActivityTaskCancelRequested, ActivityTaskScheduled, SignalExternalWorkflowExecutionInitiated,
    TimerCanceled, TimerStarted, WorkflowExecutionCanceled, WorkflowExecutionCompleted,
    WorkflowExecutionFailed,
};
use entracte_model::{EventAttributes, RetryState};

use super::drive::TurnEvents;
use crate::machine::{Command, TurnFailure};

pub(super) fn command_event(
    turn: &TurnEvents<'_>,
    command: Command,
) -> Result<EventAttributes, TurnFailure> {
    Ok(match command {
        Command::ScheduleActivity {
            seq,
            activity_id,
            activity_type,
            input,
            headers,
            options,
            source,
        } => EventAttributes::ActivityTaskScheduled(ActivityTaskScheduled {
            seq,
            activity_id,
            activity_type,
            input,
            headers,
            options,
            source,
        }),
        Command::ScheduleLocalActivity { seq, .. }
        | Command::RequestCancelLocalActivity { seq } => {
            let message = format_args!("local activity {seq} leaves no event before its end");
            return Err(TurnFailure::internal(message));
        }
        Command::RequestCancelActivity { seq } => {
            let activity = turn.activity(seq).ok_or_else(|| unknown("activity", seq))?;
            let scheduled_event_id = activity.wrapper.scheduled_event_id;
            EventAttributes::ActivityTaskCancelRequested(ActivityTaskCancelRequested {
                scheduled_event_id,
            })
        }
        Command::StartTimer { seq, start_to_fire_timeout, source } => {
            EventAttributes::TimerStarted(TimerStarted { seq, start_to_fire_timeout, source })
        }
        Command::CancelTimer { seq } => {
            let started_event_id =
                turn.timer_started_event(seq).ok_or_else(|| unknown("timer", seq))?;
            EventAttributes::TimerCanceled(TimerCanceled { seq, started_event_id })
        }
        Command::SignalExternalWorkflowExecution {
            seq,
            workflow_id,
            signal_name,
            input,
            headers,
            source,
        } => EventAttributes::SignalExternalWorkflowExecutionInitiated(
            SignalExternalWorkflowExecutionInitiated {
                seq,
                workflow_id,
                // Whoever takes the turn knows which run is open.
                run_id: None,
                signal_name,
                input,
                headers,
                source,
            },
        ),
        Command::CompleteWorkflowExecution { result } => {
            EventAttributes::WorkflowExecutionCompleted(WorkflowExecutionCompleted { result })
        }
        Command::FailWorkflowExecution { failure } => {
            let retry_state = RetryState::RetryPolicyNotSet;
            EventAttributes::WorkflowExecutionFailed(WorkflowExecutionFailed {
                failure,
                retry_state,
            })
        }
        Command::CancelWorkflowExecution { failure } => {
            EventAttributes::WorkflowExecutionCanceled(WorkflowExecutionCanceled { failure })
        }
    })
}

fn unknown(what: &str, seq: entracte_model::Seq) -> TurnFailure {
    TurnFailure::internal(format_args!("{what} {seq} is cancelled but not pending"))
}
