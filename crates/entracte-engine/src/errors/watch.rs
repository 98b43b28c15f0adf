//! Errors of watching a run.

use entracte_model::{EventId, RunId};
use entracte_store::StoreError;

use super::{EngineStopped, RunNotFound};

/// Says why a stream of events ends before its run does.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There is no such run.
    #[error(transparent)]
    NotFound(#[from] RunNotFound),
    /// The store could not be read, or an event in it cannot be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run is closed, and its history ends before its last event.
    #[error("run {run_id} is closed, but its event {event_id} is missing")]
    EventMissing {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// The engine has stopped; the run goes on when it is opened again, and another stream where
    /// this one ended.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
}
