//! The external events that inputs become.

use entracte_model::event::{
    ActivityTaskCanceled, ActivityTaskCompleted, ActivityTaskFailed, ActivityTaskStarted,
    ActivityTaskTimedOut, ExternalWorkflowExecutionSignaled, Marker, MarkerRecorded,
    SignalExternalWorkflowExecutionFailed, TimerFired, WorkflowExecutionCancelRequested,
    WorkflowExecutionStarted,
};
use entracte_model::{EventAttributes, EventId, ParentClosePolicy, Seq};
use entracte_store::rows::{ActivityClosed, ActivityOutcome, InboxMessage};
use entracte_workflow::HistoryState;

use super::input::{Input, NotArrived};
use crate::messages::CancelRequest;

/// Why a run is terminated, or asked to cancel, when its parent has closed (rule CHD-7).
pub(super) const BY_PARENT_CLOSE: &str = "by parent close policy";

impl Input {
    /// The external events of the input; none if it comes too late to matter.
    pub(super) fn events(&self, history: &HistoryState) -> Vec<EventAttributes> {
        use EventAttributes as A;
        match self {
            Self::Start(started) => match &history.started {
                None => vec![A::WorkflowExecutionStarted(WorkflowExecutionStarted::clone(started))],
                Some(_) => Vec::new(),
            },
            Self::ActivityClosed(closed) if history.activities.contains_key(&closed.seq) => {
                activity_closed(closed, history.next_event_id)
            }
            Self::LocalActivityEnded(marker) => {
                let marker = Marker::LocalActivity(marker.clone());
                vec![A::MarkerRecorded(MarkerRecorded { marker })]
            }
            Self::TimerFired { seq } => match history.timers.get(seq) {
                Some(timer) => {
                    let started_event_id = timer.started_event_id;
                    vec![A::TimerFired(TimerFired { seq: *seq, started_event_id })]
                }
                None => Vec::new(),
            },
            // A second request is a silent no-op (rule CAN-1).
            Self::CancelRequested(request) if !history.cancel_requested => {
                let CancelRequest { reason, request_id } = request.clone();
                let requested = WorkflowExecutionCancelRequested { reason, request_id };
                vec![A::WorkflowExecutionCancelRequested(requested)]
            }
            // A second copy of a signal is recognised by the request that sent it (rule SIG-3).
            Self::Signaled(signaled) if !history.signals.contains(&signaled.request_id) => {
                vec![A::WorkflowExecutionSignaled(signaled.clone())]
            }
            Self::ExternalSignaled { seq, not_arrived } => {
                sent_signal_end(history, *seq, *not_arrived).into_iter().collect()
            }
            Self::Delivered { message, .. } => event_of(message, history).into_iter().collect(),
            Self::ActivityClosed(_) | Self::CancelRequested(_) | Self::Signaled(_) => Vec::new(),
        }
    }
}

/// The start of the last attempt is written late, together with the end (rule RET-19).
fn activity_closed(closed: &ActivityClosed, next_event_id: EventId) -> Vec<EventAttributes> {
    use EventAttributes as A;
    let scheduled_event_id = closed.scheduled_event_id;
    let mut events = Vec::with_capacity(2);
    let started_event_id = if let Some(started_time) = closed.started_at {
        let (attempt, last_failure) = (closed.attempt, closed.last_failure.clone());
        let started =
            ActivityTaskStarted { scheduled_event_id, attempt, started_time, last_failure };
        events.push(A::ActivityTaskStarted(started));
        next_event_id
    } else {
        EventId::default()
    };
    events.push(match closed.outcome.clone() {
        ActivityOutcome::Completed { result } => {
            let completed = ActivityTaskCompleted { scheduled_event_id, started_event_id, result };
            A::ActivityTaskCompleted(completed)
        }
        ActivityOutcome::Failed { failure, retry_state } => {
            A::ActivityTaskFailed(ActivityTaskFailed {
                scheduled_event_id,
                started_event_id,
                failure,
                retry_state,
            })
        }
        ActivityOutcome::TimedOut { failure, retry_state } => {
            A::ActivityTaskTimedOut(ActivityTaskTimedOut {
                scheduled_event_id,
                started_event_id,
                failure,
                retry_state,
            })
        }
        ActivityOutcome::Canceled { details } => A::ActivityTaskCanceled(ActivityTaskCanceled {
            scheduled_event_id,
            started_event_id,
            details,
        }),
    });
    events
}

/// The event with which a signal to another workflow ends; none if it has ended before.
fn sent_signal_end(
    history: &HistoryState,
    seq: Seq,
    not_arrived: NotArrived,
) -> Option<EventAttributes> {
    use EventAttributes as A;
    let initiated_event_id = history.sent_signals.get(&seq)?.initiated_event_id;
    Some(match not_arrived {
        None => {
            let end = ExternalWorkflowExecutionSignaled { seq, initiated_event_id };
            A::ExternalWorkflowExecutionSignaled(end)
        }
        Some(cause) => {
            let end = SignalExternalWorkflowExecutionFailed { seq, initiated_event_id, cause };
            A::SignalExternalWorkflowExecutionFailed(end)
        }
    })
}

/// The external event of a delivery; none if it comes too late to matter.
fn event_of(message: &InboxMessage, history: &HistoryState) -> Option<EventAttributes> {
    use entracte_model::event::WorkflowExecutionCancelRequested as CancelRequested;
    let reason = match message {
        InboxMessage::Event(event) => return is_awaited(event, history).then(|| (**event).clone()),
        InboxMessage::ParentClosed { policy: ParentClosePolicy::RequestCancel } => BY_PARENT_CLOSE,
        InboxMessage::ExternalCancelRequested { reason, .. } => reason,
        _ => return None,
    };
    // A second request is a silent no-op (rule CAN-1).
    let reason = reason.to_owned();
    let request = EventAttributes::WorkflowExecutionCancelRequested(CancelRequested {
        reason,
        request_id: None,
    });
    (!history.cancel_requested).then_some(request)
}

/// Whether an event that another run tells is the one that the history waits for.
fn is_awaited(event: &EventAttributes, history: &HistoryState) -> bool {
    use EventAttributes as A;
    let child = |seq, initiated_event_id, has_started| {
        history.children.get(&seq).is_some_and(|child| {
            child.initiated_event_id == initiated_event_id && child.started.is_some() == has_started
        })
    };
    match event {
        A::ChildWorkflowExecutionStarted(it) => child(it.seq, it.initiated_event_id, false),
        A::StartChildWorkflowExecutionFailed(it) => child(it.seq, it.initiated_event_id, false),
        A::ChildWorkflowExecutionCompleted(it) => child(it.seq, it.initiated_event_id, true),
        A::ChildWorkflowExecutionFailed(it) => child(it.seq, it.initiated_event_id, true),
        A::ChildWorkflowExecutionCanceled(it) => child(it.seq, it.initiated_event_id, true),
        A::ChildWorkflowExecutionTimedOut(it) => child(it.seq, it.initiated_event_id, true),
        A::ChildWorkflowExecutionTerminated(it) => child(it.seq, it.initiated_event_id, true),
        A::ExternalWorkflowExecutionCancelRequested(it) => {
            history.sent_cancels.contains_key(&it.initiated_event_id)
        }
        A::RequestCancelExternalWorkflowExecutionFailed(it) => {
            history.sent_cancels.contains_key(&it.initiated_event_id)
        }
        _ => false,
    }
}
