//! Events as they are stored.
//!
//! ```text
//! 2 bytes  the event type's number, big endian
//! 8 bytes  the time, nanoseconds since the Unix epoch, big endian
//! rest     the attributes, MessagePack with field names
//! ```
//! The event's id is part of its key, not of its value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Event, EventAttributes};
use crate::id::EventId;
use crate::time::Timestamp;

const HEADER_LEN: usize = 10;

/// Says why stored bytes are not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventDecodeError {
    /// The value ends before its header does.
    #[error("event {id} has {len} bytes, fewer than its header of {HEADER_LEN}")]
    TooShort {
        /// The event.
        id: EventId,
        /// How many bytes there are.
        len: usize,
    },
    /// The type's number is not known here: the history was written by newer code.
    #[error("event {id} has the unknown type {number}")]
    UnknownType {
        /// The event.
        id: EventId,
        /// The number.
        number: u16,
    },
    /// The attributes cannot be read.
    #[error("event {id} of type {event_type:?} cannot be read: {reason}")]
    Malformed {
        /// The event.
        id: EventId,
        /// Its type.
        event_type: EventType,
        /// What the decoder said.
        reason: String,
    },
}

/// Writes the type enum, its numbers, and both directions of the codec from one table.
macro_rules! event_types {
    ($($number:literal $name:ident,)*) => {
        /// The type of an event.
        ///
        /// The numbers are Temporal's and part of the stored format: they are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[non_exhaustive]
        pub enum EventType {
            $(
                #[doc = concat!("`", stringify!($name), "`, number ", stringify!($number), ".")]
                $name = $number,
            )*
        }

        impl EventType {
            /// Every type there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        impl EventAttributes {
            /// The type of the event.
            #[must_use]
            pub fn event_type(&self) -> EventType {
                match self {
                    $(Self::$name(_) => EventType::$name,)*
                }
            }

            fn write(&self, buffer: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
                match self {
                    $(Self::$name(attributes) => write_named(attributes, buffer),)*
                }
            }

            fn read(event_type: EventType, bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
                match event_type {
                    $(EventType::$name => Ok(Self::$name(read_named(bytes)?)),)*
                }
            }
        }
    };
}

event_types! {
    1 WorkflowExecutionStarted,
    2 WorkflowExecutionCompleted,
    3 WorkflowExecutionFailed,
    4 WorkflowExecutionTimedOut,
    10 ActivityTaskScheduled,
    11 ActivityTaskStarted,
    12 ActivityTaskCompleted,
    13 ActivityTaskFailed,
    14 ActivityTaskTimedOut,
    15 ActivityTaskCancelRequested,
    16 ActivityTaskCanceled,
    17 TimerStarted,
    18 TimerFired,
    19 TimerCanceled,
    20 WorkflowExecutionCancelRequested,
    21 WorkflowExecutionCanceled,
    22 RequestCancelExternalWorkflowExecutionInitiated,
    23 RequestCancelExternalWorkflowExecutionFailed,
    24 ExternalWorkflowExecutionCancelRequested,
    25 MarkerRecorded,
    26 WorkflowExecutionSignaled,
    27 WorkflowExecutionTerminated,
    28 WorkflowExecutionContinuedAsNew,
    29 StartChildWorkflowExecutionInitiated,
    30 StartChildWorkflowExecutionFailed,
    31 ChildWorkflowExecutionStarted,
    32 ChildWorkflowExecutionCompleted,
    33 ChildWorkflowExecutionFailed,
    34 ChildWorkflowExecutionCanceled,
    35 ChildWorkflowExecutionTimedOut,
    36 ChildWorkflowExecutionTerminated,
    37 SignalExternalWorkflowExecutionInitiated,
    38 SignalExternalWorkflowExecutionFailed,
    39 ExternalWorkflowExecutionSignaled,
}

impl EventType {
    /// The stored number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether the event ends its run.
    #[must_use]
    pub const fn is_close(self) -> bool {
        matches!(
            self,
            Self::WorkflowExecutionCompleted
                | Self::WorkflowExecutionFailed
                | Self::WorkflowExecutionCanceled
                | Self::WorkflowExecutionTerminated
                | Self::WorkflowExecutionTimedOut
                | Self::WorkflowExecutionContinuedAsNew
        )
    }
}

fn write_named<T: Serialize>(
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), rmp_serde::encode::Error> {
    value.serialize(&mut rmp_serde::Serializer::new(buffer).with_struct_map())
}

fn read_named<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

impl Event {
    /// Writes the event as it is stored.
    ///
    /// # Panics
    /// Never: the attributes of events hold nothing that cannot be written.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(256);
        self.write_to(&mut buffer);
        buffer
    }

    /// Appends the event, as it is stored, to a buffer.
    ///
    /// # Panics
    /// Never: the attributes of events hold nothing that cannot be written.
    pub fn write_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend(self.attributes.event_type().number().to_be_bytes());
        buffer.extend(self.time.as_unix_nanos().to_be_bytes());
        #[expect(clippy::expect_used, reason = "writing plain data to memory cannot fail")]
        self.attributes.write(buffer).expect("event attributes are plain data");
    }

    /// Reads an event as it is stored.
    ///
    /// # Errors
    /// [`EventDecodeError`] if the bytes are not an event, or one of a newer format.
    pub fn from_bytes(id: EventId, bytes: &[u8]) -> Result<Self, EventDecodeError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(EventDecodeError::TooShort { id, len: bytes.len() });
        };
        let [n0, n1, time @ ..] = *header;
        let number = u16::from_be_bytes([n0, n1]);
        let Some(event_type) = EventType::from_number(number) else {
            return Err(EventDecodeError::UnknownType { id, number });
        };
        let attributes = EventAttributes::read(event_type, body).map_err(|error| {
            EventDecodeError::Malformed { id, event_type, reason: error.to_string() }
        })?;
        let time = Timestamp::from_unix_nanos(u64::from_be_bytes(time));
        Ok(Self { id, time, attributes })
    }
}

#[cfg(test)]
mod tests;
