//! The contract: durable names, types and default options, written once as constants.

mod message;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use entracte_model::options::DEFAULT_TASK_QUEUE;
use entracte_model::{ActivityCancellationType, ActivityOptions, Priority, PriorityOptions};

pub use self::message::{Query, Signal};

/// The durable name of an activity, with its types and default options.
///
/// Written as a constant and shared by those who call the activity and those who implement it.
/// Renaming code never breaks a running workflow; changing the name here does.
///
/// ```
/// use std::time::Duration;
/// use entracte_workflow::{Activity, RetryPolicy};
///
/// const CHARGE: Activity<u64, String> = Activity::new("payments.charge")
///     .start_to_close_timeout(Duration::from_secs(30))
///     .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).non_retryable(&["Declined"]));
/// assert_eq!(CHARGE.options().validate(), Ok(()));
/// ```
pub struct Activity<I, O> {
    name: &'static str,
    start_to_close_timeout: Option<Duration>,
    schedule_to_close_timeout: Option<Duration>,
    schedule_to_start_timeout: Option<Duration>,
    heartbeat_timeout: Option<Duration>,
    retry_policy: RetryPolicy,
    task_queue: Option<&'static str>,
    cancellation_type: ActivityCancellationType,
    priority: Option<Priority>,
    fairness_key: Option<&'static str>,
    fairness_weight: Option<f32>,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O> Activity<I, O> {
    /// Names an activity.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            start_to_close_timeout: None,
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            heartbeat_timeout: None,
            retry_policy: RetryPolicy::DEFAULT,
            task_queue: None,
            cancellation_type: ActivityCancellationType::TryCancel,
            priority: None,
            fairness_key: None,
            fairness_weight: None,
            types: PhantomData,
        }
    }

    /// Sets how long one attempt may run. No default: this or
    /// [`schedule_to_close_timeout`](Self::schedule_to_close_timeout) must be set (rule TMO-2).
    #[must_use]
    pub const fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.start_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long the whole activity may take, with its retries and waits. It bounds the
    /// other timeouts (rule TMO-3). Default: without end.
    #[must_use]
    pub const fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long an attempt may wait until it starts, not counting a back-off before it.
    /// Default: as long as the whole activity.
    #[must_use]
    pub const fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_start_timeout = Some(timeout);
        self
    }

    /// Sets how long a running attempt may be silent: without a
    /// [heartbeat](crate::ActivityContext::heartbeat). Default: without end.
    #[must_use]
    pub const fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(timeout);
        self
    }

    /// Sets how failed attempts are retried. Default [`RetryPolicy::DEFAULT`].
    #[must_use]
    pub const fn retry_policy(mut self, retry_policy: RetryPolicy) -> Self {
        self.retry_policy = retry_policy;
        self
    }

    /// Sets the queue that admits the attempts. Default: the task queue of the run that calls
    /// the activity.
    #[must_use]
    pub const fn task_queue(mut self, task_queue: &'static str) -> Self {
        self.task_queue = Some(task_queue);
        self
    }

    /// Sets what a workflow that cancels the activity waits for (rule ACX-1).
    /// Default [`ActivityCancellationType::TryCancel`].
    #[must_use]
    pub const fn cancellation_type(mut self, cancellation_type: ActivityCancellationType) -> Self {
        self.cancellation_type = cancellation_type;
        self
    }

    /// Sets how urgent an attempt is while it waits in its queue (rule PRI-1). Default: as
    /// urgent as its workflow, and [`Priority::Normal`] if nothing is said there either.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets with whom the attempts share what their priority gets of the queue, such as a tenant:
    /// the keys that wait take turns, in proportion to their weights. At most 64 bytes
    /// (rule PRI-2). Default: the workflow's, and else empty, a key like any other.
    #[must_use]
    pub const fn fairness_key(mut self, key: &'static str) -> Self {
        self.fairness_key = Some(key);
        self
    }

    /// Sets how much the fairness key gets, in proportion to the others: a finite number above
    /// zero; what is below 0.001 or above 1,000 counts as that (rule PRI-2). Default: the
    /// workflow's, and else 1.0.
    #[must_use]
    pub const fn fairness_weight(mut self, weight: f32) -> Self {
        self.fairness_weight = Some(weight);
        self
    }

    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The options, as they are journaled by a run of the task queue `default`.
    #[must_use]
    pub fn options(&self) -> ActivityOptions {
        self.options_in(DEFAULT_TASK_QUEUE)
    }

    /// The options, as they are journaled by a run of this task queue.
    pub(crate) fn options_in(&self, task_queue: &str) -> ActivityOptions {
        ActivityOptions {
            task_queue: self.task_queue.unwrap_or(task_queue).to_owned(),
            start_to_close_timeout: self.start_to_close_timeout,
            schedule_to_close_timeout: self.schedule_to_close_timeout,
            schedule_to_start_timeout: self.schedule_to_start_timeout,
            heartbeat_timeout: self.heartbeat_timeout,
            retry_policy: self.retry_policy.into(),
            cancellation_type: self.cancellation_type,
            priority: PriorityOptions {
                priority: self.priority,
                fairness_key: self.fairness_key.map(Box::from),
                fairness_weight: self.fairness_weight,
            },
        }
    }
}

