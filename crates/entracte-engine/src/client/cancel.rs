//! Asking a workflow to cancel.

use std::sync::Arc;

use uuid::Uuid;

use super::WorkflowHandle;
use crate::chain::{has_been_cancelled, next_to_tell};
use crate::errors::RunError;
use crate::messages::{CancelRequest, RunCall};

impl<O> WorkflowHandle<O> {
    /// Asks the run to cancel; it may clean up first, or ignore the request. Asking again, or
    /// asking a closed run, changes nothing (rule CAN-1). Answered when the request is durable.
    ///
    /// Each call is one request, which one run of the chain takes up at most: a run that fails
    /// because of it and is retried is not asked again by the same call.
    ///
    /// # Errors
    /// [`RunError`] if there is no such run, or nobody to ask.
    pub async fn cancel(&self, reason: impl Into<String>) -> Result<(), RunError> {
        let request_id: Arc<str> = Uuid::new_v4().to_string().into();
        let request =
            CancelRequest { reason: reason.into(), request_id: Some(Arc::clone(&request_id)) };
        let (mut run_id, mut is_repeated) = (self.run_id(), false);
        loop {
            let question = |reply| RunCall::Cancel { request: request.clone(), reply };
            let (answer, asked) = self.client().tell(run_id, question).await;
            is_repeated |= asked > 1;
            if !matches!(answer, Err(RunError::AlreadyClosed { .. })) {
                return answer;
            }
            if self.is_single() {
                return Ok(());
            }
            let shared = self.client().shared()?;
            let store = &*shared.store;
            // It may be this request that has closed the run, before its answer was lost.
            if is_repeated && has_been_cancelled(store, run_id, &request_id)? {
                return Ok(());
            }
            match next_to_tell(store, run_id, is_repeated)? {
                Some(next) => run_id = next,
                None => return Ok(()),
            }
        }
    }
}
