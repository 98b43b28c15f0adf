//! State that a run has published.

use entracte_model::{EventId, Payload, Timestamp};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// A piece of state that a run has published: the last value of its name.
///
/// Written in the batch of the turn that published it, and kept when the run is closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    /// The last event of the turn that published it.
    pub event_id: EventId,
    /// When that turn was taken.
    pub time: Timestamp,
    /// The value.
    pub value: Payload,
}

plain_row!(PublishedRow);
