//! Options of a task queue.

use std::collections::BTreeMap;
use std::time::Duration;

use entracte_model::PriorityOptions;
use serde::{Deserialize, Serialize};

use crate::errors::TaskQueueOptionsError;

/// Options of a task queue; set through the engine's builder. A queue without options has the
/// defaults.
///
/// ```
/// use entracte_engine::TaskQueueOptions;
///
/// let options = TaskQueueOptions::new().slots(20).rate_per_second(50.0);
/// // Five a second for each tenant; the large one pays for twenty, and for fair turns in the
/// // same proportion.
/// let options = options
///     .fairness_key_rate_per_second(5.0)
///     .fairness_weight_override("large-tenant", 4.0);
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
    /// How many attempts of each of the queue's fairness keys start per second, times the weight
    /// of the attempt; above zero. Default without limit (rule PRI-3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairness_key_rate_per_second: Option<f64>,
    /// How many attempts of these fairness keys start per second, whatever their weight, instead
    /// of what holds for each key. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fairness_key_rates_per_second: BTreeMap<String, f64>,
    /// The weights of these fairness keys, instead of those that the attempts ask for. Default
    /// none (rules PRI-2 and PRI-3).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fairness_weight_overrides: BTreeMap<String, f32>,
}

impl Default for TaskQueueOptions {
    fn default() -> Self {
        Self {
            slots: 1_000,
            rate_per_second: None,
            fairness_key_rate_per_second: None,
            fairness_key_rates_per_second: BTreeMap::new(),
            fairness_weight_overrides: BTreeMap::new(),
        }
    }
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

    /// Sets how many attempts of each of the queue's fairness keys start per second; above zero,
    /// and at least one in a year. Default without limit (rule PRI-3).
    ///
    /// An attempt of weight 2 counts half: a key of weight 2 gets twice the rate. All attempts
    /// of a key count together, whatever their priority; those without a key have the empty one.
    /// A key that has to wait for its rate takes no slot and holds up no other key, and makes
    /// nothing up afterwards: it has its turns from then on. As with the queue's own rate, the
    /// starts of a tenth of a second may come at once. (Temporal's
    /// `fairness_keys_rate_limit_default`.)
    ///
    /// Rates start anew with the engine. Of keys that have used their rate and have nothing
    /// waiting, 100,000 are remembered in each queue, those that have longest to wait; one that
    /// is forgotten starts anew.
    #[must_use]
    pub fn fairness_key_rate_per_second(mut self, rate: f64) -> Self {
        self.fairness_key_rate_per_second = Some(rate);
        self
    }

    /// Sets how many attempts of this fairness key start per second, whatever their weight; above
    /// zero, and at least one in a year. Default: what holds for each key, by
    /// [`fairness_key_rate_per_second`](Self::fairness_key_rate_per_second).
    #[must_use]
    pub fn rate_of_fairness_key(mut self, key: impl Into<String>, rate_per_second: f64) -> Self {
        self.fairness_key_rates_per_second.insert(key.into(), rate_per_second);
        self
    }

