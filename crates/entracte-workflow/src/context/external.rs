//! Other workflows, as far as a workflow can reach them.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{Failure, FailureKind, Headers, Payload, Seq, WorkflowId, id};
use serde::Serialize;

use super::core::{Core, Limited};
use super::operation::{OperationKind, Outcome};
use crate::define::Signal;
use crate::interceptor::WorkflowCallKind;
use crate::machine::{Command, TurnFailure};

/// What failures call a signal and a request to cancel.
pub(super) const SIGNAL: &str = "Signal";
pub(super) const REQUEST: &str = "Request to cancel";

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
    /// kind `Canceled` if the [scope](crate::Scope) is cancelled before it is sent. What has been
    /// sent cannot be taken back: dropping the future after the turn in which it was first awaited
    /// changes nothing.
    ///
    /// The value must be of the constant's type:
    ///
    /// ```compile_fail,E0308
    /// use entracte_workflow::{Signal, WorkflowContext, WorkflowResult};
    ///
    /// const APPROVE: Signal<bool> = Signal::new("approve");
    /// async fn approve(ctx: WorkflowContext, order: String) -> WorkflowResult<()> {
    ///     // Expected `bool`, found `&str`.
    ///     ctx.external_workflow(order).signal(APPROVE, "yes").await
    /// }
    /// ```
    ///
    /// A signal whose payload is larger than the engine allows ends the run, as any other
    /// command does (rule LIM-4).
    #[track_caller]
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SignalExternal {
        let what = signal_request(&self.core, signal, &value);
        SignalExternal(External::new(&self.core, self.target(), None, what, Location::caller()))
    }

    /// Asks the workflow to cancel (rule CAN-8). Nothing happens until it is awaited.
    ///
    /// The request goes to the run that is open under the workflow id when this workflow's turn
    /// is taken, and the output comes when that run knows of it, not when it has ended. It is a
    /// non-retryable application failure of type `ExternalWorkflowNotFound` if there is no open
    /// run, or of type `InvalidWorkflowId`; and a failure of the kind `Canceled` if the
    /// [scope](crate::Scope) is cancelled before it is sent.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> CancelExternal {
        let what = What::Cancel { reason: reason.into() };
        CancelExternal(External::new(&self.core, self.target(), None, what, Location::caller()))
    }

    fn target(&self) -> Result<WorkflowId, Failure> {
        WorkflowId::new(&self.workflow_id).map_err(|error| {
            let id: String = self.workflow_id.chars().take(50).collect();
            Failure::non_retryable("InvalidWorkflowId", format!("`{id}`: {error}"))
        })
    }
}

fn signal_request<T: Serialize>(core: &Core, signal: Signal<T>, value: &T) -> What {
    let signal_name = signal.name();
    if let Err(source) = id::check(signal_name) {
        core.fail_turn(TurnFailure::InvalidName { what: "signal", source });
    }
    let input = Payload::encode(value).map_err(|error| {
        let message = format!("signal `{signal_name}`: {error}");
        Failure::non_retryable("EncodeError", message)
    });
    What::Signal { signal_name, input, headers: Headers::new() }
}

/// The future of [`ExternalWorkflow::signal`].
#[must_use = "a signal is sent only when this is awaited"]
#[derive(Debug)]
pub struct SignalExternal(External);

impl SignalExternal {
    /// Sets what travels along with the signal; too late once it is awaited. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        if let Progress::Unsent(Unsent { what: What::Signal { headers: unsent, .. }, .. }) =
            &mut self.0.progress
        {
            *unsent = headers;
        }
        self
    }

    /// A signal to a child of the run.
    #[track_caller]
    pub(super) fn to_child<T: Serialize>(
        core: &Arc<Core>,
        workflow_id: &WorkflowId,
        child_seq: Seq,
        signal: Signal<T>,
        value: &T,
    ) -> Self {
        let what = signal_request(core, signal, value);
        let (target, child_seq) = (Ok(workflow_id.clone()), Some(child_seq));
        Self(External::new(core, target, child_seq, what, Location::caller()))
    }
}

impl Future for SignalExternal {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

/// The future of [`ExternalWorkflow::cancel`].
#[must_use = "a workflow is asked to cancel only when this is awaited"]
#[derive(Debug)]
pub struct CancelExternal(External);

impl Future for CancelExternal {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

/// Something that goes to another workflow, and its answer.
#[derive(Debug)]
struct External {
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
    child_seq: Option<Seq>,
    what: What,
    source: &'static Location<'static>,
}

#[derive(Debug, Clone)]
enum What {
    Signal { signal_name: &'static str, input: Result<Payload, Failure>, headers: Headers },
    Cancel { reason: String },
}

impl Unsent {
    /// Sends it; nothing if nothing is recorded any more.
    fn send(&self, core: &Core) -> Result<Option<Seq>, Failure> {
        if core.is_scope_cancelled() {
            return Err(cancelled_before_sent(match &self.what {
                What::Signal { .. } => SIGNAL,
                What::Cancel { .. } => REQUEST,
            }));
        }
        let (workflow_id, child_seq) = (self.target.clone()?, self.child_seq);
        let source = self.source;
        Ok(match &self.what {
            What::Signal { signal_name, input, headers } => {
                let (signal_name, input): (Arc<str>, _) = ((*signal_name).into(), input.clone()?);
                core.admit_pending(Limited::ExternalSignals)?;
                let kind = OperationKind::ExternalSignal { signal_name: Arc::clone(&signal_name) };
                let called = || WorkflowCallKind::SignalExternalWorkflow {
                    workflow_id: workflow_id.clone(),
                    signal_name: Arc::clone(&signal_name),
                };
                let (input, headers) = core.intercept(called, vec![input], headers.clone());
                core.issue(kind, source, |seq| Command::SignalExternalWorkflowExecution {
                    seq,
                    workflow_id,
                    child_seq,
                    signal_name,
                    input,
                    headers,
                    source: source.into(),
                })
            }
            What::Cancel { reason } => {
                core.admit_pending(Limited::ExternalCancels)?;
                let kind = OperationKind::ExternalCancel { workflow_id: workflow_id.clone() };
                core.issue(kind, source, |seq| Command::RequestCancelExternalWorkflowExecution {
                    seq,
                    workflow_id,
                    reason: reason.clone(),
                    source: source.into(),
                })
            }
        })
    }
}

/// The failure of what was cancelled before it left the workflow; no event tells of it (rule
/// SIG-9).
pub(super) fn cancelled_before_sent(what: &str) -> Failure {
    let message = format!("{what} was cancelled before being sent");
    Failure::new(FailureKind::Canceled { details: None }, message)
}

impl External {
    fn new(
        core: &Arc<Core>,
        target: Result<WorkflowId, Failure>,
        child_seq: Option<Seq>,
        what: What,
        source: &'static Location<'static>,
    ) -> Self {
        let unsent = Unsent { target, child_seq, what, source };
        Self { core: Arc::clone(core), progress: Progress::Unsent(unsent) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
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
                Poll::Ready(Outcome::ExternalSignal(result) | Outcome::ExternalCancel(result)) => {
                    result
                }
                // The machine gives such requests no other outcome.
                Poll::Ready(_) | Poll::Pending => return Poll::Pending,
            },
            Progress::Unsent(_) | Progress::Done => {
                panic!("a signal or a request to cancel was awaited again after it was sent")
            }
        };
        self.progress = Progress::Done;
        Poll::Ready(result)
    }
}

impl Drop for External {
    fn drop(&mut self) {
        if let Progress::Sent(seq) = self.progress {
            self.core.release(seq);
        }
    }
}
