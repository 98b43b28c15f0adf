//! What the journal judges by, and its verdict on an append.

use entracte_model::{EventId, RunId, WorkflowId};
use entracte_store::StoreError;

/// The number of an opening of a run, unique within an engine: a later actor of the same run
/// has a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Epoch(pub(crate) u64);

/// What became of an append.
#[derive(Debug, Clone)]
pub(crate) enum AppendOutcome {
    /// It is as durable as the engine's option says.
    Committed,
    /// Its author believed something wrong; nothing of it was written.
    Refused(Refusal),
    /// The store failed; whether it was written is known only after reopening.
    Failed(StoreError),
}

/// What an author believed wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("run {run_id} was opened again: epoch {current:?} follows {epoch:?}")]
    OldEpoch { run_id: RunId, epoch: Epoch, current: Epoch },
    #[error("run {run_id} goes on at event {expected}, not at {next_event_id}")]
    WrongEvent { run_id: RunId, next_event_id: EventId, expected: EventId },
    #[error("run {run_id} is not at event {next_event_id} in the store")]
    NotInStore { run_id: RunId, next_event_id: EventId },
    #[error("workflow id `{workflow_id}` has changed hands")]
    WorkflowIdTaken { workflow_id: WorkflowId },
    #[error("run {run_id} is not open any more")]
    NotOpen { run_id: RunId },
    #[error("the store could not be asked: {0}")]
    Unreadable(String),
}
