//! The end of an activity, on its way to the run that scheduled it.

use entracte_model::{EventId, Failure, Payload, RetryState, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::codec::InvalidRow;

/// An activity ended for good.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActivityClosed {
    /// Its number in the run.
    pub seq: Seq,
    /// The event that scheduled it.
    pub scheduled_event_id: EventId,
    /// The number of its last attempt.
    pub attempt: u32,
    /// When the last attempt started; none if none did.
    pub started_at: Option<Timestamp>,
    /// Why the attempt before the last one failed.
    pub last_failure: Option<Failure>,
    /// How it ended.
    pub outcome: ActivityOutcome,
}

/// How an activity ended; the numbers are part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ActivityOutcome {
    /// It returned a result. Number 1.
    Completed {
        /// The result.
        result: Payload,
    },
    /// It failed. Number 2.
    Failed {
        /// The failure of the last attempt.
        failure: Failure,
        /// Why there is no further attempt.
        retry_state: RetryState,
    },
    /// It ran into a timeout. Number 3.
    TimedOut {
        /// The timeout.
        failure: Failure,
        /// Why there is no further attempt.
        retry_state: RetryState,
    },
    /// It was cancelled. Number 4.
    Canceled {
        /// What the cancelled attempt had to say.
        details: Option<Payload>,
    },
}

/// An [`ActivityClosed`] as it is stored: the outcome taken apart, with a number for its kind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    seq: Seq,
    scheduled_event_id: EventId,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    outcome: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Payload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_state: Option<RetryState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Payload>,
}

impl From<&ActivityClosed> for Stored {
    fn from(closed: &ActivityClosed) -> Self {
        let closed = closed.clone();
        let mut stored = Self {
            seq: closed.seq,
            scheduled_event_id: closed.scheduled_event_id,
            attempt: closed.attempt,
            started_at: closed.started_at,
            last_failure: closed.last_failure,
            outcome: 0,
            result: None,
            failure: None,
            retry_state: None,
            details: None,
        };
        match closed.outcome {
            ActivityOutcome::Completed { result } => {
                stored.outcome = 1;
                stored.result = Some(result);
            }
            ActivityOutcome::Failed { failure, retry_state } => {
                stored.outcome = 2;
                stored.failure = Some(failure);
                stored.retry_state = Some(retry_state);
            }
            ActivityOutcome::TimedOut { failure, retry_state } => {
                stored.outcome = 3;
                stored.failure = Some(failure);
                stored.retry_state = Some(retry_state);
            }
            ActivityOutcome::Canceled { details } => {
                stored.outcome = 4;
                stored.details = details;
            }
        }
        stored
    }
}

impl TryFrom<Stored> for ActivityClosed {
    type Error = InvalidRow;

    fn try_from(stored: Stored) -> Result<Self, InvalidRow> {
        let failure = stored.failure.ok_or_else(|| InvalidRow::missing("the failure"));
        let retry_state = stored.retry_state.ok_or_else(|| InvalidRow::missing("the retry state"));
        let outcome = match stored.outcome {
            1 => {
                let result = stored.result.ok_or_else(|| InvalidRow::missing("the result"))?;
                ActivityOutcome::Completed { result }
            }
            2 => ActivityOutcome::Failed { failure: failure?, retry_state: retry_state? },
            3 => ActivityOutcome::TimedOut { failure: failure?, retry_state: retry_state? },
            4 => ActivityOutcome::Canceled { details: stored.details },
            number => return Err(InvalidRow::UnknownNumber { what: "activity outcome", number }),
        };
        Ok(Self {
            seq: stored.seq,
            scheduled_event_id: stored.scheduled_event_id,
            attempt: stored.attempt,
            started_at: stored.started_at,
            last_failure: stored.last_failure,
            outcome,
        })
    }
}
