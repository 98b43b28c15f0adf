//! What the journal knows of the runs that write: where each stands, and who may write it.

use std::collections::{HashMap, HashSet};

use entracte_model::{EventId, RunId, WorkflowId};
use entracte_store::rows::WorkflowIdRow;
use entracte_store::{Store, StoreError, StoreExt};

use crate::messages::{Append, Epoch, Refusal};

#[derive(Debug, Clone, Copy)]
struct Head {
    epoch: Epoch,
    /// Not known for a run that was opened and has not written since.
    next_event_id: Option<EventId>,
}

/// The heads of all runs that have an actor. Looked up only, never listed.
#[derive(Debug, Default)]
pub(super) struct Heads {
    runs: HashMap<RunId, Head>,
}

/// What the batch that is being put together changes.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// The rows of workflow ids.
    workflow_ids: HashMap<WorkflowId, WorkflowIdRow>,
    /// The runs that it closes.
    closed: HashSet<RunId>,
}

impl Heads {
    /// Raises the epoch of a run: whoever wrote it before no longer may.
    pub(super) fn open(&mut self, run_id: RunId, epoch: Epoch) {
        let head = self.runs.entry(run_id).or_insert(Head { epoch, next_event_id: None });
        head.epoch = head.epoch.max(epoch);
    }

    /// Forgets a run, unless it was opened again.
    pub(super) fn forget(&mut self, run_id: RunId, epoch: Epoch) {
        if self.runs.get(&run_id).is_some_and(|head| head.epoch <= epoch) {
            self.runs.remove(&run_id);
        }
    }

    /// Checks what an append believes, and if it holds, lets its run step forward.
    pub(super) fn admit(
        &mut self,
        store: &dyn Store,
        append: &Append,
        changed: &mut Changed,
    ) -> Result<(), Refusal> {
        self.check_head(store, append)?;
        if let Some(run_id) = append.requires_open {
            let row = store.get_run(run_id).map_err(unreadable)?;
            let is_open = row.is_some_and(|row| row.status.is_open());
            if !is_open || changed.closed.contains(&run_id) {
                return Err(Refusal::NotOpen { run_id });
            }
        }
        if let Some(claim) = &append.claim {
            let current = match changed.workflow_ids.get(&claim.workflow_id) {
                Some(row) => Some(row.clone()),
                None => store.get_workflow_id(&claim.workflow_id).map_err(unreadable)?,
            };
            if current != claim.expected {
                let workflow_id = claim.workflow_id.clone();
                return Err(Refusal::WorkflowIdTaken { workflow_id });
            }
            changed.workflow_ids.insert(claim.workflow_id.clone(), claim.new.clone());
            if !claim.new.status.is_open() || claim.new.run_id != append.run_id {
                changed.closed.insert(append.run_id);
            }
        }
        let next_event_id = Some(append.next_event_id.plus(append.event_count));
        self.runs.insert(append.run_id, Head { epoch: append.epoch, next_event_id });
        Ok(())
    }

    fn check_head(&self, store: &dyn Store, append: &Append) -> Result<(), Refusal> {
        let Append { run_id, epoch, next_event_id, .. } = *append;
        let known = match self.runs.get(&run_id) {
            None => None,
            Some(head) if head.epoch > epoch => {
                return Err(Refusal::OldEpoch { run_id, epoch, current: head.epoch });
            }
            Some(head) => head.next_event_id,
        };
        match known {
            Some(expected) if expected == next_event_id => Ok(()),
            Some(expected) => Err(Refusal::WrongEvent { run_id, next_event_id, expected }),
            None => check_store(store, run_id, next_event_id),
        }
    }
}

/// Event rows are never overwritten: the next event's place is free, the one before is taken.
fn check_store(store: &dyn Store, run_id: RunId, next: EventId) -> Result<(), Refusal> {
    let exists = |id| store.has_event(run_id, id).map_err(unreadable);
    let follows = next == EventId::FIRST || exists(EventId::new(next.get() - 1))?;
    if !follows || exists(next)? {
        return Err(Refusal::NotInStore { run_id, next_event_id: next });
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn unreadable(error: StoreError) -> Refusal {
    Refusal::Unreadable(error.to_string())
}
