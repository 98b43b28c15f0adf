//! The two sides of a replay: what the code decides and what the history has.

use entracte_model::{Event, EventAttributes, EventId};

use super::ReplayError;
use crate::history::HistoryState;
use crate::machine::{Mismatch, TurnFailure};
use crate::turn::is_command_event;

/// Compares the command events of a turn with those that follow in the history, and takes the
/// recorded ones in; gives what follows the turn.
pub(super) fn compare<'e>(
    state: &mut HistoryState,
    produced: &[Event],
    following: &'e [Event],
) -> Result<&'e [Event], ReplayError> {
    let mut rest = following;
    for produced in produced {
        match rest.split_first() {
            Some((recorded, after)) if is_same(&recorded.attributes, &produced.attributes) => {
                state.apply(recorded)?;
                rest = after;
            }
            Some((recorded, _)) if is_command_event(&recorded.attributes) => {
                let recorded_text = recorded_command(state, &recorded.attributes);
                let text = produced_command(state, &produced.attributes);
                return Err(mismatch(recorded.id, recorded_text, text));
            }
            next => {
                let recorded = match next {
                    Some((external, _)) => {
                        let event_type = external.attributes.event_type();
                        format!("{event_type:?}, which begins the next turn")
                    }
                    None => "not there, as the history ends before it".to_owned(),
                };
                let text = produced_command(state, &produced.attributes);
                return Err(mismatch(state.next_event_id, recorded, format!("also {text}")));
            }
        }
    }
    match rest.first() {
        // What follows the end of a run is an error of the history, which the next turn tells.
        Some(recorded) if is_command_event(&recorded.attributes) && state.closed.is_none() => {
            let recorded_text = recorded_command(state, &recorded.attributes);
            Err(mismatch(recorded.id, recorded_text, "does nothing more in this turn".to_owned()))
        }
        _ => Ok(rest),
    }
}

fn mismatch(event_id: EventId, recorded: String, produced: String) -> ReplayError {
    let mismatch = Mismatch { event_id, recorded, produced };
    ReplayError::Turn(TurnFailure::Nondeterminism(Box::new(mismatch)))
}

/// Kind, name and id; not inputs, timeouts and options, which may change under open runs.
fn is_same(recorded: &EventAttributes, produced: &EventAttributes) -> bool {
    use EventAttributes as A;
    match (recorded, produced) {
        (A::ActivityTaskScheduled(recorded), A::ActivityTaskScheduled(produced)) => {
            recorded.seq == produced.seq
                && recorded.activity_id == produced.activity_id
                && recorded.activity_type == produced.activity_type
        }
        (A::ActivityTaskCancelRequested(recorded), A::ActivityTaskCancelRequested(produced)) => {
            recorded.scheduled_event_id == produced.scheduled_event_id
        }
        (A::TimerStarted(recorded), A::TimerStarted(produced)) => recorded.seq == produced.seq,
        (A::TimerCanceled(recorded), A::TimerCanceled(produced)) => recorded.seq == produced.seq,
        (
            A::SignalExternalWorkflowExecutionInitiated(recorded),
            A::SignalExternalWorkflowExecutionInitiated(produced),
        ) => {
            recorded.seq == produced.seq
                && recorded.workflow_id == produced.workflow_id
                && recorded.signal_name == produced.signal_name
        }
        (
            A::StartChildWorkflowExecutionInitiated(recorded),
            A::StartChildWorkflowExecutionInitiated(produced),
        ) => {
            recorded.seq == produced.seq
                && recorded.workflow_id == produced.workflow_id
                && recorded.workflow_type == produced.workflow_type
        }
        (
            A::RequestCancelExternalWorkflowExecutionInitiated(recorded),
            A::RequestCancelExternalWorkflowExecutionInitiated(produced),
        ) => {
            recorded.seq == produced.seq
                && recorded.workflow_id == produced.workflow_id
                && recorded.child_workflow_only == produced.child_workflow_only
        }
        (A::WorkflowExecutionCompleted(_), A::WorkflowExecutionCompleted(_))
        | (A::WorkflowExecutionFailed(_), A::WorkflowExecutionFailed(_))
        | (A::WorkflowExecutionCanceled(_), A::WorkflowExecutionCanceled(_)) => true,
        (
            A::WorkflowExecutionContinuedAsNew(recorded),
            A::WorkflowExecutionContinuedAsNew(produced),
        ) => recorded.workflow_type == produced.workflow_type,
        _ => false,
    }
}

