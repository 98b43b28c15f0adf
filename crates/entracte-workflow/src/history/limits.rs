//! What a run has pending, of the kinds that are limited (rule LIM-6).

use entracte_model::EventAttributes;

use super::HistoryState;
use crate::machine::PendingCounts;

impl HistoryState {
    /// How many operations are pending.
    #[must_use]
    pub fn pending(&self) -> PendingCounts {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        PendingCounts {
            activities: count(self.activities.len()),
            children: count(self.children.len()),
            external_signals: count(self.sent_signals.len()),
            external_cancels: self.external_cancels,
        }
    }
}

/// Counts an event of a turn that begins with this state: what begins with it, or ends.
pub(crate) fn count(
    pending: &mut PendingCounts,
    state: &HistoryState,
    attributes: &EventAttributes,
) {
    use EventAttributes as A;
    let is_external = |initiated_event_id| {
        let sent = state.sent_cancels.get(initiated_event_id);
        sent.is_some_and(|sent| !sent.initiated.child_workflow_only)
    };
    let (counter, is_begin) = match attributes {
        A::ActivityTaskScheduled(_) => (&mut pending.activities, true),
        A::ActivityTaskCompleted(_)
        | A::ActivityTaskFailed(_)
        | A::ActivityTaskTimedOut(_)
        | A::ActivityTaskCanceled(_) => (&mut pending.activities, false),
        A::StartChildWorkflowExecutionInitiated(_) => (&mut pending.children, true),
        A::StartChildWorkflowExecutionFailed(_)
        | A::ChildWorkflowExecutionCompleted(_)
        | A::ChildWorkflowExecutionFailed(_)
        | A::ChildWorkflowExecutionCanceled(_)
        | A::ChildWorkflowExecutionTimedOut(_)
        | A::ChildWorkflowExecutionTerminated(_) => (&mut pending.children, false),
        A::SignalExternalWorkflowExecutionInitiated(_) => (&mut pending.external_signals, true),
        A::SignalExternalWorkflowExecutionFailed(_) | A::ExternalWorkflowExecutionSignaled(_) => {
            (&mut pending.external_signals, false)
        }
        A::RequestCancelExternalWorkflowExecutionInitiated(it) if !it.child_workflow_only => {
            (&mut pending.external_cancels, true)
        }
        A::RequestCancelExternalWorkflowExecutionFailed(it)
            if is_external(&it.initiated_event_id) =>
        {
            (&mut pending.external_cancels, false)
        }
        A::ExternalWorkflowExecutionCancelRequested(it) if is_external(&it.initiated_event_id) => {
            (&mut pending.external_cancels, false)
        }
        _ => return,
    };
    *counter = if is_begin { *counter + 1 } else { counter.saturating_sub(1) };
}
