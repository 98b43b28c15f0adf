//! Chains of runs, as the store tells them.

use entracte_model::RunId;
use entracte_store::rows::RunRow;
use entracte_store::{Store, StoreError, StoreExt};

/// The last run of a run's chain, as far as it is durable: the only one that may be open.
/// Nothing if there is no such run.
pub(crate) fn last_run(
    store: &dyn Store,
    run_id: RunId,
) -> Result<Option<(RunId, RunRow)>, StoreError> {
    let Some(row) = store.get_run(run_id)? else { return Ok(None) };
    if row.new_execution_run_id().is_none() {
        return Ok(Some((run_id, row)));
    }
    // A chain may be long, and most of the time it holds its workflow id.
    if let Some(holder) = store.get_workflow_id(&row.workflow_id)?
        && holder.first_execution_run_id == row.first_execution_run_id
        && let Some(last) = store.get_run(holder.run_id)?
    {
        return Ok(Some((holder.run_id, last)));
    }
    let mut last = (run_id, row);
    while let Some(next) = last.1.new_execution_run_id()
        && let Some(row) = store.get_run(next)?
    {
        last = (next, row);
    }
    Ok(Some(last))
}
