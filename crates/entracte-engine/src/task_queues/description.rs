//! What a task queue is doing.

use std::collections::BTreeMap;

use entracte_model::Priority;

/// What a task queue is doing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskQueueDescription {
    /// The queue's name.
    pub name: String,
    /// How many of its attempts may run at a time.
    pub slots: usize,
    /// How many do, or are about to.
    pub slots_in_use: usize,
    /// How many of its attempts may start per second; none if that is not limited.
    pub rate_per_second: Option<f64>,
    /// How many attempts of a fairness key of weight 1 may start per second; none if that is not
    /// limited.
    pub fairness_key_rate_per_second: Option<f64>,
    /// For how many fairness keys attempts wait that their key's rate does not allow yet.
    pub fairness_keys_held: usize,
    /// How many attempts wait for their admission, for each priority of which some do.
    pub waiting: BTreeMap<Priority, usize>,
}

impl TaskQueueDescription {
    /// How many attempts wait for their admission.
    #[must_use]
    pub fn waiting_total(&self) -> usize {
        self.waiting.values().sum()
    }
}
