//! What holds for every store of an engine, at any moment.

use entracte_model::{Event, RunId, WorkflowId, WorkflowStatus};
use entracte_store::rows::RunRow;
use entracte_store::{Store, StoreError, StoreExt};
use entracte_workflow::{HistoryError, HistoryState};

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredRun {
    /// The run.
    pub run_id: RunId,
    /// Where it stands.
    pub row: RunRow,
    /// What happened to it.
    pub history: Vec<Event>,
}

/// Something that no store of an engine may hold.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenStore {
    /// The store cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
    /// The events of a run are not a history.
    #[error("the events of run {run_id} are not a history: {error}")]
    History {
        /// The run.
        run_id: RunId,
        /// What is wrong with them.
        error: HistoryError,
    },
    /// A run's history ends otherwise than its row says.
    #[error("run {run_id} is {row} by its row, and {history} by its history")]
    Status {
        /// The run.
        run_id: RunId,
        /// Where it stands by its row.
        row: WorkflowStatus,
        /// Where it stands by its history.
        history: WorkflowStatus,
    },
    /// The row of a workflow id does not tell where the id's current run stands.
    #[error("the row of workflow `{workflow_id}` does not fit its run {run_id}")]
    WorkflowId {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// Its latest run.
        run_id: RunId,
    },
    /// An open run waits for nothing: no engine would ever take it up again.
    #[error("run {run_id} is open, and nothing is pending for it")]
    Forgotten {
        /// The run.
        run_id: RunId,
    },
    /// Something is pending for a run that is not open.
    #[error("something is pending for run {run_id}, which is not open")]
    LeftOver {
        /// The run.
        run_id: RunId,
    },
}

/// Checks a store, and gives its runs in the order of their starts.
///
/// Every history is sound, and ends as the run's rows say; for every open run something is
/// pending, and for no other one.
///
/// # Errors
/// [`BrokenStore`] names the first thing that is wrong.
pub fn check_store(store: &dyn Store) -> Result<Vec<StoredRun>, BrokenStore> {
    let mut pending = store.recovery_index()?.runs();
    let mut runs = Vec::new();
    for (run_id, row) in store.list_runs(None, usize::MAX)? {
        let history = store.read_history(run_id)?;
        let state = HistoryState::from_events(&history)
            .map_err(|error| BrokenStore::History { run_id, error })?;
        let by_history = state.closed.unwrap_or(WorkflowStatus::Running);
        if by_history != row.status {
            return Err(BrokenStore::Status { run_id, row: row.status, history: by_history });
        }
        check_workflow_id(store, run_id, &row)?;
        match (row.status.is_open(), pending.remove(&run_id)) {
            (true, false) => return Err(BrokenStore::Forgotten { run_id }),
            (false, true) => return Err(BrokenStore::LeftOver { run_id }),
            _ => runs.push(StoredRun { run_id, row, history }),
        }
    }
    match pending.first() {
        Some(run_id) => Err(BrokenStore::LeftOver { run_id: *run_id }),
        None => Ok(runs),
    }
}

/// The row of a workflow id names its latest run, which is the only one that may be open.
fn check_workflow_id(store: &dyn Store, run_id: RunId, row: &RunRow) -> Result<(), BrokenStore> {
    let current = store.get_workflow_id(&row.workflow_id)?;
    let fits = current.is_some_and(|current| {
        let is_current = current.run_id == run_id;
        if is_current { current.status == row.status } else { !row.status.is_open() }
    });
    if fits {
        return Ok(());
    }
    Err(BrokenStore::WorkflowId { workflow_id: row.workflow_id.clone(), run_id })
}
