//! Why runs are parked.

use entracte_store::StoreError;
use entracte_workflow::{HistoryError, TurnFailure};

/// Why a run cannot take turns.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ParkCause {
    /// The workflow's code failed its turn: a panic, a foreign wait, or a history that the
    /// code does not fit any more.
    #[error(transparent)]
    Turn {
        /// What went wrong.
        #[from]
        failure: TurnFailure,
    },
    /// No workflow of this name is registered in the engine.
    #[error(
        "workflow type `{workflow_type}` is not registered; registered are {registered:?}: \
         register it under this name and start the engine again"
    )]
    NotRegistered {
        /// The name.
        workflow_type: String,
        /// The names that are.
        registered: Vec<String>,
    },
    /// The history cannot be read from the store.
    #[error("the history cannot be read: {error}")]
    HistoryUnreadable {
        /// Why.
        error: StoreError,
    },
    /// A row that tells what waits for the run cannot be read from the store.
    #[error("what waits for the run cannot be read: {error}")]
    RowUnreadable {
        /// Why.
        error: StoreError,
    },
    /// The stored events are not a history.
    #[error("the stored events are not a history: {error}")]
    HistoryInvalid {
        /// Why.
        error: HistoryError,
    },
}

impl ParkCause {
    /// Whether even the length of the history is unknown, so that nothing can be written.
    pub(crate) fn hides_history(&self) -> bool {
        matches!(self, Self::HistoryUnreadable { .. } | Self::HistoryInvalid { .. })
    }
}
