//! The rows of workflow ids, held against the runs that they name.

use entracte_model::RunId;
use entracte_store::keys::{self, Key, WorkflowIdKey};
use entracte_store::rows::{RunRow, WorkflowIdRow};
use entracte_store::{Space, StoreExt};

use super::Verifier;
use super::problem::{Problem, WorkflowIdFault};
use super::rows::{WorkflowIds, hex};

impl Verifier<'_> {
    pub(super) fn check_workflow_ids(&mut self) {
        let mut rows: WorkflowIds<'_> = WorkflowIds::new(self.store, keys::workflow_id_all());
        while let Some((WorkflowIdKey { workflow_id }, row)) = rows.next(self.sink) {
            let current = match WorkflowIdRow::from_bytes(&row.value) {
                Ok(current) => current,
                Err(error) => {
                    let key = hex(&row.key);
                    (self.sink)(Problem::Row { space: WorkflowIdKey::SPACE, key, error });
                    continue;
                }
            };
            let run_id = current.run_id;
            for fault in self.faults(&workflow_id, run_id, &current) {
                let workflow_id = workflow_id.clone();
                (self.sink)(Problem::WorkflowId { workflow_id, run_id, fault });
            }
        }
        let counts = rows.counts();
        self.counts.workflow_ids += counts.rows;
        self.counts.bytes.add(Space::State, counts.bytes);
    }

    fn faults(
        &self,
        workflow_id: &entracte_model::WorkflowId,
        run_id: RunId,
        current: &WorkflowIdRow,
    ) -> Vec<WorkflowIdFault> {
        match self.store.get_run(run_id) {
            // Told where the run was looked at.
            Err(_) => Vec::new(),
            Ok(None) => vec![WorkflowIdFault::NoRun],
            Ok(Some(run)) if run.workflow_id != *workflow_id => {
                vec![WorkflowIdFault::OtherWorkflowId { workflow_id: run.workflow_id }]
            }
            Ok(Some(run)) => differences(current, &run),
        }
    }
}

/// What the two rows tell differently.
fn differences(current: &WorkflowIdRow, run: &RunRow) -> Vec<WorkflowIdFault> {
    let fields = [
        ("status", current.status.to_string(), run.status.to_string()),
        ("request id", current.request_id.to_string(), run.request_id.to_string()),
        (
            "first run",
            current.first_execution_run_id.to_string(),
            run.first_execution_run_id.to_string(),
        ),
    ];
    let differs = |(field, row, run): (&'static str, String, String)| {
        (row != run).then_some(WorkflowIdFault::Differs { field, row, run })
    };
    fields.into_iter().filter_map(differs).collect()
}
