//! Asking a workflow to cancel.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use entracte_model::{RunId, id};
use uuid::Uuid;

use super::tell::{Copies, or_unknown};
use super::{Client, WorkflowHandle};
use crate::chain::{has_been_cancelled, next_to_tell, was_cancelled_before};
use crate::errors::{RunError, shorten};
use crate::messages::{CancelRequest, RunCall};

/// A request to cancel that has not been made yet: set options, then `.await` it.
///
/// The answer comes when the request is durable. A run takes a request also while it is parked.
///
/// # Errors
/// [`RunError`] if there is no such run, or nobody to ask; [`RunError::InvalidId`] if the
/// request id cannot be an id.
#[must_use = "a workflow is asked to cancel only when this is awaited"]
#[derive(Debug)]
pub struct CancelWorkflow {
    client: Client,
    run_id: RunId,
    /// Whether it is for that run alone.
    is_single: bool,
    reason: String,
    request_id: Option<String>,
}

impl<O> WorkflowHandle<O> {
    /// Asks the workflow to cancel: the run of its chain that is open. It may clean up first, or
    /// ignore the request. Nothing happens until this is awaited.
    ///
    /// Asking a closed workflow, or a run that was asked before, is a success that changes
    /// nothing (rule CAN-1). Each call is a request of its own, which one run of the chain takes
    /// up at most: a run that fails because of it and is retried is not asked again by the same
    /// call. [`request_id`](CancelWorkflow::request_id) makes several calls one request, also
    /// those of an engine that starts later.
    pub fn cancel(&self, reason: impl Into<String>) -> CancelWorkflow {
        CancelWorkflow {
            client: self.client().clone(),
            run_id: self.run_id(),
            is_single: self.is_single(),
            reason: reason.into(),
            request_id: None,
        }
    }
}

impl CancelWorkflow {
    /// Sets the id of this request: a second one with the same id is acknowledged and changes
    /// nothing, if a run of the chain has taken the first one up or keeps it. For that the
    /// histories of the closed runs of the chain are read, on the caller's thread, each up to the
    /// request that it has taken up: with a chain of thousands of long runs that takes its time.
    /// If one cannot be read, neither can it be told whether it has the request, and
    /// [`RunError::Store`] says so. A handle to a single run looks at that alone. Default: a
    /// random UUID.
    ///
    /// A run that was asked by another request keeps nothing of this one: made again when that
    /// run has closed, it asks the next one.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    async fn send(self) -> Result<(), RunError> {
        let request_id = self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        id::check(&request_id)
            .map_err(|source| RunError::InvalidId { id: shorten(&request_id), source })?;
        let request_id: Arc<str> = request_id.into();
        let is_repeated = self.request_id.is_some();
        if is_repeated && !self.is_single {
            let shared = self.client.running()?;
            if was_cancelled_before(&*shared.store, self.run_id, &request_id)? {
                return Ok(());
            }
        }
        let mut copies = Copies { run_id: self.run_id, is_repeated, is_left: false };
        let answer = self.tell_chain(&request_id, &mut copies).await;
        or_unknown(answer, copies.run_id, copies.is_left)
    }

    async fn tell_chain(&self, request_id: &Arc<str>, copies: &mut Copies) -> Result<(), RunError> {
        let (reason, request_id) = (self.reason.clone(), Some(Arc::clone(request_id)));
        let request = CancelRequest { reason, request_id };
        loop {
            let question = |reply| RunCall::Cancel { request: request.clone(), reply };
            let (answer, asked) = self.client.tell(copies.run_id, question).await;
            copies.told(asked);
            if !matches!(answer, Err(RunError::AlreadyClosed { .. })) {
                return answer;
            }
            if self.is_single {
                return Ok(());
            }
            match self.next(&request, copies)? {
                Some(next) => copies.run_id = next,
                None => return Ok(()),
            }
        }
    }

    /// The run to tell after one that has closed; none if that has taken the request up, or is
    /// the last.
    fn next(&self, request: &CancelRequest, copies: &Copies) -> Result<Option<RunId>, RunError> {
        let shared = self.client.running()?;
        let store = &*shared.store;
        // It may be this request that has closed the run, before its answer was lost.
        if let Some(request_id) = request.request_id.as_deref().filter(|_| copies.is_repeated)
            && has_been_cancelled(store, copies.run_id, request_id)?
        {
            return Ok(None);
        }
        Ok(next_to_tell(store, copies.run_id, copies.is_repeated)?)
    }
}

impl IntoFuture for CancelWorkflow {
    type Output = Result<(), RunError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
