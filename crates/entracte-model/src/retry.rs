//! Retry policies: how often and how long after a failure something is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind, RetryState, TimeoutType};
use crate::time::{Timestamp, duration_option_serde, duration_serde};

/// The first delay when none is set (rule RET-1).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// How failed attempts are retried (rules RET-1 to RET-9).
///
/// The default is Temporal's: 1 s, doubled after each failure, at most 100 times the initial
/// interval, without end, whatever the error. There is no jitter (rule RET-5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// The delay after the first failed attempt. Default 1 s, which zero stands for too.
    #[serde(with = "duration_serde", skip_serializing_if = "is_default_interval")]
    pub initial_interval: Duration,
    /// By how much the delay grows after each further failure. Default 2.0, at least 1.
    #[serde(skip_serializing_if = "is_default_coefficient")]
    pub backoff_coefficient: f64,
    /// The longest delay. Default 100 × `initial_interval` (rule RET-4).
    #[serde(with = "duration_option_serde", skip_serializing_if = "Option::is_none")]
    pub maximum_interval: Option<Duration>,
    /// How many attempts there are, the first included; 0 is without limit. Default 0.
    #[serde(skip_serializing_if = "is_unlimited")]
    pub maximum_attempts: u32,
    /// Types of application failures, and timeouts as `TemporalTimeout:StartToClose`, that
    /// are not retried. The match is exact (rules RET-8 and RET-9). Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub non_retryable_error_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: DEFAULT_INTERVAL,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_error_types: Vec::new(),
        }
    }
}

// What is the default is not written: every scheduled activity carries its policy.

fn is_default_interval(interval: &Duration) -> bool {
    *interval == DEFAULT_INTERVAL
}

#[expect(clippy::float_cmp, reason = "only the very default is left out")]
fn is_default_coefficient(coefficient: &f64) -> bool {
    *coefficient == 2.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_unlimited(attempts: &u32) -> bool {
    *attempts == 0
}

/// Says what is wrong with a retry policy, in Temporal's words (rules RET-7 and RET-9).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RetryPolicyError {
    /// The coefficient is below 1, or not a number.
    #[error("BackoffCoefficient cannot be less than 1 on retry policy.")]
    BackoffCoefficient {
        /// The coefficient.
        coefficient: f64,
    },
    /// The longest delay is shorter than the first.
    #[error("MaximumInterval cannot be less than InitialInterval on retry policy.")]
    MaximumInterval {
        /// The longest delay.
        maximum: Duration,
        /// The first delay.
        initial: Duration,
    },
    /// A timeout is listed as non-retryable under a name that is none.
    #[error("Invalid timeout type value: {name}.")]
    TimeoutType {
        /// What stands behind the prefix.
        name: String,
    },
}

impl RetryPolicy {
    /// Checks the policy. One that allows a single attempt is not checked further (rule RET-6).
    ///
    /// # Errors
    /// [`RetryPolicyError`] names the first field that is wrong.
    pub fn validate(&self) -> Result<(), RetryPolicyError> {
        if self.maximum_attempts == 1 {
            return Ok(());
        }
        // Written so that a coefficient that is not a number is refused as well.
        if !matches!(
            self.backoff_coefficient.partial_cmp(&1.0),
            Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater)
        ) {
            let coefficient = self.backoff_coefficient;
            return Err(RetryPolicyError::BackoffCoefficient { coefficient });
        }
        if let Some(maximum) = self.maximum_interval
            && !maximum.is_zero()
            && maximum < self.effective_initial_interval()
        {
            let initial = self.effective_initial_interval();
            return Err(RetryPolicyError::MaximumInterval { maximum, initial });
        }
        for listed in &self.non_retryable_error_types {
            let known = |name: &str| {
                ["StartToClose", "ScheduleToStart", "ScheduleToClose", "Heartbeat"].contains(&name)
            };
            if let Some(name) = listed.strip_prefix("TemporalTimeout:")
                && !known(name)
            {
                return Err(RetryPolicyError::TimeoutType { name: name.to_owned() });
            }
        }
        Ok(())
    }

    /// The first delay in force: zero means that it is not set (rule RET-1).
    #[must_use]
    pub fn effective_initial_interval(&self) -> Duration {
        if self.initial_interval.is_zero() { DEFAULT_INTERVAL } else { self.initial_interval }
    }

    /// The longest delay in force: the configured one, or 100 × the initial one (rule RET-4).
    #[must_use]
    pub fn effective_maximum_interval(&self) -> Duration {
        match self.maximum_interval {
            Some(maximum) if !maximum.is_zero() => maximum,
            _ => self.effective_initial_interval().saturating_mul(100),
        }
    }

    /// The delay after the failure of an attempt, counted from 1 (rule RET-5).
    ///
    /// `initial × coefficient ^ (attempt - 1)` in `f64` nanoseconds, clamped to what an `i64`
    /// holds, then to the longest delay.
    #[must_use]
    pub fn delay_after(&self, attempt: u32) -> Duration {
        let exponent = f64::from(attempt.saturating_sub(1));
        let initial = duration_nanos(self.effective_initial_interval());
        let nanos = initial * self.backoff_coefficient.powf(exponent);
        nanos_duration(nanos).min(self.effective_maximum_interval())
    }
}

