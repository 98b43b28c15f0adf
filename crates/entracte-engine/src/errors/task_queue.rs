//! Errors of the options of task queues.

use entracte_model::{IdError, PriorityError};

/// Says what is wrong with the options of a task queue.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskQueueOptionsError {
    /// Its name cannot be one.
    #[error("the name is invalid: {0}")]
    Name(#[from] IdError),
    /// It has no slots, so that nothing would ever run.
    #[error("it has zero slots: at least one is needed")]
    NoSlots,
    /// A rate, its own or one of fairness keys, is not a finite number of at least one attempt in
    /// a year.
    #[error(
        "a rate of {rate_per_second} attempts per second is not a finite number of at least one \
         in a year; for no limit, set no rate"
    )]
    Rate {
        /// The rate.
        rate_per_second: f64,
    },
    /// A fairness key, or the weight it is given, cannot be one.
    #[error("the options of fairness key `{fairness_key}` are invalid: {source}")]
    FairnessKey {
        /// The key.
        fairness_key: String,
        /// What is wrong.
        source: PriorityError,
    },
}
