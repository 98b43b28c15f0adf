//! Markers: what a run knows without anybody having scheduled it in its history.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SourceLocation;
use crate::failure::{Failure, RetryState};
use crate::id::Seq;
use crate::payload::{HasPayloads, Payload};
use crate::time::{Timestamp, duration_serde};

/// Something that is recorded beside the run's own operations; Temporal's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarkerRecorded {
    /// What is recorded.
    pub marker: Marker,
}

/// What a marker records; the names are part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Marker {
    /// How a local activity ended, or that it goes on after a durable timer.
    LocalActivity(LocalActivityMarker),
}

/// How a local activity ended: its only event (rule LAC-1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalActivityMarker {
    /// The number of the operation. One that goes on after a durable timer has a new number
    /// then.
    pub seq: Seq,
    /// The id of the activity: its first number in decimal, the same after a durable timer.
    pub activity_id: Arc<str>,
    /// The durable name of the activity.
    pub activity_type: Arc<str>,
    /// The number of its last attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: LocalActivityOutcome,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// How a local activity ended; the names are part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalActivityOutcome {
    /// It returned a result.
    Completed {
        /// The result.
        result: Payload,
    },
    /// It failed for good, or ran into a timeout for good.
    Failed {
        /// The failure of the last attempt.
        failure: Failure,
        /// Why there is no further attempt.
        retry_state: RetryState,
    },
    /// It was cancelled.
    Canceled {
        /// What the cancelled attempt had to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Payload>,
    },
    /// Its next attempt is so far away that a durable timer comes before it (rule LAC-3).
    Backoff {
        /// The number of the next attempt.
        attempt: u32,
        /// How long the timer takes.
        #[serde(with = "duration_serde")]
        backoff_duration: Duration,
        /// When the activity was scheduled first.
        original_schedule_time: Timestamp,
        /// The failure of the last attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_failure: Option<Failure>,
    },
}

impl HasPayloads for MarkerRecorded {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        match &mut self.marker {
            Marker::LocalActivity(marker) => marker.replace_payloads(replace),
        }
    }
}

impl HasPayloads for LocalActivityMarker {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        match &mut self.outcome {
            LocalActivityOutcome::Completed { result } => result.replace_payloads(replace),
            LocalActivityOutcome::Failed { failure, .. } => failure.replace_payloads(replace),
            LocalActivityOutcome::Canceled { details } => details.replace_payloads(replace),
            LocalActivityOutcome::Backoff { last_failure, .. } => {
                last_failure.replace_payloads(replace)
            }
        }
    }
}
