//! Chains of runs, as the store tells them.

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EventAttributes, RunId};
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

/// The last run of a closed run's chain, for a signal that was sent to the closed one: nothing
/// if a closed run has taken it up. Each of them is asked, since the signal may have gone further
/// than its sender knows.
pub(crate) fn next_without(
    store: &dyn Store,
    run_id: RunId,
    signaled: &WorkflowExecutionSignaled,
) -> Result<Option<(RunId, RunRow)>, StoreError> {
    let mut next = Some(run_id);
    while let Some(run_id) = next {
        let Some(row) = store.get_run(run_id)? else { return Ok(None) };
        if row.status.is_open() {
            return Ok(Some((run_id, row)));
        }
        if has_taken(store, run_id, &signaled.request_id)? {
            return Ok(None);
        }
        next = row.new_execution_run_id();
    }
    Ok(None)
}

/// The run of a chain that gets what a client has sent to one that has closed; nothing if there
/// is none. What may have been sent before is told to the runs one after the other, so that none
/// is passed over that has it.
pub(crate) fn next_to_tell(
    store: &dyn Store,
    closed: RunId,
    is_repeated: bool,
) -> Result<Option<RunId>, StoreError> {
    if is_repeated {
        let row = store.get_run(closed)?;
        return Ok(row.and_then(|row| row.new_execution_run_id()));
    }
    let last = last_run(store, closed)?.map(|(last, _)| last);
    Ok(last.filter(|last| *last != closed))
}

/// Whether a closed run has taken up a client's request to cancel (rule CAN-1).
pub(crate) fn has_been_cancelled(
    store: &dyn Store,
    run_id: RunId,
    request_id: &str,
) -> Result<bool, StoreError> {
    let history = store.read_history(run_id)?;
    Ok(history.iter().any(|event| match &event.attributes {
        EventAttributes::WorkflowExecutionCancelRequested(taken) => {
            taken.request_id.as_deref() == Some(request_id)
        }
        _ => false,
    }))
}

/// Whether a closed run has taken up the signal of a request (rule SIG-3).
pub(crate) fn has_taken(
    store: &dyn Store,
    run_id: RunId,
    request_id: &str,
) -> Result<bool, StoreError> {
    let history = store.read_history(run_id)?;
    Ok(history.iter().any(|event| match &event.attributes {
        EventAttributes::WorkflowExecutionSignaled(taken) => &*taken.request_id == request_id,
        _ => false,
    }))
}
