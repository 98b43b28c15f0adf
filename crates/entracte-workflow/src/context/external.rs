//! Other workflows, as far as a workflow can reach them.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{Failure, Headers, Payload, Seq, WorkflowId, id};
use serde::Serialize;

use super::core::Core;
use super::operation::{OperationKind, Outcome};
use crate::define::Signal;
use crate::interceptor::WorkflowCallKind;
use crate::machine::{Command, TurnFailure};

/// Another workflow, by its id: see
/// [`WorkflowContext::external_workflow`](crate::WorkflowContext::external_workflow).
#[derive(Debug, Clone)]
pub struct ExternalWorkflow {
    core: Arc<Core>,
    workflow_id: String,
}

impl ExternalWorkflow {
    pub(super) fn new(core: Arc<Core>, workflow_id: String) -> Self {
        Self { core, workflow_id }
    }

    /// Sends the workflow a signal (rule SIG-9). Nothing happens until it is awaited.
    ///
    /// The signal goes to the run that is open under the workflow id when this workflow's turn
    /// is taken, once, whatever crashes. The output comes when that run has acknowledged it; a
    /// workflow that closes before may have sent it or not. It is a non-retryable application
    /// failure of type `ExternalWorkflowNotFound` if there is no open run, of type
    /// `SignalCountLimitExceeded` if that has had too many signals, and of type
    /// `InvalidWorkflowId` or `EncodeError` if nothing can be sent at all; and a failure of the
    /// kind `Canceled` if this run was asked to cancel before, and the call is not
    /// [shielded](crate::WorkflowContext::shield). What has been sent cannot be taken back:
    /// dropping the future after the turn in which it was first awaited changes nothing.
    ///
    /// A signal whose payload is larger than the engine allows ends the run, as any other
    /// command does (rule LIM-4).
    #[track_caller]
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SignalExternal {
        let signal_name = signal.name();
        if let Err(source) = id::check(signal_name) {
            self.core.fail_turn(TurnFailure::InvalidName { what: "signal", source });
        }
        let unsent = Unsent {
            target: self.target(),
            signal_name,
            input: Payload::encode(&value).map_err(|error| {
                let message = format!("signal `{signal_name}`: {error}");
                Failure::non_retryable("EncodeError", message)
            }),
            headers: Headers::new(),
            source: Location::caller(),
        };
        SignalExternal { core: Arc::clone(&self.core), progress: Progress::Unsent(unsent) }
    }

    fn target(&self) -> Result<WorkflowId, Failure> {
        WorkflowId::new(&self.workflow_id).map_err(|error| {
            let id: String = self.workflow_id.chars().take(50).collect();
            Failure::non_retryable("InvalidWorkflowId", format!("`{id}`: {error}"))
        })
    }
}

/// The future of [`ExternalWorkflow::signal`].
#[must_use = "a signal is sent only when this is awaited"]
#[derive(Debug)]
pub struct SignalExternal {
    core: Arc<Core>,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Unsent(Unsent),
    Sent(Seq),
    Done,
}

#[derive(Debug, Clone)]
struct Unsent {
    target: Result<WorkflowId, Failure>,
    signal_name: &'static str,
    input: Result<Payload, Failure>,
    headers: Headers,
    source: &'static Location<'static>,
}

impl Unsent {
    /// Sends the signal; nothing if nothing is recorded any more.
    fn send(&self, core: &Core) -> Result<Option<Seq>, Failure> {
        if core.is_scope_cancelled() {
            return Err(Failure::canceled());
        }
        let (workflow_id, input) = (self.target.clone()?, self.input.clone()?);
        let signal_name: Arc<str> = self.signal_name.into();
        let kind = OperationKind::ExternalSignal { signal_name: Arc::clone(&signal_name) };
        let source = self.source;
        let called = || WorkflowCallKind::SignalExternalWorkflow {
            workflow_id: workflow_id.clone(),
            signal_name: Arc::clone(&signal_name),
        };
        let (input, headers) = core.intercept(called, vec![input], self.headers.clone());
        Ok(core.issue(kind, source, |seq| Command::SignalExternalWorkflowExecution {
            seq,
            workflow_id,
            signal_name,
            input,
            headers,
            source: source.into(),
        }))
    }
}

impl SignalExternal {
    /// Sets what travels along with the signal; too late once it is awaited. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        if let Progress::Unsent(unsent) = &mut self.progress {
            unsent.headers = headers;
        }
        self
    }
}

impl Future for SignalExternal {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Progress::Unsent(unsent) = &self.progress {
            match unsent.send(&self.core) {
                Ok(None) => return Poll::Pending,
                Ok(Some(seq)) => self.progress = Progress::Sent(seq),
                Err(_) if !self.core.admit_immediate() => return Poll::Pending,
                Err(failure) => {
                    self.progress = Progress::Done;
                    return Poll::Ready(Err(failure));
                }
            }
        }
        let result = match &self.progress {
            Progress::Sent(seq) => match self.core.poll_operation(*seq, cx.waker()) {
                Poll::Ready(Outcome::ExternalSignal(result)) => result,
                // The machine gives signals no other outcome.
                Poll::Ready(_) | Poll::Pending => return Poll::Pending,
            },
            Progress::Unsent(_) | Progress::Done => {
                panic!("a signal was awaited again after it was sent")
            }
        };
        self.progress = Progress::Done;
        Poll::Ready(result)
    }
}

impl Drop for SignalExternal {
    fn drop(&mut self) {
        if let Progress::Sent(seq) = self.progress {
            self.core.release(seq);
        }
    }
}
