//! What a run takes turns for, and the events it becomes.

use entracte_model::event::{
    ActivityTaskCanceled, ActivityTaskCompleted, ActivityTaskFailed, ActivityTaskStarted,
    ActivityTaskTimedOut, LocalActivityMarker, Marker, MarkerRecorded, TimerFired,
    WorkflowExecutionCancelRequested, WorkflowExecutionSignaled, WorkflowExecutionStarted,
};
use entracte_model::{EventAttributes, EventId, ParentClosePolicy, Seq};
use entracte_store::keys::DeliveryKey;
use entracte_store::rows::{ActivityClosed, ActivityOutcome, InboxMessage};
use entracte_workflow::HistoryState;

use super::deliveries::event_of;
use super::external_signals::{NotArrived, sent_signal_end};
use crate::messages::CancelRequest;

/// Something that happened to the run and asks for a turn.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Start(Box<WorkflowExecutionStarted>),
    ActivityClosed(ActivityClosed),
    TimerFired {
        seq: Seq,
    },
    CancelRequested(CancelRequest),
    LocalActivityEnded(LocalActivityMarker),
    Signaled(WorkflowExecutionSignaled),
    ExternalSignaled {
        seq: Seq,
        not_arrived: NotArrived,
    },
    /// What another run has sent.
    Delivered {
        key: DeliveryKey,
        message: Box<InboxMessage>,
    },
}

/// An input, and the row in the inbox that keeps it, if there is one.
#[derive(Debug, Clone)]
pub(super) struct QueuedInput {
    pub(super) input: Input,
    pub(super) inbox_sequence: Option<u64>,
}

impl QueuedInput {
    /// What another run has sent, kept by its own row.
    pub(super) fn delivered(key: DeliveryKey, message: InboxMessage) -> Self {
        let message = Box::new(message);
        Self { input: Input::Delivered { key, message }, inbox_sequence: None }
    }
}

impl QueuedInput {
    /// Whether it is in memory alone, and can be kept in the inbox.
    pub(super) fn is_unkept(&self) -> bool {
        self.inbox_sequence.is_none() && !self.input.is_kept_elsewhere()
    }

    /// Whether it asks the run to cancel.
    pub(super) fn is_cancel_request(&self) -> bool {
        let policy = ParentClosePolicy::RequestCancel;
        match &self.input {
            Input::CancelRequested(_) => true,
            Input::Delivered { message, .. } => {
                matches!(**message, InboxMessage::ExternalCancelRequested { .. })
                    || **message == InboxMessage::ParentClosed { policy }
            }
            _ => false,
        }
    }
}

impl Input {
    /// Whether it never needs a row in the inbox: a timer keeps itself, since its row stays until
    /// its event is journaled; so does the answer to a signal, which is sent again; and what
    /// another run has sent has a row of its own.
    fn is_kept_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::TimerFired { .. } | Self::ExternalSignaled { .. } | Self::Delivered { .. }
        )
    }

    /// Why another run asks this one to cancel, if that is what it has sent.
    pub(super) fn sent_cancel(&self) -> Option<String> {
        let Self::Delivered { message, .. } = self else { return None };
        match &**message {
            InboxMessage::ExternalCancelRequested { reason, .. } => Some(reason.clone()),
            _ => None,
        }
    }

    /// Takes over what was kept in the inbox; none of what never is.
    pub(super) fn from_inbox(message: InboxMessage) -> Option<Self> {
        Some(match message {
            InboxMessage::Start(started) => Self::Start(started),
            InboxMessage::ActivityClosed(closed) => Self::ActivityClosed(closed),
            InboxMessage::CancelRequested { reason, request_id } => {
                Self::CancelRequested(CancelRequest { reason, request_id })
            }
            InboxMessage::Signaled(signaled) => Self::Signaled(signaled),
            // These only come as deliveries, which have no place in the inbox.
            InboxMessage::Event(_)
            | InboxMessage::ParentClosed { .. }
            | InboxMessage::ExternalCancelRequested { .. }
            | InboxMessage::ChildStart { .. } => return None,
            InboxMessage::LocalActivityEnded(marker) => Self::LocalActivityEnded(marker),
        })
    }

    /// What to keep in the inbox while the run cannot take a turn; none if it is kept elsewhere.
    pub(super) fn to_inbox(&self) -> Option<InboxMessage> {
        match self {
            Self::Start(started) => Some(InboxMessage::Start(started.clone())),
            Self::ActivityClosed(closed) => Some(InboxMessage::ActivityClosed(closed.clone())),
            Self::CancelRequested(CancelRequest { reason, request_id }) => {
                let (reason, request_id) = (reason.clone(), request_id.clone());
                Some(InboxMessage::CancelRequested { reason, request_id })
            }
            Self::Signaled(signaled) => Some(InboxMessage::Signaled(signaled.clone())),
            Self::LocalActivityEnded(marker) => {
                Some(InboxMessage::LocalActivityEnded(marker.clone()))
            }
            Self::TimerFired { .. } | Self::ExternalSignaled { .. } | Self::Delivered { .. } => {
                None
            }
        }
    }

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
