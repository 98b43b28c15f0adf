//! The task queue of a run, held against the event that has given it to the run.

use std::sync::Arc;

use entracte_model::{EventAttributes, RunId};
use entracte_store::StoreExt;
use entracte_store::rows::RunRow;

use super::Verifier;
use super::problem::Problem;

impl Verifier<'_> {
    /// A run that follows another one has the queue that the end of that says, or else its queue;
    /// the first run of a child the one that its parent has asked for (rules CNT-2 and CHD-1).
    pub(super) fn check_task_queue(&mut self, run_id: RunId, row: &RunRow) {
        let Some((other, expected)) = self.given_task_queue(row) else { return };
        if expected != row.task_queue {
            let task_queue = row.task_queue.to_string();
            let expected = expected.to_string();
            (self.sink)(Problem::TaskQueue { run_id, task_queue, other, expected });
        }
    }

    /// The run that has given a run its queue, and the queue. What cannot be read, or is missing,
    /// is told where it stands.
    fn given_task_queue(&self, row: &RunRow) -> Option<(RunId, Arc<str>)> {
        if let Some(before) = row.continued_execution_run_id {
            let before_row = self.store.get_run(before).ok()??;
            let close = self.store.get_event(before, before_row.close?.last_event_id).ok()??;
            return Some(match close.attributes {
                EventAttributes::WorkflowExecutionContinuedAsNew(event) => {
                    (before, event.task_queue)
                }
                _ => (before, before_row.task_queue),
            });
        }
        let parent = row.parent.as_ref()?;
        let asked = self.store.get_event(parent.run_id, parent.initiated_event_id).ok()??;
        match asked.attributes {
            EventAttributes::StartChildWorkflowExecutionInitiated(event) => {
                Some((parent.run_id, event.options.task_queue.into()))
            }
            _ => None,
        }
    }
}