    /// Sets the weight of this fairness key, for its turns and for its rate, instead of the one
    /// that its attempts ask for; above zero. What is below 0.001 or above 1,000 counts as that.
    /// Default: what the attempts ask for (rules PRI-2 and PRI-3).
    #[must_use]
    pub fn fairness_weight_override(mut self, key: impl Into<String>, weight: f32) -> Self {
        self.fairness_weight_overrides.insert(key.into(), weight);
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
        let rates = self.rate_per_second.iter().chain(&self.fairness_key_rate_per_second);
        for rate in rates.chain(self.fairness_key_rates_per_second.values()) {
            if interval(*rate).is_none() {
                return Err(TaskQueueOptionsError::Rate { rate_per_second: *rate });
            }
        }
        let weights = self.fairness_weight_overrides.iter();
        let keys = weights.map(|(key, weight)| (key, Some(*weight)));
        let keys = keys.chain(self.fairness_key_rates_per_second.keys().map(|key| (key, None)));
        for (key, weight) in keys {
            keyed(key, weight).validate().map_err(|source| TaskQueueOptionsError::FairnessKey {
                fairness_key: key.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The time from one start to the next; none without a rate, or if it is invalid.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.rate_per_second.and_then(interval)
    }

    /// The weight of an attempt of this key that asks for one.
    pub(super) fn weight_of(&self, key: &str, asked: f32) -> f32 {
        match self.fairness_weight_overrides.get(key) {
            Some(weight) => keyed(key, Some(*weight)).fairness_weight(),
            None => asked,
        }
    }

    /// The time from one start of this key to the next; none if it has no rate.
    pub(super) fn key_interval(&self, key: &str, weight: f32) -> Option<Duration> {
        if let Some(rate) = self.fairness_key_rates_per_second.get(key) {
            return interval(*rate);
        }
        let rate = self.fairness_key_rate_per_second?;
        // A weight can make of a valid rate more than there are numbers for, or less than one
        // start in a year.
        let rate = (rate * f64::from(weight)).min(f64::MAX);
        Some(interval(rate).unwrap_or(INTERVAL_MAX))
    }
}

fn keyed(key: &str, weight: Option<f32>) -> PriorityOptions {
    let (fairness_key, fairness_weight) = (Some(key.into()), weight);
    PriorityOptions { fairness_key, fairness_weight, ..PriorityOptions::default() }
}

/// The time from one start to the next; none if the rate is invalid.
fn interval(rate_per_second: f64) -> Option<Duration> {
    if !rate_per_second.is_finite() || rate_per_second <= 0.0 {
        return None;
    }
    let interval = Duration::try_from_secs_f64(1.0 / rate_per_second).ok()?;
    (interval <= INTERVAL_MAX).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_1_a_queue_has_a_thousand_slots_and_no_rate_unless_it_is_said() {
        let options = TaskQueueOptions::new();
        assert_eq!((options.slots, options.rate_per_second), (1_000, None));
        assert_eq!((options.key_interval("", 1.0), options.weight_of("", 2.0)), (None, 2.0));
        assert_eq!(options.validate(), Ok(()));
        let json = serde_json::to_string(&options.clone().rate_per_second(2.5)).unwrap();
        assert_eq!(json, r#"{"slots":1000,"rate_per_second":2.5}"#);
        assert_eq!(serde_json::from_str::<TaskQueueOptions>("{}").unwrap(), options);
    }

    #[test]
    fn options_with_which_nothing_would_ever_run_are_refused() {
        let options = TaskQueueOptions::new();
        assert_eq!(options.clone().slots(0).validate(), Err(TaskQueueOptionsError::NoSlots));
        let rated = |rate: f64| {
            let options = options.clone();
            let of_key = options.clone().rate_of_fairness_key("key", rate);
            [
                options.clone().rate_per_second(rate),
                of_key,
                options.fairness_key_rate_per_second(rate),
            ]
        };
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e-300] {
            for options in rated(rate) {
                let error = options.validate().unwrap_err();
                assert!(matches!(error, TaskQueueOptionsError::Rate { .. }), "{options:?}");
                let text = format!("a rate of {rate} attempts per second is not a finite number");
                assert!(error.to_string().starts_with(&text), "{error}");
            }
        }
        for rate in [1e-7, 0.5, 1e12, f64::MAX] {
            assert!(rated(rate).iter().all(|options| options.validate().is_ok()));
        }
    }

    #[test]
    fn pri_3_a_key_s_rate_is_the_queue_s_default_times_its_weight_or_its_own() {
        let options = TaskQueueOptions::new()
            .fairness_key_rate_per_second(2.0)
            .fairness_weight_override("heavy", 5.0)
            .fairness_weight_override("own", 1e9)
            .rate_of_fairness_key("own", 0.5);
        assert_eq!(options.validate(), Ok(()));
        let interval = |key, asked| options.key_interval(key, options.weight_of(key, asked));
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!((interval("a", 1.0), interval("a", 0.5)), (millis(500), millis(1_000)));
        assert_eq!((interval("heavy", 1.0), interval("heavy", 0.001)), (millis(100), millis(100)));
        assert_eq!((interval("own", 1.0), options.weight_of("own", 1.0)), (millis(2_000), 1_000.0));
        let slow = TaskQueueOptions::new().fairness_key_rate_per_second(1e-7);
        assert_eq!(slow.key_interval("a", 0.001), Some(INTERVAL_MAX));
        let endless = TaskQueueOptions::new().fairness_key_rate_per_second(f64::MAX);
        for weight in [0.001, 1.0, 2.0, 1_000.0] {
            assert_eq!(endless.key_interval("a", weight), Some(Duration::ZERO), "{weight}");
        }
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<TaskQueueOptions>(&json).unwrap(), options);
    }

    #[test]
    fn pri_2_keys_and_weights_that_cannot_be_are_refused_and_named() {
        let options = TaskQueueOptions::new();
        let long = "k".repeat(65);
        for (options, key, text) in [
            (options.clone().fairness_weight_override("a", 0.0), "a", "a fairness weight of 0"),
            (options.clone().fairness_weight_override(&*long, 1.0), &*long, "of 65 bytes is too"),
            (options.rate_of_fairness_key(&*long, 1.0), &*long, "of 65 bytes is too"),
        ] {
            let error = options.validate().unwrap_err();
            let TaskQueueOptionsError::FairnessKey { fairness_key, .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(fairness_key, key);
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
