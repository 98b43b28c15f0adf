//! The list of runs that are in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entracte_model::{RunId, WorkflowId};

use crate::address::Address;
use crate::live::LiveRun;
use crate::messages::{Epoch, RunMessage};

/// A run that is in memory.
#[derive(Debug)]
pub(super) struct OpenRun {
    pub(super) workflow_id: WorkflowId,
    /// The run whose child it is.
    pub(super) parent: Option<RunId>,
    pub(super) epoch: Epoch,
    pub(super) actor: Address<RunMessage>,
    /// What the actor tells of itself.
    pub(super) live: Arc<LiveRun>,
    /// How many actors of this run have ended without leaving, one after the other.
    pub(super) losses: u32,
}

/// The runs in memory, by run id, by workflow id and by parent.
#[derive(Debug, Default)]
pub(super) struct OpenRuns {
    by_run: BTreeMap<RunId, OpenRun>,
    by_workflow: HashMap<WorkflowId, RunId>,
    by_parent: HashMap<RunId, BTreeSet<RunId>>,
    /// How many of them are nobody's children.
    without_parent: usize,
}

impl OpenRuns {
    /// How many of them clients have started: those that are nobody's children.
    pub(super) fn of_clients(&self) -> usize {
        self.without_parent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_run.is_empty()
    }

    pub(super) fn insert(&mut self, run_id: RunId, run: OpenRun) {
        // Another run of the id may be on its way out. It goes first.
        self.by_workflow.entry(run.workflow_id.clone()).or_insert(run_id);
        if let Some(parent) = run.parent {
            self.by_parent.entry(parent).or_default().insert(run_id);
        }
        self.without_parent += usize::from(run.parent.is_none());
        if let Some(before) = self.by_run.insert(run_id, run) {
            self.without_parent -= usize::from(before.parent.is_none());
        }
    }

    pub(super) fn get(&self, run_id: RunId) -> Option<&OpenRun> {
        self.by_run.get(&run_id)
    }

    pub(super) fn holder(&self, workflow_id: &WorkflowId) -> Option<(RunId, &OpenRun)> {
        let run_id = *self.by_workflow.get(workflow_id)?;
        Some((run_id, self.by_run.get(&run_id)?))
    }

    /// Strikes a run off, if it is still in this epoch.
    pub(super) fn remove(&mut self, run_id: RunId, epoch: Epoch) -> Option<OpenRun> {
        if self.by_run.get(&run_id)?.epoch != epoch {
            return None;
        }
        let run = self.by_run.remove(&run_id)?;
        self.without_parent -= usize::from(run.parent.is_none());
        if self.by_workflow.get(&run.workflow_id) == Some(&run_id) {
            self.by_workflow.remove(&run.workflow_id);
        }
        if let Some(parent) = run.parent
            && let Some(children) = self.by_parent.get_mut(&parent)
        {
            children.remove(&run_id);
            if children.is_empty() {
                self.by_parent.remove(&parent);
            }
        }
        Some(run)
    }

    /// The children of a run, in the order of their ids.
    pub(super) fn children(&self, parent: RunId) -> impl Iterator<Item = &OpenRun> {
        let children = self.by_parent.get(&parent).into_iter().flatten();
        children.filter_map(|run_id| self.by_run.get(run_id))
    }

    /// All of them, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&RunId, &OpenRun)> {
        self.by_run.iter()
    }
}
