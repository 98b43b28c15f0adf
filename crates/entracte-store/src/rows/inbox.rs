//! What must reach a run.

use entracte_model::event::{
    LocalActivityMarker, WorkflowExecutionSignaled, WorkflowExecutionStarted,
};
use entracte_model::{EventId, RunId, Timestamp};
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
    Start(WorkflowExecutionStarted),
    /// An activity of the run ended for good. Number 2.
    ActivityClosed(ActivityClosed),
    /// Somebody asks the run to cancel. Number 3.
    CancelRequested {
        /// Why, in their words.
        reason: String,
    },
    /// Somebody sent the run a signal. Number 4.
    Signaled(WorkflowExecutionSignaled),
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
            InboxMessage::CancelRequested { reason } => self.write(3, reason, buffer),
            InboxMessage::Signaled(signaled) => self.write(4, signaled, buffer),
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
            1 => codec::read(body).map(|fields| Self::of(fields, InboxMessage::Start)),
            2 => {
                let Fields { sender, received_at, message } = codec::read::<Fields<Stored>>(body)?;
                let message = InboxMessage::ActivityClosed(message.try_into()?);
                Ok(Self { sender, received_at, message })
            }
            3 => codec::read(body)
                .map(|fields| Self::of(fields, |reason| InboxMessage::CancelRequested { reason })),
            4 => codec::read(body).map(|fields| Self::of(fields, InboxMessage::Signaled)),
            10 => {
                codec::read(body).map(|fields| Self::of(fields, InboxMessage::LocalActivityEnded))
            }
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