#[expect(clippy::cast_precision_loss, reason = "the rule computes in f64 nanoseconds")]
fn duration_nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts from f64 saturate, and negative or missing numbers become zero"
)]
fn nanos_duration(nanos: f64) -> Duration {
    let ceiling = i64::MAX.unsigned_abs();
    Duration::from_nanos((nanos as u64).min(ceiling))
}

/// What happened to an attempt, for [`decide`] to judge.
#[derive(Debug, Clone, Copy)]
pub struct AttemptEnd<'a> {
    /// The policy in force, if any.
    pub policy: Option<&'a RetryPolicy>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub failure: &'a Failure,
    /// Whether cancellation of the activity has been requested.
    pub cancel_requested: bool,
    /// Whether the activity is paused.
    pub paused: bool,
    /// When it failed.
    pub now: Timestamp,
    /// The time at or before which a further attempt must start, if there is one
    /// (rule RET-12).
    pub expiration: Option<Timestamp>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// A further attempt after this delay.
    Retry {
        /// How long to wait.
        delay: Duration,
    },
    /// A further attempt when the activity is no longer paused.
    Wait,
    /// No further attempt, for this reason.
    Close(RetryState),
}

/// Decides whether a failed attempt is followed by another one, in the order of rule RET-11.
#[must_use]
pub fn decide(end: &AttemptEnd<'_>) -> RetryDecision {
    decide_with(end, |policy| {
        next_retry_delay(end.failure).unwrap_or_else(|| policy.delay_after(end.attempt))
    })
}

/// As [`decide`], for a run of a workflow under its own policy.
///
/// The delay that the failure asks for is capped by the longest of the policy, and zero stands
/// for that (rule RET-17).
#[must_use]
pub fn decide_run(end: &AttemptEnd<'_>) -> RetryDecision {
    decide_with(end, |policy| run_retry_delay(policy, end.attempt, end.failure))
}

/// The delay before the run that retries one which failed as the attempt with this number.
pub(crate) fn run_retry_delay(policy: &RetryPolicy, attempt: u32, failure: &Failure) -> Duration {
    let longest = policy.effective_maximum_interval();
    match next_retry_delay(failure) {
        None => policy.delay_after(attempt),
        Some(Duration::ZERO) => longest,
        Some(delay) => delay.min(longest),
    }
}

fn decide_with(
    end: &AttemptEnd<'_>,
    delay: impl FnOnce(&RetryPolicy) -> Duration,
) -> RetryDecision {
    let Some(policy) = end.policy else {
        return RetryDecision::Close(RetryState::RetryPolicyNotSet);
    };
    if end.cancel_requested {
        return RetryDecision::Close(RetryState::CancelRequested);
    }
    if let FailureKind::Timeout {
        timeout_type: TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose,
        ..
    } = end.failure.kind()
    {
        return RetryDecision::Close(RetryState::Timeout);
    }
    if !end.failure.is_retryable(&policy.non_retryable_error_types) {
        return RetryDecision::Close(RetryState::NonRetryableFailure);
    }
    if end.paused {
        return RetryDecision::Wait;
    }
    if policy.maximum_attempts > 0 && end.attempt >= policy.maximum_attempts {
        return RetryDecision::Close(RetryState::MaximumAttemptsReached);
    }
    let delay = delay(policy);
    match end.expiration {
        Some(expiration) if end.now.saturating_add(delay) > expiration => {
            RetryDecision::Close(RetryState::Timeout)
        }
        _ => RetryDecision::Retry { delay },
    }
}

