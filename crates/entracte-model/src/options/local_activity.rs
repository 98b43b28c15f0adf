//! Options of local activities.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ActivityCancellationType, ActivityOptions, ActivityOptionsError, is_default};
use crate::retry::RetryPolicy;
use crate::time::{duration_option_serde, duration_serde};

/// How long a back-off may be that a local activity waits for in memory (rule LAC-3).
pub const DEFAULT_LOCAL_RETRY_THRESHOLD: Duration = Duration::from_secs(60);

/// How a local activity is run. It has no queue and sends no heartbeats (rule LAC-7).
///
/// They are not journaled: a replay takes them from the workflow's code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalActivityOptions {
    /// How long one attempt may run. No default: this or `schedule_to_close_timeout` must be
    /// set (rule LAC-2).
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<Duration>,
    /// How long the whole activity may take, with its retries and waits, from its first
    /// schedule. Default none.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<Duration>,
    /// How failed attempts are retried. Default: without end (rule RET-2).
    #[serde(skip_serializing_if = "is_default")]
    pub retry_policy: RetryPolicy,
    /// What a cancellation of the activity waits for. Default
    /// [`WaitCancellationCompleted`](ActivityCancellationType::WaitCancellationCompleted)
    /// (rule LAC-5).
    pub cancellation_type: ActivityCancellationType,
    /// A back-off that is longer than this is a durable timer of the run, and shorter ones pass
    /// in memory (rule LAC-3). Default [`DEFAULT_LOCAL_RETRY_THRESHOLD`].
    #[serde(with = "duration_serde")]
    pub local_retry_threshold: Duration,
}

impl Default for LocalActivityOptions {
    fn default() -> Self {
        Self {
            start_to_close_timeout: None,
            schedule_to_close_timeout: None,
            retry_policy: RetryPolicy::default(),
            cancellation_type: ActivityCancellationType::WaitCancellationCompleted,
            local_retry_threshold: DEFAULT_LOCAL_RETRY_THRESHOLD,
        }
    }
}

impl LocalActivityOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ActivityOptionsError`] names the first option that is wrong.
    pub fn validate(&self) -> Result<(), ActivityOptionsError> {
        self.to_activity_options().validate()
    }

    /// The options of an activity that is not local and runs in the same way.
    #[must_use]
    pub fn to_activity_options(&self) -> ActivityOptions {
        ActivityOptions {
            start_to_close_timeout: self.start_to_close_timeout,
            schedule_to_close_timeout: self.schedule_to_close_timeout,
            retry_policy: self.retry_policy.clone(),
            cancellation_type: self.cancellation_type,
            ..ActivityOptions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lac_2_one_of_two_timeouts_must_be_set() {
        let none = LocalActivityOptions::default();
        assert_eq!(none.validate(), Err(ActivityOptionsError::NoCloseTimeout));
        let second = Some(Duration::from_secs(1));
        let one = LocalActivityOptions { start_to_close_timeout: second, ..none.clone() };
        assert_eq!(one.validate(), Ok(()));
        let whole = LocalActivityOptions { schedule_to_close_timeout: second, ..none };
        assert_eq!(whole.validate(), Ok(()));
    }

    #[test]
    fn lac_3_and_5_the_defaults() {
        let options = LocalActivityOptions::default();
        assert_eq!(options.local_retry_threshold, Duration::from_secs(60));
        let waits = ActivityCancellationType::WaitCancellationCompleted;
        assert_eq!(options.cancellation_type, waits);
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<LocalActivityOptions>(&json).unwrap(), options);
    }
}