fn recorded_command(state: &HistoryState, attributes: &EventAttributes) -> String {
    let event_type = attributes.event_type();
    match subject(state, attributes) {
        Some(subject) => format!("{event_type:?} {subject}"),
        None => format!("{event_type:?}"),
    }
}

fn produced_command(state: &HistoryState, attributes: &EventAttributes) -> String {
    let verb = match attributes {
        EventAttributes::ActivityTaskScheduled(_) => "schedules activity",
        EventAttributes::ActivityTaskCancelRequested(_) => "requests the cancellation of activity",
        EventAttributes::TimerStarted(_) => "starts a timer",
        EventAttributes::TimerCanceled(_) => "cancels the timer",
        EventAttributes::SignalExternalWorkflowExecutionInitiated(_) => "sends signal",
        EventAttributes::StartChildWorkflowExecutionInitiated(_) => "starts child workflow",
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(_) => {
            "requests the cancellation of workflow"
        }
        EventAttributes::WorkflowExecutionCompleted(_) => "completes the workflow",
        EventAttributes::WorkflowExecutionFailed(_) => "fails the workflow",
        EventAttributes::WorkflowExecutionCanceled(_) => "closes the workflow as cancelled",
        EventAttributes::WorkflowExecutionContinuedAsNew(_) => "continues as new, as",
        _ => "does something else",
    };
    match subject(state, attributes) {
        Some(subject) => format!("{verb} {subject}"),
        None => verb.to_owned(),
    }
}

/// What a command is about, with the line of the workflow's source that issued it.
fn subject(state: &HistoryState, attributes: &EventAttributes) -> Option<String> {
    Some(match attributes {
        EventAttributes::ActivityTaskScheduled(scheduled) => format!(
            "`{}` (id {}, {})",
            scheduled.activity_type, scheduled.activity_id, scheduled.source
        ),
        EventAttributes::ActivityTaskCancelRequested(request) => {
            let (_, activity) = state.activity_by_event(request.scheduled_event_id)?;
            format!(
                "`{}` (id {}, {})",
                activity.activity_type, activity.activity_id, activity.source
            )
        }
        EventAttributes::TimerStarted(timer) => format!("(id {}, {})", timer.seq, timer.source),
        EventAttributes::TimerCanceled(timer) => match state.timers.get(&timer.seq) {
            Some(started) => format!("(id {}, {})", timer.seq, started.source),
            None => format!("(id {})", timer.seq),
        },
        EventAttributes::SignalExternalWorkflowExecutionInitiated(sent) => format!(
            "`{}` to workflow `{}` (id {}, {})",
            sent.signal_name, sent.workflow_id, sent.seq, sent.source
        ),
        EventAttributes::StartChildWorkflowExecutionInitiated(child) => format!(
            "`{}` as `{}` (id {}, {})",
            child.workflow_type, child.workflow_id, child.seq, child.source
        ),
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(sent) => {
            format!("`{}` (id {}, {})", sent.workflow_id, sent.seq, sent.source)
        }
        EventAttributes::WorkflowExecutionContinuedAsNew(next) => {
            format!("`{}` ({})", next.workflow_type, next.source)
        }
        EventAttributes::WorkflowExecutionFailed(failed) => format!("({})", failed.failure),
        EventAttributes::WorkflowExecutionCanceled(canceled) => format!("({})", canceled.failure),
        _ => return None,
    })
}