/// The delay that the failure itself asks for; it replaces the policy's (rule RET-16).
fn next_retry_delay(failure: &Failure) -> Option<Duration> {
    match failure.kind() {
        FailureKind::Application(application) => application.next_retry_delay,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(policy: &RetryPolicy, attempts: u32) -> Vec<u64> {
        (1..=attempts).map(|attempt| policy.delay_after(attempt).as_secs()).collect()
    }

    fn end<'a>(policy: &'a RetryPolicy, failure: &'a Failure, attempt: u32) -> AttemptEnd<'a> {
        AttemptEnd {
            policy: Some(policy),
            attempt,
            failure,
            cancel_requested: false,
            paused: false,
            now: Timestamp::from_unix_millis(1_000),
            expiration: None,
        }
    }

    #[test]
    fn ret_1_defaults_are_temporals() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.initial_interval, Duration::from_secs(1));
        assert!((policy.backoff_coefficient - 2.0).abs() < f64::EPSILON);
        assert_eq!(policy.maximum_attempts, 0);
        assert!(policy.non_retryable_error_types.is_empty());
    }

    #[test]
    fn ret_4_the_longest_delay_is_a_hundred_times_the_configured_first() {
        let policy = RetryPolicy { initial_interval: Duration::from_secs(5), ..Default::default() };
        assert_eq!(policy.effective_maximum_interval(), Duration::from_secs(500));
    }

    #[test]
    fn ret_5_the_default_ladder() {
        let ladder = seconds(&RetryPolicy::default(), 10);
        assert_eq!(ladder, [1, 2, 4, 8, 16, 32, 64, 100, 100, 100]);
    }

    proptest! {
        #[test]
        fn ret_5_delays_never_shrink_nor_pass_the_cap(
            initial_ms in 0_u64..100_000,
            coefficient in 1.0_f64..50.0,
            attempt in 1_u32..10_000,
        ) {
            let policy = RetryPolicy {
                initial_interval: Duration::from_millis(initial_ms),
                backoff_coefficient: coefficient,
                ..RetryPolicy::default()
            };
            let delay = policy.delay_after(attempt);
            prop_assert!(delay <= policy.effective_maximum_interval());
            prop_assert!(delay <= policy.delay_after(attempt + 1));
        }
    }

    #[test]
    fn ret_5_without_a_cap_the_delay_is_clamped_to_an_i64() {
        let policy = RetryPolicy {
            backoff_coefficient: 1e300,
            maximum_interval: Some(Duration::MAX),
            ..RetryPolicy::default()
        };
        assert_eq!(policy.delay_after(9), Duration::from_nanos(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn ret_6_maximum_attempts_counts_the_first() {
        let failure = Failure::application("E", "e");
        let policy = RetryPolicy { maximum_attempts: 2, ..RetryPolicy::default() };
        let delay = Duration::from_secs(1);
        assert_eq!(decide(&end(&policy, &failure, 1)), RetryDecision::Retry { delay });
        assert_eq!(
            decide(&end(&policy, &failure, 2)),
            RetryDecision::Close(RetryState::MaximumAttemptsReached)
        );
        let unchecked =
            RetryPolicy { maximum_attempts: 1, backoff_coefficient: 0.0, ..RetryPolicy::default() };
        assert_eq!(unchecked.validate(), Ok(()));
    }

    #[test]
    fn ret_7_validation_speaks_temporals_words() {
        let text = |policy: RetryPolicy| policy.validate().unwrap_err().to_string();
        let base = RetryPolicy::default;
        assert_eq!(
            text(RetryPolicy { backoff_coefficient: 0.9, ..base() }),
            "BackoffCoefficient cannot be less than 1 on retry policy."
        );
        assert_eq!(
            text(RetryPolicy { backoff_coefficient: f64::NAN, ..base() }),
            "BackoffCoefficient cannot be less than 1 on retry policy."
        );
        assert_eq!(
            text(RetryPolicy { maximum_interval: Some(Duration::from_millis(1)), ..base() }),
            "MaximumInterval cannot be less than InitialInterval on retry policy."
        );
    }

    #[test]
    fn ret_9_an_unknown_timeout_name_is_refused() {
        let with = |name: &str| RetryPolicy {
            non_retryable_error_types: vec![format!("TemporalTimeout:{name}")],
            ..RetryPolicy::default()
        };
        assert_eq!(with("Heartbeat").validate(), Ok(()));
        let error = with("Nap").validate().unwrap_err();
        assert_eq!(error.to_string(), "Invalid timeout type value: Nap.");
    }

    #[test]
    fn ret_11_the_order_of_decisions() {
        let declined = Failure::non_retryable("Declined", "no");
        let policy = RetryPolicy { maximum_attempts: 1, ..RetryPolicy::default() };
        let close = |end: &AttemptEnd<'_>| match decide(end) {
            RetryDecision::Close(state) => state,
            RetryDecision::Retry { .. } | RetryDecision::Wait => RetryState::InProgress,
        };
        let mut end = end(&policy, &declined, 1);
        end.policy = None;
        end.cancel_requested = true;
        assert_eq!(close(&end), RetryState::RetryPolicyNotSet);
        end.policy = Some(&policy);
        assert_eq!(close(&end), RetryState::CancelRequested);
        end.cancel_requested = false;
        let late = Failure::timeout(TimeoutType::ScheduleToClose, "late");
        end.failure = &late;
        assert_eq!(close(&end), RetryState::Timeout);
        end.failure = &declined;
        end.paused = true;
        assert_eq!(close(&end), RetryState::NonRetryableFailure);
        let plain = Failure::application("E", "e");
        end.failure = &plain;
        assert_eq!(decide(&end), RetryDecision::Wait);
        end.paused = false;
        assert_eq!(close(&end), RetryState::MaximumAttemptsReached);
    }

    #[test]
    fn ret_12_a_retry_may_start_at_the_expiration_but_not_after() {
        let failure = Failure::application("E", "e");
        let policy = RetryPolicy::default();
        let mut end = end(&policy, &failure, 1);
        end.expiration = Some(Timestamp::from_unix_millis(2_000));
        assert!(matches!(decide(&end), RetryDecision::Retry { .. }));
        end.expiration = Some(Timestamp::from_unix_millis(1_999));
        assert_eq!(decide(&end), RetryDecision::Close(RetryState::Timeout));
    }

    #[test]
    fn ret_17_a_run_waits_no_longer_than_its_policy_allows_whatever_its_failure_asks_for() {
        let policy = RetryPolicy::default();
        let asks = |delay| {
            Failure::application("E", "e").with_next_retry_delay(Duration::from_secs(delay))
        };
        for (asked, waits) in [(7, 7), (900, 100)] {
            let delay = Duration::from_secs(waits);
            let failure = asks(asked);
            assert_eq!(decide_run(&end(&policy, &failure, 1)), RetryDecision::Retry { delay });
        }
        let plain = Failure::application("E", "e");
        let delay = Duration::from_secs(4);
        assert_eq!(decide_run(&end(&policy, &plain, 3)), RetryDecision::Retry { delay });
    }

    #[test]
    fn ret_16_a_failure_can_ask_for_its_own_delay() {
        let failure =
            Failure::application("E", "e").with_next_retry_delay(Duration::from_secs(900));
        let policy = RetryPolicy::default();
        let delay = Duration::from_secs(900);
        assert_eq!(decide(&end(&policy, &failure, 1)), RetryDecision::Retry { delay });
    }

    #[test]
    fn policies_read_and_write_durations_for_people() {
        let json = serde_json::json!({ "initial_interval": "1m 30s", "maximum_attempts": 3 });
        let policy: RetryPolicy = serde_json::from_value(json).unwrap();
        assert_eq!(policy.initial_interval, Duration::from_secs(90));
        let text = serde_json::to_string(&policy).unwrap();
        assert!(text.contains("\"1m 30s\""), "{text}");
    }
}
