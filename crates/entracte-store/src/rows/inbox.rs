//! What must reach a run.

use std::sync::Arc;

use bytes::Bytes;
use entracte_model::event::{
    EventDecodeError, LocalActivityMarker, WorkflowExecutionSignaled, WorkflowExecutionStarted,
};
use entracte_model::{
    Event, EventAttributes, EventId, ParentClosePolicy, RunId, Seq, Timestamp,
    WorkflowIdReusePolicy,
};
use serde::{Deserialize, Serialize};

use super::activity_closed::{ActivityClosed, Stored};
use super::codec::{self, InvalidRow, ROW_FORMAT_VERSION};

/// What must reach a run: deleted in the batch that journals its event.
///
/// Stored as the version, the number of the message's kind, then the fields. Its `serde` form is
/// for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InboxRow {
    /// The event of another run that brought it about, by which a second copy is recognised.
    pub sender: Option<(RunId, EventId)>,
    /// When it was acknowledged.
    pub received_at: Timestamp,
    /// What it says.
    pub message: InboxMessage,
}

/// What reaches a run; the numbers are part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum InboxMessage {
    /// The run starts. Number 1.
    Start(Box<WorkflowExecutionStarted>),
    /// An activity of the run ended for good. Number 2.
    ActivityClosed(ActivityClosed),
    /// Somebody asks the run to cancel. Number 3 without the id of a request, 11 with one.
    CancelRequested {
        /// Why, in their words.
        reason: String,
        /// The id of the client's request; none if another run has asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Arc<str>>,
    },
    /// Somebody sent the run a signal. Number 4.
    Signaled(WorkflowExecutionSignaled),
    /// Another run tells an event of this run's history. Number 5.
    Event(Box<EventAttributes>),
    /// The run's parent has closed. Number 6.
    ParentClosed {
        /// What becomes of the run.
        policy: ParentClosePolicy,
    },
    /// Another workflow asks the run to cancel, and waits to hear that it knows. Number 7.
    ExternalCancelRequested {
        /// The number of the request in its sender's history.
        seq: Seq,
        /// Why, in the sender's words.
        reason: String,
    },
    /// The run is to start as a child. Number 8.
    ChildStart {
        /// Its first event.
        started: Box<WorkflowExecutionStarted>,
        /// Whether it may start if its workflow id was used before.
        reuse_policy: WorkflowIdReusePolicy,
    },
    /// A local activity of the run ended, or goes on after a durable timer. Number 10.
    LocalActivityEnded(LocalActivityMarker),
}

/// The fields of a row, around the message in the form in which it is stored.
#[derive(Serialize, Deserialize)]
struct Fields<M> {
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    sender: Option<(RunId, EventId)>,
    received_at: Timestamp,
    message: M,
}

impl InboxRow {
    /// Writes the row as it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.write_to(&mut buffer);
        buffer
    }

    /// Appends the row, as it is stored, to a buffer.
    pub fn write_to(&self, buffer: &mut Vec<u8>) {
        match &self.message {
            InboxMessage::Start(started) => self.write(1, started, buffer),
            InboxMessage::ActivityClosed(closed) => self.write(2, Stored::from(closed), buffer),
            InboxMessage::CancelRequested { reason, request_id: None } => {
                self.write(3, reason, buffer);
            }
            InboxMessage::CancelRequested { reason, request_id: Some(request_id) } => {
                self.write(11, (reason, request_id), buffer);
            }
            InboxMessage::Signaled(signaled) => self.write(4, signaled, buffer),
            InboxMessage::Event(attributes) => {
                self.write(5, Bytes::from(as_event(attributes)), buffer);
            }
            InboxMessage::ParentClosed { policy } => self.write(6, policy, buffer),
            InboxMessage::ExternalCancelRequested { seq, reason } => {
                self.write(7, (seq, reason), buffer);
            }
            InboxMessage::ChildStart { started, reuse_policy } => {
                self.write(8, (started, reuse_policy), buffer);
            }
            InboxMessage::LocalActivityEnded(marker) => self.write(10, marker, buffer),
        }
    }

    /// Reads the row as it is stored.
    ///
    /// # Errors
    /// [`InvalidRow`] if the bytes are not such a row, or one of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidRow> {
        let ([_version, number], body) = codec::header(bytes)?;
        match number {
            1 => codec::read(body)
                .map(|fields| Self::of(fields, |it| InboxMessage::Start(Box::new(it)))),
            2 => {
                let Fields { sender, received_at, message } = codec::read::<Fields<Stored>>(body)?;
                let message = InboxMessage::ActivityClosed(message.try_into()?);
                Ok(Self { sender, received_at, message })
            }
            3 => codec::read(body).map(|fields| {
                Self::of(fields, |reason| InboxMessage::CancelRequested {
                    reason,
                    request_id: None,
                })
            }),
            4 => codec::read(body).map(|fields| Self::of(fields, InboxMessage::Signaled)),
            5 => {
                let Fields { sender, received_at, message } = codec::read::<Fields<Bytes>>(body)?;
                let event = Event::from_bytes(EventId::default(), &message).map_err(malformed)?;
                let message = InboxMessage::Event(Box::new(event.attributes));
                Ok(Self { sender, received_at, message })
            }
            6 => codec::read(body)
                .map(|fields| Self::of(fields, |policy| InboxMessage::ParentClosed { policy })),
            7 => codec::read(body).map(|fields| {
                Self::of(fields, |(seq, reason)| InboxMessage::ExternalCancelRequested {
                    seq,
                    reason,
                })
            }),
            8 => codec::read(body).map(|fields| {
                Self::of(fields, |(started, reuse_policy)| InboxMessage::ChildStart {
                    started,
                    reuse_policy,
                })
            }),
            10 => {
                codec::read(body).map(|fields| Self::of(fields, InboxMessage::LocalActivityEnded))
            }
            11 => codec::read(body).map(|fields| {
                Self::of(fields, |(reason, request_id)| InboxMessage::CancelRequested {
                    reason,
                    request_id: Some(request_id),
                })
            }),
            number => Err(InvalidRow::UnknownNumber { what: "inbox message", number }),
        }
    }

    fn write<M: Serialize>(&self, number: u8, message: M, buffer: &mut Vec<u8>) {
        let fields = Fields { sender: self.sender, received_at: self.received_at, message };
        codec::write(&[ROW_FORMAT_VERSION, number], &fields, buffer);
    }

    fn of<M>(fields: Fields<M>, message: impl FnOnce(M) -> InboxMessage) -> Self {
        let Fields { sender, received_at, message: stored } = fields;
        Self { sender, received_at, message: message(stored) }
    }
}

/// An event that has no place in a history yet, as events are stored.
fn as_event(attributes: &EventAttributes) -> Vec<u8> {
    let (id, time) = (EventId::default(), Timestamp::EPOCH);
    Event { id, time, attributes: attributes.clone() }.to_bytes()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn malformed(error: EventDecodeError) -> InvalidRow {
    InvalidRow::Malformed { reason: error.to_string() }
}
