//! A handle to one run of a workflow.

use std::fmt;

use entracte_model::{Event, EventAttributes, RunId, WorkflowId, WorkflowStatus};
use entracte_store::StoreExt;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Client, Output};
use crate::actors::directory::DirectoryMessage;
use crate::actors::run::RunCall;
use crate::description::WorkflowDescription;
use crate::errors::{RunError, RunNotFound, WorkflowError};

/// A handle to one run of a workflow that returns an `O`. Cheap to clone.
///
/// It works for open and closed runs alike, and does not keep the engine alive.
pub struct WorkflowHandle<O> {
    client: Client,
    workflow_id: WorkflowId,
    run_id: RunId,
    output: Output<O>,
}

impl<O> WorkflowHandle<O> {
    pub(crate) fn new(
        client: Client,
        workflow_id: WorkflowId,
        run_id: RunId,
        output: Output<O>,
    ) -> Self {
        Self { client, workflow_id, run_id, output }
    }

    /// The workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.workflow_id
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// Waits until the run is closed, and gives its result.
    ///
    /// # Errors
    /// [`WorkflowError`] tells how the run ended otherwise, or why that is not known.
    pub async fn result(&self) -> Result<O, WorkflowError>
    where
        O: DeserializeOwned,
    {
        let question = |reply| self.call(RunCall::Result { reply });
        let (workflow_id, run_id) = (self.workflow_id.clone(), self.run_id);
        match self.client.ask(question).await?? {
            EventAttributes::WorkflowExecutionCompleted(completed) => self
                .output
                .read(completed.result)
                .map_err(|source| WorkflowError::Decode { workflow_id, source }),
            EventAttributes::WorkflowExecutionFailed(failed) => {
                Err(WorkflowError::Failed { workflow_id, run_id, failure: failed.failure })
            }
            EventAttributes::WorkflowExecutionCanceled(canceled) => {
                Err(WorkflowError::Canceled { workflow_id, run_id, failure: canceled.failure })
            }
            EventAttributes::WorkflowExecutionTerminated(terminated) => {
                let reason = terminated.reason;
                Err(WorkflowError::Terminated { workflow_id, run_id, reason })
            }
            _ => Err(RunNotFound::RunId { run_id }.into()),
        }
    }

    /// Tells what the run is doing, and what it waits for. Runs no user code.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or nobody to ask.
    pub async fn describe(&self) -> Result<WorkflowDescription, RunError> {
        self.client.ask(|reply| self.call(RunCall::Describe { reply })).await?
    }

    /// Reads the run's history, as far as it is durable.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or its history cannot be read.
    #[expect(clippy::unused_async, reason = "reading may move off the caller's thread")]
    pub async fn history(&self) -> Result<Vec<Event>, RunError> {
        let store = &self.client.shared()?.store;
        if store.get_run(self.run_id)?.is_none() {
            return Err(RunNotFound::RunId { run_id: self.run_id }.into());
        }
        Ok(store.read_history(self.run_id)?)
    }

    /// Asks the run to cancel; it may clean up first, or ignore the request. Asking again, or
    /// asking a closed run, changes nothing (rule CAN-1). Answered when the request is durable.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or nobody to ask.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<(), RunError> {
        let reason = reason.into();
        self.tell(|reply| RunCall::Cancel { reason: reason.clone(), reply }).await.0
    }

    /// Ends the run at once, without running any of its code: nothing is cleaned up, no
    /// compensation runs (rule CAN-6). Works for parked runs too.
    ///
    /// # Errors
    /// [`RunError::AlreadyClosed`] if the run is closed; others if there is no such run, or
    /// nobody to ask.
    pub async fn terminate(&self, reason: impl Into<String>) -> Result<(), RunError> {
        let reason = reason.into();
        let told = self.tell(|reply| RunCall::Terminate { reason: reason.clone(), reply }).await;
        match told {
            // It was told before, and the answer was lost: this may be what closed it.
            (Err(closed @ RunError::AlreadyClosed { .. }), asked) if asked > 1 => {
                let status = self.describe().await?.status;
                if status == WorkflowStatus::Terminated { Ok(()) } else { Err(closed) }
            }
            (told, _) => told,
        }
    }

    /// Tells the run something until there is an answer; gives the answer, and how often the
    /// run was told.
    async fn tell(
        &self,
        call: impl Fn(oneshot::Sender<Result<(), RunError>>) -> RunCall,
    ) -> (Result<(), RunError>, u32) {
        self.client.tell(self.run_id, call).await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn call(&self, call: RunCall) -> DirectoryMessage {
        DirectoryMessage::Call { run_id: self.run_id, call }
    }
}

impl<O> Clone for WorkflowHandle<O> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.workflow_id.clone(), self.run_id, self.output)
    }
}

impl<O> fmt::Debug for WorkflowHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}
