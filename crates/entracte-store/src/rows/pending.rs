//! Where an open activity stands.

use entracte_model::{EventId, Failure, Payload, Timestamp};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// Where an open activity stands: what its history does not tell yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingActivityRow {
    /// The event that scheduled it.
    pub scheduled_event_id: EventId,
    /// The number of the current attempt, from 1.
    pub attempt: u32,
    /// When the attempt was admitted: from then on it may be running. None while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<Timestamp>,
    /// From when on the attempt may be admitted.
    pub next_attempt_at: Timestamp,
    /// Why the attempt before it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
    /// When the attempt before it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_ended_at: Option<Timestamp>,
    /// What the last heartbeat of any attempt had to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_details: Option<Payload>,
    /// When that heartbeat came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_at: Option<Timestamp>,
    /// Whether the run asked it to cancel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
    /// Whether the attempt's code has returned and left its result to somebody else: since that
    /// is durable, the attempt is not lost with the engine (rule ASY-1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub result_pending: bool,
}

impl PendingActivityRow {
    /// The row of an activity that waits for its first attempt since it was scheduled.
    #[must_use]
    pub fn new(scheduled_event_id: EventId, scheduled_at: Timestamp) -> Self {
        Self {
            scheduled_event_id,
            attempt: 1,
            admitted_at: None,
            next_attempt_at: scheduled_at,
            last_failure: None,
            last_attempt_ended_at: None,
            heartbeat_details: None,
            heartbeat_at: None,
            cancel_requested: false,
            result_pending: false,
        }
    }
}

plain_row!(PendingActivityRow);
