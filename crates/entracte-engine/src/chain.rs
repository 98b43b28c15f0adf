//! Chains of runs, as the store tells them.

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EventAttributes, EventId, RunId};
use entracte_store::rows::RunRow;
use entracte_store::{Store, StoreError, StoreExt};

/// How many events are read at a time.
const PAGE_EVENTS: usize = 256;

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
    // A run takes one request up at most: the first that is found decides.
    let taken = find_event(store, run_id, |event| match event {
        EventAttributes::WorkflowExecutionCancelRequested(taken) => {
            Some(taken.request_id.as_deref() == Some(request_id))
        }
        _ => None,
    });
    Ok(taken?.unwrap_or(false))
}

/// Whether a run of a chain before a given one has taken up a client's request to cancel.
pub(crate) fn was_cancelled_before(
    store: &dyn Store,
    run_id: RunId,
    request_id: &str,
) -> Result<bool, StoreError> {
    let before = |run_id| {
        let row = store.get_run(run_id)?;
        Ok::<_, StoreError>(row.and_then(|row| row.continued_execution_run_id))
    };
    let mut next = before(run_id)?;
    while let Some(run_id) = next {
        if has_been_cancelled(store, run_id, request_id)? {
            return Ok(true);
        }
        next = before(run_id)?;
    }
    Ok(false)
}

/// Whether a closed run has taken up the signal of a request (rule SIG-3).
pub(crate) fn has_taken(
    store: &dyn Store,
    run_id: RunId,
    request_id: &str,
) -> Result<bool, StoreError> {
    let taken = find_event(store, run_id, |event| match event {
        EventAttributes::WorkflowExecutionSignaled(taken) => {
            (&*taken.request_id == request_id).then_some(())
        }
        _ => None,
    });
    Ok(taken?.is_some())
}

/// What is first found in a run's history, which is read page by page, and no further.
fn find_event<T>(
    store: &dyn Store,
    run_id: RunId,
    find: impl Fn(&EventAttributes) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let mut from = EventId::FIRST;
    loop {
        let page = store.read_events(run_id, from, PAGE_EVENTS)?;
        if let Some(found) = page.iter().find_map(|event| find(&event.attributes)) {
            return Ok(Some(found));
        }
        if page.len() < PAGE_EVENTS {
            return Ok(None);
        }
        from = from.plus(PAGE_EVENTS as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entracte_model::event::{WorkflowExecutionCancelRequested, WorkflowExecutionStarted};
    use entracte_model::{Event, EventId, Timestamp, WorkflowId, WorkflowStatus};
    use entracte_store::rows::RunClose;
    use entracte_store::{Batch, MemoryStore, Persist};

    use super::*;

    const TIME: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);

    /// A chain of three runs, of which the second has taken a request to cancel up, and the last
    /// is open.
    async fn chain() -> (MemoryStore, [RunId; 3]) {
        let runs = [1, 2, 3].map(|number| RunId::from_time_and_random(TIME, [number; 10]));
        let store = MemoryStore::new();
        let mut batch = Batch::new();
        let id = WorkflowId::new("chain").unwrap();
        let started = WorkflowExecutionStarted::new(runs[0], id, "upset", Vec::new(), "start");
        for (number, run_id) in runs.into_iter().enumerate() {
            let mut started = started.clone();
            started.continued_execution_run_id = number.checked_sub(1).map(|before| runs[before]);
            let mut row = RunRow::begun(&started, TIME);
            let mut history = vec![EventAttributes::WorkflowExecutionStarted(started)];
            if number == 1 {
                let request_id = Some(Arc::from("request"));
                let requested =
                    WorkflowExecutionCancelRequested { reason: "enough".to_owned(), request_id };
                history.push(EventAttributes::WorkflowExecutionCancelRequested(requested));
            }
            for (id, attributes) in (1..).map(EventId::new).zip(history) {
                batch.put_event(run_id, &Event { id, time: TIME, attributes });
            }
            if let Some(next) = runs.get(number + 1) {
                let new_execution_run_id = Some(*next);
                let close =
                    RunClose { time: TIME, last_event_id: EventId::FIRST, new_execution_run_id };
                (row.status, row.close) = (WorkflowStatus::Failed, Some(close));
            }
            batch.put_run(run_id, &row);
        }
        store.commit(batch, Persist::Sync).await.unwrap();
        (store, runs)
    }

    #[tokio::test]
    async fn can_1_a_repeated_request_passes_over_no_run_that_may_have_it() {
        let (store, [first, second, third]) = chain().await;
        assert_eq!(next_to_tell(&store, first, true).unwrap(), Some(second));
        assert_eq!(next_to_tell(&store, second, true).unwrap(), Some(third));
        assert_eq!(next_to_tell(&store, third, true).unwrap(), None);
        // One that is new goes to the last run at once.
        assert_eq!(next_to_tell(&store, first, false).unwrap(), Some(third));
        assert_eq!(next_to_tell(&store, third, false).unwrap(), None);
    }

    #[tokio::test]
    async fn can_1_a_request_is_found_in_the_run_that_has_taken_it_up() {
        let (store, [first, second, third]) = chain().await;
        let has = |run| has_been_cancelled(&store, run, "request").unwrap();
        assert_eq!([first, second, third].map(has), [false, true, false]);
        assert!(!has_been_cancelled(&store, second, "another").unwrap());
        let before = |run| was_cancelled_before(&store, run, "request").unwrap();
        assert_eq!([first, second, third].map(before), [false, false, true]);
        assert!(!was_cancelled_before(&store, third, "another").unwrap());
    }
}
