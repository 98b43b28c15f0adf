//! Where a stream of events stands.

use entracte_model::{EventId, RunId};
use serde::{Deserialize, Serialize};

/// Where a stream of events stands, so that another one can go on there
/// ([`Engine::watch_from`](crate::Engine::watch_from)); from
/// [`EventStream::position`](crate::EventStream::position). It can be stored, and holds for all
/// engines that are started on the same store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventPosition {
    /// The run: of a chain, the one whose event was given last.
    pub run_id: RunId,
    /// The event of this run that comes next. Behind the last event of a closed run, a stream
    /// that follows its chain goes on with the next run.
    pub event_id: EventId,
}

impl EventPosition {
    /// Before an event of a run.
    #[must_use]
    pub const fn new(run_id: RunId, event_id: EventId) -> Self {
        Self { run_id, event_id }
    }
}
