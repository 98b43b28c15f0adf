//! The kinds of failures, after Temporal's `Failure` message (semantics, section 4).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, RunId};
use crate::payload::Payload;
use crate::time::duration_option_serde;

/// What kind of failure it is, with what that kind tells.
///
/// The names are part of the stored format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// An error of the user's code.
    Application(ApplicationFailure),
    /// A deadline passed.
    Timeout {
        /// Which deadline.
        timeout_type: TimeoutType,
        /// What the last heartbeat said (rule RET-15).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_heartbeat_details: Option<Payload>,
    },
    /// The operation was cancelled.
    Canceled {
        /// What the cancelled code had to say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Payload>,
    },
    /// The workflow was terminated.
    Terminated,
    /// The engine, not the user's code, could not go on.
    Server {
        /// Whether trying again is pointless.
        non_retryable: bool,
    },
    /// A running activity was cut off by a reset of its workflow (rule RST-3).
    ResetWorkflow {
        /// What the last heartbeat said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_heartbeat_details: Option<Payload>,
    },
    /// An activity failed; the cause tells why.
    Activity(ActivityFailure),
    /// A child workflow failed; the cause tells why.
    ChildWorkflow(ChildWorkflowFailure),
}

impl FailureKind {
    pub(super) fn details(&self) -> Option<&Payload> {
        match self {
            Self::Application(ApplicationFailure { details, .. })
            | Self::Canceled { details }
            | Self::Timeout { last_heartbeat_details: details, .. }
            | Self::ResetWorkflow { last_heartbeat_details: details } => details.as_ref(),
            Self::Terminated | Self::Server { .. } | Self::Activity(_) | Self::ChildWorkflow(_) => {
                None
            }
        }
    }
}

/// What an application failure tells besides its message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationFailure {
    /// The name of the error, which retry policies and callers match on; may be empty.
    pub r#type: String,
    /// Whether no retry policy may retry it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub non_retryable: bool,
    /// A value attached to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Payload>,
    /// How long to wait before the next attempt, instead of the policy's delay (rule RET-16).
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub next_retry_delay: Option<Duration>,
    /// How loudly it is reported.
    #[serde(default, skip_serializing_if = "ApplicationErrorCategory::is_unspecified")]
    pub category: ApplicationErrorCategory,
}

/// How loudly an application failure is reported (rule FAIL-8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ApplicationErrorCategory {
    /// As any failure.
    #[default]
    Unspecified,
    /// Expected: logged at debug level and not counted as a failure.
    Benign,
}

impl ApplicationErrorCategory {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_unspecified(&self) -> bool {
        *self == Self::Unspecified
    }
}

/// Which deadline passed (rule TMO-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeoutType {
    /// One attempt took too long.
    StartToClose,
    /// An attempt waited too long in its queue.
    ScheduleToStart,
    /// The whole activity, with its retries, took too long.
    ScheduleToClose,
    /// A running attempt was silent for too long.
    Heartbeat,
}

impl TimeoutType {
    /// The name under which a retry policy lists the timeout (rule RET-9).
    #[must_use]
    pub fn as_error_type(self) -> String {
        format!("TemporalTimeout:{self}")
    }
}

impl fmt::Display for TimeoutType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartToClose => "StartToClose",
            Self::ScheduleToStart => "ScheduleToStart",
            Self::ScheduleToClose => "ScheduleToClose",
            Self::Heartbeat => "Heartbeat",
        })
    }
}

/// Which activity failed, and why it was not tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActivityFailure {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The event that tells its last attempt's start; zero if none started.
    pub started_event_id: EventId,
    /// The durable name of the activity.
    pub activity_type: String,
    /// The id of the activity within its run.
    pub activity_id: String,
    /// Why there is no further attempt.
    pub retry_state: RetryState,
}

/// Which child workflow failed, and why it was not tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChildWorkflowFailure {
    /// The child's workflow id.
    pub workflow_id: String,
    /// The child's last run; none if it never started (rule CHD-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The durable name of the child workflow.
    pub workflow_type: String,
    /// The event that asked for the child.
    pub initiated_event_id: EventId,
    /// The event that tells the child's start; zero if it never started.
    pub started_event_id: EventId,
    /// Why there is no further run.
    pub retry_state: RetryState,
}

/// Why something that failed is, or is not, tried again; Temporal's numbers (rule RET-18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RetryState {
    /// Not told.
    #[default]
    Unspecified = 0,
    /// A further attempt follows.
    InProgress = 1,
    /// The failure is final.
    NonRetryableFailure = 2,
    /// The time for the whole is over, or would be before the next attempt.
    Timeout = 3,
    /// The policy allows no further attempt.
    MaximumAttemptsReached = 4,
    /// There is no policy.
    RetryPolicyNotSet = 5,
    /// The engine could not go on.
    InternalServerError = 6,
    /// Cancellation was requested.
    CancelRequested = 7,
}

impl fmt::Display for RetryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::InProgress => "in progress",
            Self::NonRetryableFailure => "non-retryable failure",
            Self::Timeout => "timeout",
            Self::MaximumAttemptsReached => "maximum attempts reached",
            Self::RetryPolicyNotSet => "retry policy not set",
            Self::InternalServerError => "internal server error",
            Self::CancelRequested => "cancel requested",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ret_18_the_numbers_of_retry_states_are_temporals() {
        let states = [
            RetryState::Unspecified,
            RetryState::InProgress,
            RetryState::NonRetryableFailure,
            RetryState::Timeout,
            RetryState::MaximumAttemptsReached,
            RetryState::RetryPolicyNotSet,
            RetryState::InternalServerError,
            RetryState::CancelRequested,
        ];
        let numbers: Vec<_> = states.iter().map(|state| *state as u8).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
