//! Where an open activity stands.

use entracte_model::{ActivityOptions, EventId, Failure, Payload, Timestamp};
use serde::{Deserialize, Serialize};

use super::codec::plain_row;

/// Where an open activity stands: what its history does not tell yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingActivityRow {
    /// The event that scheduled it.
    pub scheduled_event_id: EventId,
    /// The number of the current attempt, from 1; it goes on when the activity is reset, so
    /// that it names one attempt only.
    pub attempt: u32,
    /// How many of the attempts do not count any more, because the activity was reset.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts_reset: u32,
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
    /// Since when and why it is paused (rule PAU-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<ActivityPause>,
    /// What its reset does to it when the attempt that runs has failed (rule PAU-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ActivityReset>,
    /// The request of its last reset, so that it is carried out once however often it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_request_id: Option<Box<str>>,
    /// The options that have taken the place of those in its event (rule PAU-4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Box<ActivityOptions>>,
}

/// That an activity is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityPause {
    /// Since when.
    pub since: Timestamp,
    /// Why, in somebody's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// That an activity was reset while an attempt ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityReset {
    /// Whether the next attempt does not see what heartbeats said before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heartbeat: bool,
    /// Whether the attempt that runs has been told, and not only the one after it is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl PendingActivityRow {
    /// The row of an activity that waits for its first attempt since it was scheduled.
    #[must_use]
    pub fn new(scheduled_event_id: EventId, scheduled_at: Timestamp) -> Self {
        Self {
            scheduled_event_id,
            attempt: 1,
            attempts_reset: 0,
            admitted_at: None,
            next_attempt_at: scheduled_at,
            last_failure: None,
            last_attempt_ended_at: None,
            heartbeat_details: None,
            heartbeat_at: None,
            cancel_requested: false,
            result_pending: false,
            pause: None,
            reset: None,
            reset_request_id: None,
            options: None,
        }
    }

    /// Lets the current attempt be the first one (rule PAU-3), which does not see, if so told,
    /// what heartbeats said before it.
    pub fn forget_attempts(&mut self, heartbeat: bool) {
        self.attempts_reset = self.attempt.saturating_sub(1);
        if heartbeat {
            (self.heartbeat_details, self.heartbeat_at) = (None, None);
        }
    }

    /// The number of the current attempt, from 1, as it is seen and judged by: counted from the
    /// last reset.
    #[must_use]
    pub fn attempt_number(&self) -> u32 {
        self.attempt.saturating_sub(self.attempts_reset)
    }
}

plain_row!(PendingActivityRow);
