//! Asking for published state.

use entracte_workflow::Query;
use serde::de::DeserializeOwned;

use super::WorkflowHandle;
use crate::actors::run::RunCall;
use crate::errors::QueryError;

impl<O> WorkflowHandle<O> {
    /// Asks for what the run has published last under a name
    /// ([`WorkflowContext::publish`](entracte_workflow::WorkflowContext::publish)).
    ///
    /// The workflow's code is not run for that: the answer is there also when the run is closed
    /// or parked, and when its workflow is not registered. It shows nothing that is not durable,
    /// and everything that followed from what was acknowledged before, unless the run is parked.
    ///
    /// # Errors
    /// [`QueryError::NotPublished`] if there is nothing under this name yet,
    /// [`QueryError::Decode`] if it is not a `T`; others if there is no such run, or nobody to
    /// ask.
    pub async fn query<T: DeserializeOwned>(&self, query: Query<T>) -> Result<T, QueryError> {
        let name = query.name();
        let question = |reply| self.call(RunCall::Query { query: name.to_owned(), reply });
        let value = self.client().ask(question).await??;
        let run_id = self.run_id();
        value.decode().map_err(|source| QueryError::Decode {
            run_id,
            query: name.to_owned(),
            source,
        })
    }
}
