//! The keys of everything that is stored.
//!
//! Numbers are big endian, so that keys sort as what they name. The kind bytes of the space
//! `State` and the kinds of due rows are part of the stored format: they are never reused.
//!
//! | space | key | row |
//! |---|---|---|
//! | `Meta` | `"format"` | the format of the store, `u32` |
//! | `Meta` | `"codec"` | a known [`Payload`](entracte_model::Payload) that went through the codec, if there is one |
//! | all | [`RESERVED_KEY`] | what a store on disk notes about its last commit |
//! | `Meta` | `"clock"` | the last journaled engine time in nanoseconds, `u64` |
//! | `History` | [`HistoryKey`]: run id (16 bytes), event id (`u64`) | [`Event`](entracte_model::Event) |
//! | `State` | [`RunKey`]: `0x01`, run id | [`RunRow`](crate::rows::RunRow) |
//! | `State` | [`WorkflowIdKey`]: `0x02`, workflow id | [`WorkflowIdRow`](crate::rows::WorkflowIdRow) |
//! | `State` | [`PendingActivityKey`]: `0x03`, run id, number of the activity (`u32`) | [`PendingActivityRow`](crate::rows::PendingActivityRow) |
//! | `State` | [`DueKey`]: `0x04`, due time in nanoseconds (`u64`), run id, kind (`u8`), number (`u32`) | nothing |
//! | `State` | [`InboxKey`]: `0x05`, run id, sequence (`u64`) | [`InboxRow`](crate::rows::InboxRow) |
//! | `State` | [`PublishedKey`]: `0x06`, run id, name | [`PublishedRow`](crate::rows::PublishedRow) |
//! | `State` | [`DeliveryKey`]: `0x07`, run id of the receiver, run id of the sender, event id (`u64`), kind (`u8`) | [`InboxRow`](crate::rows::InboxRow) |
//! | `State` | [`LocalActivityKey`]: `0x0a`, run id, number of the local activity (`u32`) | [`LocalActivityRow`](crate::rows::LocalActivityRow) |

mod delivery;
mod due;
mod history;
mod inbox;
mod local_activity;
mod pending;
mod published;
mod range;
mod run;
mod workflow_id;

use entracte_model::{IdError, RunId};

pub use self::delivery::{DeliveryKey, DeliveryKind, deliveries_all, deliveries_to};
pub use self::due::{DueKey, DueKind, due_all, due_of, due_until};
pub use self::history::{HistoryKey, history_from, history_range};
pub use self::inbox::{InboxKey, inbox_all, inbox_of};
pub use self::local_activity::{LocalActivityKey, local_activities_all, local_activities_of};
pub use self::pending::{PendingActivityKey, pending_all, pending_of};
pub use self::published::{PublishedKey, published_all, published_of};
pub use self::range::{KeyRange, next_key, next_prefix};
pub use self::run::{RunKey, run_all, runs_after};
pub use self::workflow_id::{WorkflowIdKey, workflow_id_all};
use crate::error::StoreError;
use crate::store::Space;

/// The key of the store's format in the space `Meta`.
pub const FORMAT_KEY: &[u8] = b"format";
/// The key of the last journaled engine time in the space `Meta`.
pub const CLOCK_KEY: &[u8] = b"clock";
/// The key of a payload that tells whether a codec is the right one, in the space `Meta`.
pub const CODEC_KEY: &[u8] = b"codec";
/// A key that every space keeps for the store itself: no batch may write it, and no read
/// shows it. It is the smallest key there is, so a table that has it begins with it.
pub const RESERVED_KEY: &[u8] = b"\0";

/// The kind of a row in the space `State`: the first byte of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Run = 0x01,
    WorkflowId = 0x02,
    PendingActivity = 0x03,
    Due = 0x04,
    Inbox = 0x05,
    Published = 0x06,
    Delivery = 0x07,
    LocalActivity = 0x0a,
}

/// A key with parts.
pub trait Key: Sized {
    /// Where such keys stand.
    const SPACE: Space;

    /// Writes the key as it is stored.
    fn encode(&self) -> Vec<u8>;

    /// Reads the key as it is stored.
    ///
    /// # Errors
    /// [`InvalidKey`] if the bytes are not such a key.
    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey>;
}

/// Says why stored bytes are not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The key has the wrong length.
    #[error("a key of {found} bytes where {expected} are expected")]
    Length {
        /// How many bytes the key must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// The key is of another kind.
    #[error("a key of kind {found:#04x} where {expected:#04x} is expected")]
    Kind {
        /// The kind's number that the key must have.
        expected: u8,
        /// The number it has.
        found: u8,
    },
    /// A due row is of a kind that is not known here: it was written by newer code.
    #[error("a due row of the unknown kind {number}")]
    UnknownDueKind {
        /// The number.
        number: u8,
    },
    /// A delivery is of a kind that is not known here: it was written by newer code.
    #[error("a delivery of the unknown kind {number}")]
    UnknownDeliveryKind {
        /// The number.
        number: u8,
    },
    /// The workflow id or the name is not text.
    #[error("a workflow id or a name that is not UTF-8")]
    NotText,
    /// The workflow id cannot be one.
    #[error(transparent)]
    WorkflowId(#[from] IdError),
}

impl InvalidKey {
    /// Names the place.
    #[must_use]
    pub fn at(self, space: Space, key: &[u8]) -> StoreError {
        StoreError::corrupt(space, key, self)
    }
}

/// Starts a key of a kind that has this many bytes.
fn begin(kind: Kind, len: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(len);
    key.push(kind as u8);
    key
}

/// The prefix of all keys of a kind, or of those of one run among them.
fn prefix(kind: Kind, run_id: Option<RunId>) -> Vec<u8> {
    // With room for the number that most keys end in.
    let mut prefix = begin(kind, 1 + RunId::LEN + 8);
    if let Some(run_id) = run_id {
        prefix.extend_from_slice(&run_id.to_bytes());
    }
    prefix
}

/// Checks a key's length, and hands out its bytes as an array to match on.
fn exactly<const LEN: usize>(bytes: &[u8]) -> Result<[u8; LEN], InvalidKey> {
    bytes.try_into().map_err(|_| InvalidKey::Length { expected: LEN, found: bytes.len() })
}

/// Checks a key's kind.
fn expect_kind(kind: Kind, found: u8) -> Result<(), InvalidKey> {
    let expected = kind as u8;
    if found == expected { Ok(()) } else { Err(InvalidKey::Kind { expected, found }) }
}

/// Cuts a number or an id off the front of a key whose length is known.
fn take<const LEN: usize>(bytes: &mut &[u8]) -> Result<[u8; LEN], InvalidKey> {
    let (part, rest) = bytes
        .split_first_chunk::<LEN>()
        .ok_or(InvalidKey::Length { expected: LEN, found: bytes.len() })?;
    *bytes = rest;
    Ok(*part)
}

#[cfg(test)]
mod tests;
