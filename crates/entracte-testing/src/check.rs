//! What holds for every store of an engine, at any moment.

use entracte_inspect::verify::{Problem, verify};
use entracte_model::{Event, RunId};
use entracte_store::rows::RunRow;
use entracte_store::{Store, StoreError, StoreExt};

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
    /// The store holds something that does not fit.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// Checks a store as [`verify`] does, and gives its runs in the order of their starts.
///
/// # Errors
/// [`BrokenStore`] names the first thing that is wrong.
pub fn check_store(store: &dyn Store) -> Result<Vec<StoredRun>, BrokenStore> {
    if let Some(problem) = verify(store)?.problems.into_iter().next() {
        return Err(problem.into());
    }
    let mut runs = Vec::new();
    for (run_id, row) in store.list_runs(None, usize::MAX)? {
        runs.push(StoredRun { run_id, row, history: store.read_history(run_id)? });
    }
    Ok(runs)
}
