//! Starts of workflows: which run a start leads to.

use entracte_model::{RunId, WorkflowStatus};
use entracte_store::StoreExt;
use entracte_store::rows::WorkflowIdRow;

use super::state::DirectoryState;
use crate::actors::run::{NewRun, Origin, started_before};
use crate::errors::StartWorkflowError;
use crate::messages::{LostRun, RunCall, RunMessage, StartRequest, StartedRun};

impl DirectoryState {
    /// Starts a workflow, unless a run of its id is in the way (rules WID-1 to WID-5).
    pub(super) async fn start(&mut self, request: StartRequest) {
        if let Some(stopped) = self.stopped() {
            let _ = request.reply.send(Err(stopped.into()));
            return;
        }
        let workflow_id = request.started.workflow_id.clone();
        if let Some((_, run)) = self.open.holder(&workflow_id) {
            // Only the run knows what of it is durable.
            let _ = run.actor.cast(RunMessage::Call(RunCall::Start(Box::new(request))));
            return;
        }
        match self.store().get_workflow_id(&workflow_id) {
            Err(error) => drop(request.reply.send(Err(error.into()))),
            Ok(Some(row)) if self.lost.contains_key(&row.run_id) => {
                self.call(row.run_id, RunCall::Start(Box::new(request))).await;
            }
            Ok(Some(row)) if row.status.is_open() => {
                // Its actor is gone for the moment: open the run, then let it judge. If it is
                // there after all, another run of the id had pushed it off the list of holders.
                let is_there = self.open.get(row.run_id).is_some();
                if (is_there || self.open_claimed(row.run_id).await)
                    && let Some(run) = self.open.get(row.run_id)
                {
                    let _ = run.actor.cast(RunMessage::Call(RunCall::Start(Box::new(request))));
                }
            }
            Ok(replaces) => match judge_reuse(&request, replaces.as_ref()) {
                Some(answer) => drop(request.reply.send(answer)),
                None => self.start_new(request, replaces).await,
            },
        }
    }

    async fn start_new(&mut self, mut request: StartRequest, replaces: Option<WorkflowIdRow>) {
        let limit = self.shared.options.open_runs_max;
        if self.open.of_clients() >= limit {
            let _ = request.reply.send(Err(StartWorkflowError::TooManyOpenRuns { limit }));
            return;
        }
        let run_id = RunId::from_time_and_random(self.shared.clock.now(), rand::random());
        request.started.first_execution_run_id = run_id;
        request.started.randomness_seed = run_id.randomness_seed();
        let now = self.shared.clock.now();
        let deadline = request.started.execution_timeout.map(|after| now.saturating_add(after));
        request.started.execution_expiration = deadline;
        let workflow_id = request.started.workflow_id.clone();
        let StartRequest { started, reply, .. } = request;
        let origin = Origin::New(Box::new(NewRun { started, replaces, reply: Some(reply) }));
        let new = LostRun { run_id, workflow_id, parent: None, losses: 0 };
        self.spawn(new, origin).await;
    }

    /// Opens the run that a workflow id's row names.
    async fn open_claimed(&mut self, run_id: RunId) -> bool {
        match self.store().get_run(run_id) {
            Ok(Some(row)) => self.open_stored(run_id, &row).await,
            _ => false,
        }
    }
}

/// Judges a start whose workflow id has been used before; nothing if it may go on.
fn judge_reuse(
    request: &StartRequest,
    row: Option<&WorkflowIdRow>,
) -> Option<Result<StartedRun, StartWorkflowError>> {
    let row = row?;
    if row.request_id == request.started.request_id {
        return Some(Ok(started_before(row)));
    }
    (!request.reuse_policy.allows_after(row.status)).then(|| {
        Err(StartWorkflowError::AlreadyStarted {
            workflow_id: request.started.workflow_id.clone(),
            run_id: row.run_id,
            first_execution_run_id: row.first_execution_run_id,
            request_id: row.request_id.to_string(),
            closed: row.status != WorkflowStatus::Running,
        })
    })
}
