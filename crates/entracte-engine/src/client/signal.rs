//! Sending a signal.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EncodeError, EventAttributes, Payload, RunId, id};
use entracte_store::StoreExt;
use entracte_workflow::Signal;
use serde::Serialize;
use uuid::Uuid;

use super::{Client, WorkflowHandle};
use crate::actors::run::RunCall;
use crate::engine::shorten;
use crate::errors::SignalError;

/// A signal that has not been sent yet: set options, then `.await` it.
///
/// The answer comes when the signal is durable; the workflow sees it before its run can close,
/// unless the run is terminated. A run takes a signal also while it is parked.
#[must_use = "a signal is sent only when this is awaited"]
#[derive(Debug)]
pub struct SendSignal {
    client: Client,
    run_id: RunId,
    name: &'static str,
    input: Result<Payload, EncodeError>,
    request_id: Option<String>,
}

impl<O> WorkflowHandle<O> {
    /// Sends the run a signal. Nothing happens until it is awaited.
    ///
    /// The value must be of the constant's type:
    ///
    /// ```compile_fail,E0308
    /// use entracte_engine::WorkflowHandle;
    /// use entracte_workflow::Signal;
    ///
    /// const APPROVE: Signal<bool> = Signal::new("approve");
    /// async fn approve(run: WorkflowHandle<()>) {
    ///     run.signal(APPROVE, "yes").await.unwrap(); // expected `bool`, found `&str`
    /// }
    /// ```
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SendSignal {
        SendSignal {
            client: self.client().clone(),
            run_id: self.run_id(),
            name: signal.name(),
            input: Payload::encode(&value),
            request_id: None,
        }
    }
}

impl SendSignal {
    /// Sets the id of this request: a second signal to the same run with the same request id is
    /// acknowledged and changes nothing (rule SIG-3), whatever it is named and carries. Default:
    /// a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    async fn send(self) -> Result<(), SignalError> {
        let signaled = self.event()?;
        let question = |reply| RunCall::Signal { signaled: Box::new(signaled.clone()), reply };
        let (answer, asked) = self.client.tell(self.run_id, question).await;
        match answer {
            // It may be that an earlier copy of it has been taken up before the run closed.
            Err(SignalError::AlreadyClosed { .. }) if asked > 1 || self.request_id.is_some() => {
                if self.is_in_history(&signaled.request_id)? {
                    Ok(())
                } else {
                    answer
                }
            }
            answer => answer,
        }
    }

    fn event(&self) -> Result<WorkflowExecutionSignaled, SignalError> {
        let invalid = |id: &str| {
            let id = shorten(id);
            move |source| SignalError::InvalidId { id, source }
        };
        id::check(self.name).map_err(invalid(self.name))?;
        let request_id = self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        id::check(&request_id).map_err(invalid(&request_id))?;
        let input = self.input.clone()?;
        let (bytes, limit) = (input.data().len(), self.client.shared()?.options.payload_bytes_max);
        if bytes > limit {
            return Err(SignalError::PayloadTooLarge { bytes, limit });
        }
        Ok(WorkflowExecutionSignaled {
            signal_name: self.name.into(),
            input: vec![input],
            request_id: request_id.into(),
            with_previous: false,
        })
    }

    fn is_in_history(&self, request_id: &Arc<str>) -> Result<bool, SignalError> {
        let history = self.client.shared()?.store.read_history(self.run_id)?;
        Ok(history.iter().any(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionSignaled(signaled) => {
                signaled.request_id == *request_id
            }
            _ => false,
        }))
    }
}

impl IntoFuture for SendSignal {
    type Output = Result<(), SignalError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
