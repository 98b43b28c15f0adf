//! What a run takes turns for.

use entracte_model::event::{
    LocalActivityMarker, SignalExternalFailedCause, WorkflowExecutionSignaled,
    WorkflowExecutionStarted,
};
use entracte_model::{ParentClosePolicy, Seq};
use entracte_store::keys::DeliveryKey;
use entracte_store::rows::{ActivityClosed, InboxMessage};

use crate::messages::CancelRequest;

/// Why a signal has not arrived; nothing if it has.
pub(super) type NotArrived = Option<SignalExternalFailedCause>;

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
}

/// The signal that an input is, whether a client sent it or a workflow that has closed since.
pub(super) fn signal_of(input: &Input) -> Option<&WorkflowExecutionSignaled> {
    match input {
        Input::Signaled(signaled) => Some(signaled),
        Input::Delivered { message, .. } => match &**message {
            InboxMessage::Signaled(signaled) => Some(signaled),
            _ => None,
        },
        _ => None,
    }
}
