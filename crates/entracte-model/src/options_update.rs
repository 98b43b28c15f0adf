//! Changes of the options of an activity that is under way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::options::{ActivityOptions, ActivityOptionsError};
use crate::retry::RetryPolicy;
use crate::time::duration_option_serde;

/// A change of some of an activity's options (rule PAU-4): what is not set stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivityOptionsUpdate {
    /// The queue that admits the attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_queue: Option<String>,
    /// How long one attempt may run; zero removes the timeout.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub start_to_close_timeout: Option<Duration>,
    /// How long the whole activity may take; zero removes the timeout.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long an attempt may wait until it starts; zero removes the timeout.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub schedule_to_start_timeout: Option<Duration>,
    /// How long an attempt may be silent; zero removes the timeout.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Duration>,
    /// The delay after the first failed attempt.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub retry_initial_interval: Option<Duration>,
    /// By how much the delay grows after each further failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_backoff_coefficient: Option<f64>,
    /// The longest delay; zero stands for 100 × the initial interval.
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub retry_maximum_interval: Option<Duration>,
    /// How many attempts there are; 0 is without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_maximum_attempts: Option<u32>,
    /// The errors that are not retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_retryable_error_types: Option<Vec<String>>,
}

impl ActivityOptionsUpdate {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the queue that admits the attempts.
    #[must_use]
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = Some(task_queue.into());
        self
    }

    /// Sets how long one attempt may run; zero removes the timeout.
    #[must_use]
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.start_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long the whole activity may take, from its first schedule; zero removes the
    /// timeout.
    #[must_use]
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long an attempt may wait until it starts; zero removes the timeout.
    #[must_use]
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_start_timeout = Some(timeout);
        self
    }

    /// Sets how long an attempt may be silent; zero removes the timeout.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(timeout);
        self
    }

    /// Sets the whole retry policy.
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_initial_interval = Some(policy.initial_interval);
        self.retry_backoff_coefficient = Some(policy.backoff_coefficient);
        self.retry_maximum_interval = Some(policy.maximum_interval.unwrap_or_default());
        self.retry_maximum_attempts = Some(policy.maximum_attempts);
        self.non_retryable_error_types = Some(policy.non_retryable_error_types);
        self
    }

    /// Sets the delay after the first failed attempt.
    #[must_use]
    pub fn retry_initial_interval(mut self, interval: Duration) -> Self {
        self.retry_initial_interval = Some(interval);
        self
    }

    /// Sets how many attempts there are, the first included; 0 is without limit.
    #[must_use]
    pub fn retry_maximum_attempts(mut self, attempts: u32) -> Self {
        self.retry_maximum_attempts = Some(attempts);
        self
    }

    /// The options after the change.
    ///
    /// # Errors
    /// [`ActivityOptionsError`] names the first option that would be wrong.
    pub fn apply(&self, to: &ActivityOptions) -> Result<ActivityOptions, ActivityOptionsError> {
        let mut options = to.clone();
        let set = |to: &mut Option<Duration>, update: Option<Duration>| {
            if let Some(timeout) = update {
                *to = (!timeout.is_zero()).then_some(timeout);
            }
        };
        set(&mut options.start_to_close_timeout, self.start_to_close_timeout);
        set(&mut options.schedule_to_close_timeout, self.schedule_to_close_timeout);
        set(&mut options.schedule_to_start_timeout, self.schedule_to_start_timeout);
        set(&mut options.heartbeat_timeout, self.heartbeat_timeout);
        if let Some(task_queue) = &self.task_queue {
            options.task_queue.clone_from(task_queue);
        }
        let policy = &mut options.retry_policy;
        set(&mut policy.maximum_interval, self.retry_maximum_interval);
        policy.initial_interval = self.retry_initial_interval.unwrap_or(policy.initial_interval);
        policy.backoff_coefficient =
            self.retry_backoff_coefficient.unwrap_or(policy.backoff_coefficient);
        policy.maximum_attempts = self.retry_maximum_attempts.unwrap_or(policy.maximum_attempts);
        if let Some(types) = &self.non_retryable_error_types {
            policy.non_retryable_error_types.clone_from(types);
        }
        options.validate()?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryPolicyError;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn before() -> ActivityOptions {
        ActivityOptions {
            start_to_close_timeout: Some(seconds(30)),
            heartbeat_timeout: Some(seconds(5)),
            ..ActivityOptions::default()
        }
    }

    #[test]
    fn pau_4_what_is_not_set_stays_as_it_is() {
        assert_eq!(ActivityOptionsUpdate::new().apply(&before()), Ok(before()));
        let update = ActivityOptionsUpdate::new()
            .start_to_close_timeout(seconds(60))
            .heartbeat_timeout(Duration::ZERO)
            .retry_maximum_attempts(7);
        let after = update.apply(&before()).unwrap();
        assert_eq!(after.start_to_close_timeout, Some(seconds(60)));
        assert_eq!(after.heartbeat_timeout, None);
        let policy = RetryPolicy { maximum_attempts: 7, ..RetryPolicy::default() };
        assert_eq!(after.retry_policy, policy);
        let policy = RetryPolicy { maximum_interval: Some(seconds(9)), ..policy };
        let whole = ActivityOptionsUpdate::new().retry_policy(policy.clone());
        assert_eq!(whole.apply(&after).unwrap().retry_policy, policy);
        let whole = ActivityOptionsUpdate::new().retry_policy(RetryPolicy::default());
        assert_eq!(whole.apply(&after).unwrap().retry_policy, RetryPolicy::default());
    }

    #[test]
    fn pau_4_what_would_be_wrong_is_named() {
        let none = ActivityOptionsUpdate::new().start_to_close_timeout(Duration::ZERO);
        assert_eq!(none.apply(&before()), Err(ActivityOptionsError::NoCloseTimeout));
        let flat = ActivityOptionsUpdate {
            retry_backoff_coefficient: Some(0.5),
            ..ActivityOptionsUpdate::default()
        };
        let coefficient = 0.5;
        let error = RetryPolicyError::BackoffCoefficient { coefficient };
        assert_eq!(flat.apply(&before()), Err(ActivityOptionsError::RetryPolicy(error)));
    }

    #[test]
    fn changes_read_and_write_durations_for_people() {
        let text = r#"{"task_queue":"slow","heartbeat_timeout":"5m","retry_maximum_attempts":3}"#;
        let update: ActivityOptionsUpdate = serde_json::from_str(text).unwrap();
        assert_eq!(update.heartbeat_timeout, Some(seconds(300)));
        assert_eq!(serde_json::to_string(&update).unwrap(), text);
    }
}
