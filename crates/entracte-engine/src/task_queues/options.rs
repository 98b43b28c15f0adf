//! Options of a task queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Options of a task queue; set through the engine's builder. A queue without options has the
/// defaults.
///
/// ```
/// use entracte_engine::TaskQueueOptions;
///
/// let options = TaskQueueOptions::new().slots(20).rate_per_second(50.0);
/// assert_eq!(options.validate(), Ok(()));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TaskQueueOptions {
    /// How many of the queue's attempts run at a time; at least 1. Default 1,000 (rule WRK-1).
    pub slots: usize,
    /// How many of the queue's attempts start per second; above zero. The starts of a tenth of
    /// a second may come at once, those that were not used are lost. Default without limit
    /// (rule PRI-3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
}

impl Default for TaskQueueOptions {
    fn default() -> Self {
        Self { slots: 1_000, rate_per_second: None }
    }
}

/// Says what is wrong with the options of a task queue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskQueueOptionsError {
    /// Its name cannot be one.
    #[error("the name is invalid: {0}")]
    Name(#[from] entracte_model::IdError),
    /// It has no slots, so that nothing would ever run.
    #[error("it has zero slots: at least one is needed")]
    NoSlots,
    /// Its rate is not a number of at least one attempt in a year.
    #[error("a rate of {rate_per_second} attempts per second is not a number above zero")]
    Rate {
        /// The rate.
        rate_per_second: f64,
    },
}

/// The longest time between two starts: a year.
const INTERVAL_MAX: Duration = Duration::from_secs(365 * 86_400);

impl TaskQueueOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many of the queue's attempts run at a time; at least 1. Default 1,000
    /// (rule WRK-1).
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Sets how many of the queue's attempts start per second; above zero, and at least one in
    /// a year. The starts of a tenth of a second may come at once, those that were not used are
    /// lost. Default without limit (rule PRI-3).
    #[must_use]
    pub fn rate_per_second(mut self, rate: f64) -> Self {
        self.rate_per_second = Some(rate);
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`TaskQueueOptionsError`] names the first option that is wrong.
    pub fn validate(&self) -> Result<(), TaskQueueOptionsError> {
        if self.slots == 0 {
            return Err(TaskQueueOptionsError::NoSlots);
        }
        match self.rate_per_second {
            Some(rate_per_second) if self.interval().is_none() => {
                Err(TaskQueueOptionsError::Rate { rate_per_second })
            }
            _ => Ok(()),
        }
    }

    /// The time from one start to the next; none without a rate, or if it is invalid.
    pub(super) fn interval(&self) -> Option<Duration> {
        let rate = self.rate_per_second.filter(|rate| *rate > 0.0 && rate.is_finite())?;
        let interval = Duration::try_from_secs_f64(1.0 / rate).ok()?;
        (interval <= INTERVAL_MAX).then_some(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_1_a_queue_has_a_thousand_slots_and_no_rate_unless_it_is_said() {
        let options = TaskQueueOptions::new();
        assert_eq!((options.slots, options.rate_per_second), (1_000, None));
        assert_eq!(options.validate(), Ok(()));
        let json = serde_json::to_string(&options.clone().rate_per_second(2.5)).unwrap();
        assert_eq!(json, r#"{"slots":1000,"rate_per_second":2.5}"#);
        assert_eq!(serde_json::from_str::<TaskQueueOptions>("{}").unwrap(), options);
    }

    #[test]
    fn options_with_which_nothing_would_ever_run_are_refused() {
        let options = TaskQueueOptions::new();
        assert_eq!(options.clone().slots(0).validate(), Err(TaskQueueOptionsError::NoSlots));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e-300] {
            let error = options.clone().rate_per_second(rate).validate().unwrap_err();
            assert!(matches!(error, TaskQueueOptionsError::Rate { .. }), "{rate}");
        }
        for rate in [1e-7, 0.5, 1e12] {
            assert_eq!(options.clone().rate_per_second(rate).validate(), Ok(()));
        }
    }
}
