//! Asking for published state.

use entracte_model::{Headers, Payload};
use entracte_workflow::{ClientCall, ClientCallKind, Query};
use serde::de::DeserializeOwned;

use super::WorkflowHandle;
use crate::errors::{EngineStopped, QueryError, RunError};
use crate::messages::{DirectoryMessage, RunCall};

impl<O> WorkflowHandle<O> {
    /// Asks for what the run has published last under a name
    /// ([`WorkflowContext::publish`](entracte_workflow::WorkflowContext::publish)).
    ///
    /// The workflow's code is not run for that: the answer is there also when the run is closed
    /// or parked, and when its workflow is not registered. It shows nothing that is not durable,
    /// and everything that followed from what was acknowledged before, unless the run is parked.
    /// A run that sleeps before its first turn has published nothing yet;
    /// [`of_run`](Self::of_run) asks the one before it.
    ///
    /// # Errors
    /// [`QueryError::NotPublished`] if there is nothing under this name yet,
    /// [`QueryError::Decode`] if it is not a `T`; others if there is no such run, or nobody to
    /// ask.
    pub async fn query<T: DeserializeOwned>(&self, query: Query<T>) -> Result<T, QueryError> {
        let name = query.name();
        let value = self.query_by_name(name).await?;
        let run_id = self.run_id();
        value.decode().map_err(|source| QueryError::Decode {
            run_id,
            query: name.to_owned(),
            source,
        })
    }

    /// As [`query`](Self::query), for a query that this program has no constant of: the answer
    /// is a payload, as it is stored (rule WRK-4).
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_by_name(&self, query: &str) -> Result<Payload, QueryError> {
        let run_id = self.current().map_err(|error| match error {
            RunError::Store(error) => QueryError::Store(error),
            // Nothing else can be wrong before anybody is asked.
            _ => self.client().stopped().unwrap_or_else(EngineStopped::killed).into(),
        })?;
        let kind = ClientCallKind::QueryWorkflow {
            workflow_id: self.workflow_id().clone(),
            run_id,
            query: query.into(),
        };
        let mut call = ClientCall::new(kind, Vec::new(), Headers::new());
        let refused = |failure| QueryError::Refused { failure };
        self.client().shared()?.registry.interceptors().client_call(&mut call).map_err(refused)?;
        let question = |reply| {
            let call = RunCall::Query { query: query.to_owned(), reply };
            DirectoryMessage::Call { run_id, call }
        };
        self.client().ask(question).await?
    }
}
