//! Sending a signal.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EncodeError, Headers, Payload, RunId, WorkflowId, id};
use entracte_workflow::{ClientCall, ClientCallKind, Signal};
use serde::Serialize;
use uuid::Uuid;

use super::tell::{Copies, or_unknown};
use super::{Client, WorkflowHandle};
use crate::chain::{has_taken, next_to_tell};
use crate::errors::{SignalError, shorten};
use crate::messages::RunCall;

/// A signal that has not been sent yet: set options, then `.await` it.
///
/// The answer comes when the signal is durable; the workflow sees it before its run can close,
/// unless the run is terminated. A run takes a signal also while it is parked.
#[must_use = "a signal is sent only when this is awaited"]
#[derive(Debug)]
pub struct SendSignal {
    client: Client,
    workflow_id: WorkflowId,
    run_id: RunId,
    /// Whether it is for that run alone.
    is_single: bool,
    name: Arc<str>,
    input: Result<Vec<Payload>, EncodeError>,
    headers: Headers,
    request_id: Option<String>,
}

impl<O> WorkflowHandle<O> {
    /// Sends the workflow a signal: the run of its chain that is open. Nothing happens until it
    /// is awaited.
    ///
    /// The value must be of the constant's type:
    ///
    /// ```compile_fail,E0308
    /// use entracte_engine::WorkflowHandle;
    /// use entracte_workflow::{ClientCall, ClientCallKind, Signal};
    ///
    /// const APPROVE: Signal<bool> = Signal::new("approve");
    /// async fn approve(run: WorkflowHandle<()>) {
    ///     run.signal(APPROVE, "yes").await.unwrap(); // expected `bool`, found `&str`
    /// }
    /// ```
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SendSignal {
        let input = Payload::encode(&value).map(|input| vec![input]);
        self.send_signal(signal.name().into(), input)
    }

    /// As [`signal`](Self::signal), for a signal that this program has no constant of: the
    /// arguments are payloads, as they are journaled (rule WRK-4).
    pub fn signal_by_name(&self, name: impl Into<Arc<str>>, input: Vec<Payload>) -> SendSignal {
        self.send_signal(name.into(), Ok(input))
    }

    fn send_signal(&self, name: Arc<str>, input: Result<Vec<Payload>, EncodeError>) -> SendSignal {
        SendSignal {
            client: self.client().clone(),
            workflow_id: self.workflow_id().clone(),
            run_id: self.run_id(),
            is_single: self.is_single(),
            name,
            input,
            headers: Headers::new(),
            request_id: None,
        }
    }
}

impl SendSignal {
    /// Sets the id of this request: a second signal with the same request id is acknowledged and
    /// changes nothing (rule SIG-3), whatever it is named and carries, if a run of the chain has
    /// it, from the handle's [`run_id`](WorkflowHandle::run_id) on. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Sets what travels along; interceptors may add to it. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    async fn send(self) -> Result<(), SignalError> {
        let signaled = self.event()?;
        let is_repeated = self.request_id.is_some();
        let mut copies = Copies { run_id: self.run_id, is_repeated, is_left: false };
        let answer = self.tell_chain(&signaled, &mut copies).await;
        or_unknown(answer, copies.run_id, copies.is_left)
    }

    async fn tell_chain(
        &self,
        signaled: &WorkflowExecutionSignaled,
        copies: &mut Copies,
    ) -> Result<(), SignalError> {
        let client = &self.client;
        loop {
            let answer = deliver_signal(client, signaled, copies).await;
            if self.is_single || !matches!(answer, Err(SignalError::AlreadyClosed { .. })) {
                return answer;
            }
            match next_to_tell(&*client.running()?.store, copies.run_id, copies.is_repeated)? {
                Some(next) => copies.run_id = next,
                None => return answer,
            }
        }
    }

    fn event(&self) -> Result<WorkflowExecutionSignaled, SignalError> {
        let invalid = |id: &str| {
            let id = shorten(id);
            move |source| SignalError::InvalidId { id, source }
        };
        id::check(&self.name).map_err(invalid(&self.name))?;
        let request_id = self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        id::check(&request_id).map_err(invalid(&request_id))?;
        let shared = self.client.shared()?;
        let kind = ClientCallKind::SignalWorkflow {
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id,
            signal_name: Arc::clone(&self.name),
        };
        let mut call = ClientCall::new(kind, self.input.clone()?, self.headers.clone());
        let refused = |failure| SignalError::Refused { failure };
        shared.registry.interceptors().client_call(&mut call).map_err(refused)?;
        let limit = shared.options.payload_bytes_max;
        if let Some(bytes) = super::larger_than(limit, &call.input) {
            return Err(SignalError::PayloadTooLarge { bytes, limit });
        }
        let bytes = call.headers.size();
        if bytes > limit {
            return Err(SignalError::HeadersTooLarge { bytes, limit });
        }
        Ok(WorkflowExecutionSignaled {
            signal_name: Arc::clone(&self.name),
            input: call.input,
            headers: call.headers,
            request_id: request_id.into(),
            with_previous: false,
        })
    }
}

/// Sends a signal until there is an answer.
pub(crate) async fn deliver_signal(
    client: &Client,
    signaled: &WorkflowExecutionSignaled,
    copies: &mut Copies,
) -> Result<(), SignalError> {
    let question = |reply| RunCall::Signal { signaled: Box::new(signaled.clone()), reply };
    let (answer, asked) = client.tell(copies.run_id, question).await;
    copies.told(asked);
    match answer {
        // An earlier copy of it may have been taken up before the run closed.
        Err(SignalError::AlreadyClosed { .. }) if copies.is_repeated => {
            let shared = client.running()?;
            let is_taken = has_taken(&*shared.store, copies.run_id, &signaled.request_id)?;
            if is_taken { Ok(()) } else { answer }
        }
        answer => answer,
    }
}

impl IntoFuture for SendSignal {
    type Output = Result<(), SignalError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