// Written out because a derive would ask the same of the types.
impl<I, O> Clone for Activity<I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Activity<I, O> {}

impl<I, O> fmt::Debug for Activity<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Activity").field(&self.name).finish()
    }
}

/// The durable name of a workflow, with its types and default options.
///
/// ```
/// use std::time::Duration;
/// use entracte_workflow::{RetryPolicy, Workflow};
///
/// const ORDER: Workflow<u64, String> = Workflow::new("order")
///     .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(3))
///     .execution_timeout(Duration::from_secs(86_400));
/// assert_eq!(ORDER.name(), "order");
/// ```
pub struct Workflow<I, O> {
    name: &'static str,
    options: WorkflowDefaults,
    types: PhantomData<fn(I) -> O>,
}

/// What holds for the starts of a workflow unless they say otherwise; not for a run that another
/// one continues as.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WorkflowDefaults {
    /// Its task queue.
    pub task_queue: Option<&'static str>,
    /// How its runs are retried.
    pub retry_policy: Option<RetryPolicy>,
    /// How long a chain of its runs may take.
    pub execution_timeout: Option<Duration>,
    /// How long one run of it may take.
    pub run_timeout: Option<Duration>,
}

impl<I, O> Workflow<I, O> {
    /// Names a workflow.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let options = WorkflowDefaults {
            task_queue: None,
            retry_policy: None,
            execution_timeout: None,
            run_timeout: None,
        };
        Self { name, options, types: PhantomData }
    }

    /// Sets the workflow's task queue: where its activities run, unless they name another one.
    /// Default: of a child its parent's, and else `default`.
    /// The run that another one continues as has that one's queue, unless the call names one.
    #[must_use]
    pub const fn task_queue(mut self, task_queue: &'static str) -> Self {
        self.options.task_queue = Some(task_queue);
        self
    }

    /// Sets how the workflow is retried if a run of it fails or times out: each time as a new
    /// run of the same workflow id. Default: not at all (rule RET-3).
    #[must_use]
    pub const fn retry_policy(mut self, retry_policy: RetryPolicy) -> Self {
        self.options.retry_policy = Some(retry_policy);
        self
    }

    /// Sets how long the workflow may take, with all of its runs (rule WTO-1). Default: without
    /// end.
    #[must_use]
    pub const fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.options.execution_timeout = Some(timeout);
        self
    }

    /// Sets how long one run of the workflow may take (rule WTO-1). Default: without end.
    #[must_use]
    pub const fn run_timeout(mut self, timeout: Duration) -> Self {
        self.options.run_timeout = Some(timeout);
        self
    }

    /// What holds for its starts, as client or as child, unless they say otherwise.
    #[must_use]
    pub const fn defaults(&self) -> WorkflowDefaults {
        self.options
    }

    /// The durable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<I, O> Clone for Workflow<I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Workflow<I, O> {}

impl<I, O> fmt::Debug for Workflow<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workflow").field(&self.name).finish()
    }
}

/// How failed attempts are retried, as a constant; becomes
/// [`entracte_model::RetryPolicy`], which is what is journaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    initial_interval: Duration,
    backoff_coefficient: f64,
    maximum_interval: Option<Duration>,
    maximum_attempts: u32,
    non_retryable_error_types: &'static [&'static str],
}

impl RetryPolicy {
    /// Temporal's default: 1 s, doubled after each failure, at most 100 times the first delay,
    /// without end (rule RET-1).
    pub const DEFAULT: Self = Self::exponential(Duration::from_secs(1));

    /// Retries without end, the delay starting here and doubling after each failure.
    #[must_use]
    pub const fn exponential(initial_interval: Duration) -> Self {
        Self {
            initial_interval,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_error_types: &[],
        }
    }

    /// Retries nothing: one attempt.
    #[must_use]
    pub const fn none() -> Self {
        Self::DEFAULT.maximum_attempts(1)
    }

    /// Sets by how much the delay grows after each failure. Default 2.0, at least 1.
    #[must_use]
    pub const fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = coefficient;
        self
    }

    /// Sets the longest delay. Default 100 × the first delay (rule RET-4).
    #[must_use]
    pub const fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// Sets how many attempts there are, the first included. Default 0, without limit.
    #[must_use]
    pub const fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = attempts;
        self
    }

    /// Sets the types of failures that are not retried; the match is exact (rule RET-8).
    #[must_use]
    pub const fn non_retryable(mut self, error_types: &'static [&'static str]) -> Self {
        self.non_retryable_error_types = error_types;
        self
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl From<RetryPolicy> for entracte_model::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        let types = policy.non_retryable_error_types.iter();
        Self {
            initial_interval: policy.initial_interval,
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval: policy.maximum_interval,
            maximum_attempts: policy.maximum_attempts,
            non_retryable_error_types: types.map(|name| (*name).to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: Activity<String, u64> = Activity::new("charge")
        .start_to_close_timeout(Duration::from_secs(3))
        .schedule_to_close_timeout(Duration::from_secs(4))
        .schedule_to_start_timeout(Duration::from_secs(2))
        .heartbeat_timeout(Duration::from_secs(1))
        .retry_policy(RetryPolicy::none().non_retryable(&["Declined"]))
        .task_queue("payments")
        .cancellation_type(ActivityCancellationType::Abandon)
        .priority(Priority::High)
        .fairness_key("tenant")
        .fairness_weight(2.5);

    #[test]
    fn ret_1_the_constant_default_is_the_models_default() {
        let policy: entracte_model::RetryPolicy = RetryPolicy::DEFAULT.into();
        assert_eq!(policy, entracte_model::RetryPolicy::default());
    }

    #[test]
    fn constants_become_the_options_that_are_journaled() {
        let options = CHARGE.options();
        assert_eq!(options.start_to_close_timeout, Some(Duration::from_secs(3)));
        assert_eq!(options.schedule_to_close_timeout, Some(Duration::from_secs(4)));
        assert_eq!(options.schedule_to_start_timeout, Some(Duration::from_secs(2)));
        assert_eq!(options.heartbeat_timeout, Some(Duration::from_secs(1)));
        assert_eq!(options.task_queue, "payments");
        assert_eq!(CHARGE.options_in("of-the-run"), options);
        assert_eq!(options.cancellation_type, ActivityCancellationType::Abandon);
        let priority = PriorityOptions {
            priority: Some(Priority::High),
            fairness_key: Some("tenant".into()),
            fairness_weight: Some(2.5),
        };
        assert_eq!(options.priority, priority);
        assert_eq!(options.retry_policy.maximum_attempts, 1);
        assert_eq!(options.retry_policy.non_retryable_error_types, ["Declined"]);
    }

    #[test]
    fn chd_1_an_activity_that_names_no_task_queue_takes_its_run_s() {
        let plain: Activity<(), ()> = Activity::new("plain");
        assert_eq!(plain.options().task_queue, "default");
        assert_eq!(plain.options_in("of-the-run").task_queue, "of-the-run");
        let named = plain.task_queue("default");
        assert_eq!(named.options_in("of-the-run").task_queue, "default");
    }

    #[test]
    fn constants_are_copied_whatever_their_types() {
        fn copy<T: Copy>(value: T) -> (T, T) {
            (value, value)
        }
        let (first, second) = copy(CHARGE);
        assert_eq!(first.name(), second.name());
    }
}
