//! Child workflows.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use entracte_model::failure::ChildWorkflowFailure;
use entracte_model::options::ParentCloseScope;
use entracte_model::{
    ChildWorkflowCancellationType, ChildWorkflowOptions, Failure, FailureKind, Headers,
    ParentClosePolicy, Payload, RetryPolicy, RetryState, RunId, Seq, WorkflowId,
    WorkflowIdReusePolicy, id,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::{Core, Limited};
use super::external::SignalExternal;
use super::operation::{ChildStart, OperationKind, Outcome};
use crate::define::{Signal, Workflow};
use crate::interceptor::WorkflowCallKind;
use crate::machine::{ChildResolution, Command};

/// A child workflow that is prepared: see
/// [`WorkflowContext::child`](crate::WorkflowContext::child).
///
/// Awaiting it starts the child and waits for its output; [`start`](Self::start) waits for its
/// start only.
#[must_use = "a child workflow is not started until this is awaited or started"]
pub struct ChildWorkflowCall<O> {
    core: Arc<Core>,
    workflow_type: &'static str,
    workflow_id: Option<String>,
    input: Result<Payload, Failure>,
    headers: Headers,
    options: ChildWorkflowOptions,
    source: &'static Location<'static>,
    output: PhantomData<fn() -> O>,
}

impl<O> ChildWorkflowCall<O> {
    pub(super) fn new<I: Serialize>(
        core: Arc<Core>,
        workflow: &Workflow<I, O>,
        input: &I,
        source: &'static Location<'static>,
    ) -> Self {
        let defaults = workflow.defaults();
        let options = ChildWorkflowOptions {
            task_queue: defaults.task_queue.unwrap_or(&core.info.task_queue).to_owned(),
            retry_policy: defaults.retry_policy.map(Into::into),
            execution_timeout: defaults.execution_timeout,
            run_timeout: defaults.run_timeout,
            ..ChildWorkflowOptions::default()
        };
        Self {
            core,
            workflow_type: workflow.name(),
            workflow_id: None,
            input: Payload::encode(input).map_err(|reason| {
                let message = format!("input of workflow `{}`: {reason}", workflow.name());
                Failure::non_retryable("EncodeError", message)
            }),
            headers: Headers::new(),
            options,
            source,
            output: PhantomData,
        }
    }

    /// Sets the child's workflow id. Default: this run's id, `_`, and a number (rule CHD-1).
    pub fn workflow_id(mut self, workflow_id: impl Into<String>) -> Self {
        self.workflow_id = Some(workflow_id.into());
        self
    }

    /// Sets the child's task queue: where its activities run, unless they name another one, and
    /// what its own children take over. The child's code itself runs in no queue. Default: the
    /// constant's, and else this run's (rule CHD-1).
    ///
    /// ```
    /// use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const RENDER: Workflow<u64, u64> = Workflow::new("render");
    ///
    /// async fn film(ctx: WorkflowContext, scene: u64) -> WorkflowResult<u64> {
    ///     // The scene's activities share the slots of `gpu`; this run's own do not.
    ///     ctx.child(RENDER, scene).task_queue("gpu").await
    /// }
    /// ```
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.options.task_queue = task_queue.into();
        self
    }

    /// Sets what becomes of the child when this workflow closes (rules CHD-5 to CHD-8). Default
    /// [`ParentClosePolicy::Terminate`], which lets none of the child's code run any more: it
    /// undoes nothing.
    pub fn parent_close_policy(mut self, policy: ParentClosePolicy) -> Self {
        self.options.parent_close_policy = policy;
        self
    }

    /// Sets whose close that is, if this workflow is retried or continues as new: of the run, or
    /// of its chain. Default [`ParentCloseScope::Run`].
    pub fn parent_close_scope(mut self, scope: ParentCloseScope) -> Self {
        self.options.parent_close_scope = scope;
        self
    }

    /// Sets what a cancellation of the child waits for (rule CHD-12). Default
    /// [`ChildWorkflowCancellationType::WaitCancellationCompleted`].
    pub fn cancellation_type(mut self, cancellation_type: ChildWorkflowCancellationType) -> Self {
        self.options.cancellation_type = cancellation_type;
        self
    }

    /// Sets whether the child may start when a run of its workflow id has closed (rule CHD-4),
    /// or is open (rule CHD-3). Default [`WorkflowIdReusePolicy::AllowDuplicate`].
    pub fn workflow_id_reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.options.workflow_id_reuse_policy = policy;
        self
    }

    /// Sets how the child is retried if a run of it fails or times out: each time as a new run
    /// of the same workflow id, and this workflow hears only of the last one (rules CHD-9 and
    /// CHD-10). Default: the constant's, and else not at all.
    pub fn retry_policy(mut self, retry_policy: impl Into<RetryPolicy>) -> Self {
        self.options.retry_policy = Some(retry_policy.into());
        self
    }

    /// Sets how long the child may take, with all of its runs (rule WTO-1). Default: the
    /// constant's, and else without end.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.options.execution_timeout = Some(timeout);
        self
    }

    /// Sets how long one run of the child may take (rule WTO-1). Default: the constant's, and
    /// else without end.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.options.run_timeout = Some(timeout);
        self
    }

    /// Sets what travels along with the start. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Starts the child; the future waits until it has started, and gives a handle.
    ///
    /// What is issued here stays issued, whether or not the future is awaited. But the child is
    /// sure to start only if this workflow does not close before it has (rule CHD-8).
    pub fn start(self) -> StartChildWorkflow<O> {
        let (core, workflow_type) = (Arc::clone(&self.core), self.workflow_type);
        let (workflow_id, progress) = self.issue();
        StartChildWorkflow {
            child: Child { core, workflow_type, progress },
            workflow_id,
            output: PhantomData,
        }
    }

    pub(super) fn workflow_type(&self) -> &'static str {
        self.workflow_type
    }

    /// Tells whether it could be started at all.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check(self.workflow_type, self.workflow_id.as_deref(), &self.options)?;
        self.input.as_ref().map(|_| ()).map_err(Failure::clone)
    }

    /// Starts the child; the future waits for its end, and does not read its output.
    pub(super) fn start_untyped(self) -> impl Future<Output = Result<Payload, Failure>> + Send {
        let StartChildWorkflow { mut child, .. } = self.start();
        std::future::poll_fn(move |cx| child.poll_payload(cx))
    }

    fn issue(self) -> (Option<WorkflowId>, Progress) {
        let Self { core, workflow_type, workflow_id, input, headers, options, source, .. } = self;
        let chosen = match prepare(&core, workflow_type, workflow_id, &options) {
            Ok(chosen) => chosen,
            Err(failure) => return (None, Progress::Immediate(failure)),
        };
        let input = match input {
            Ok(input) => vec![input],
            Err(failure) => return (None, Progress::Immediate(failure)),
        };
        if let Err(failure) = core.admit_pending(Limited::Children) {
            return (None, Progress::Immediate(failure));
        }
        let name: Arc<str> = workflow_type.into();
        let called = || WorkflowCallKind::StartChildWorkflow {
            workflow_id: chosen.clone(),
            workflow_type: Arc::clone(&name),
        };
        let (input, headers) = core.intercept(called, input, headers);
        let mut issued_id = None;
        let run_id = core.info.run_id;
        let issued = core.issue_numbered(source, |seq| {
            let workflow_id = chosen.unwrap_or_else(|| default_id(run_id, seq));
            issued_id = Some(workflow_id.clone());
            let kind = OperationKind::ChildWorkflow {
                workflow_type: Arc::clone(&name),
                workflow_id: workflow_id.clone(),
                start: ChildStart::Pending(None),
            };
            let command = Command::StartChildWorkflowExecution {
                seq,
                workflow_id,
                workflow_type: name,
                input,
                headers,
                options,
                source: source.into(),
            };
            (kind, command)
        });
        match issued {
            Some(seq) => (issued_id, Progress::Started(seq)),
            None => (None, Progress::Immediate(cancelled(workflow_type, None, ""))),
        }
    }
}

/// The id of a child for which the workflow chose none (rule CHD-1).
fn default_id(run_id: RunId, seq: Seq) -> WorkflowId {
    #[expect(clippy::expect_used, reason = "a run id and a number are far from the limit")]
    WorkflowId::new(format!("{run_id}_{seq}")).expect("an id of 47 bytes at most")
}

/// Checks what can be wrong before anything is issued; gives the id that the workflow chose.
fn prepare(
    core: &Core,
    workflow_type: &str,
    workflow_id: Option<String>,
    options: &ChildWorkflowOptions,
) -> Result<Option<WorkflowId>, Failure> {
    if let Some(reason) = core.cancel_reason_here() {
        return Err(cancelled(workflow_type, workflow_id.as_deref(), &reason));
    }
    let Some(workflow_id) = check(workflow_type, workflow_id.as_deref(), options)? else {
        return Ok(None);
    };
    if core.is_child_starting(&workflow_id) {
        return Err(already_started(ChildWorkflowFailure {
            workflow_id: workflow_id.as_str().to_owned(),
            workflow_type: workflow_type.to_owned(),
            retry_state: RetryState::NonRetryableFailure,
            ..ChildWorkflowFailure::default()
        }));
    }
    Ok(Some(workflow_id))
}

/// Checks what is wrong with a call wherever it is started; gives the id that the workflow
/// chose.
fn check(
    workflow_type: &str,
    workflow_id: Option<&str>,
    options: &ChildWorkflowOptions,
) -> Result<Option<WorkflowId>, Failure> {
    let invalid = |reason: String| {
        let message = format!("child workflow `{workflow_type}`: {reason}");
        Failure::non_retryable("InvalidChildWorkflowOptions", message)
    };
    id::check(workflow_type).map_err(|error| invalid(error.to_string()))?;
    options.validate().map_err(|error| invalid(error.to_string()))?;
    workflow_id.map(WorkflowId::new).transpose().map_err(|error| invalid(error.to_string()))
}

/// The failure of a child whose workflow id is taken (rule CHD-3).
pub(crate) fn already_started(child: ChildWorkflowFailure) -> Failure {
    let text = "child workflow execution already started";
    let cause = Failure::non_retryable("WorkflowExecutionAlreadyStarted", text);
    Failure::child_workflow(child, cause)
}

/// The failure of a child that was cancelled before it was issued; no event tells of it (rule
/// CHD-13).
pub(super) fn cancelled(workflow_type: &str, workflow_id: Option<&str>, reason: &str) -> Failure {
    let child = ChildWorkflowFailure {
        workflow_id: workflow_id.unwrap_or_default().to_owned(),
        workflow_type: workflow_type.to_owned(),
        retry_state: RetryState::CancelRequested,
        ..ChildWorkflowFailure::default()
    };
    let mut message = "Child Workflow Execution cancelled before scheduled".to_owned();
    if !reason.is_empty() {
        message = format!("{message}: {reason}");
    }
    Failure::new(FailureKind::ChildWorkflow(child), message).with_cause(Failure::canceled())
}

impl<O: DeserializeOwned> IntoFuture for ChildWorkflowCall<O> {
    type Output = Result<O, Failure>;
    type IntoFuture = ChildWorkflowFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let StartChildWorkflow { child, .. } = self.start();
        ChildWorkflowFuture { child, output: PhantomData }
    }
}

impl<O> fmt::Debug for ChildWorkflowCall<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildWorkflowCall").field(&self.workflow_type).finish()
    }
}

#[derive(Debug, Clone)]
enum Progress {
    Immediate(Failure),
    Started(Seq),
    Done,
}

/// A child that was issued, without its output type. Dropping it stops the waiting.
#[derive(Debug)]
struct Child {
    core: Arc<Core>,
    workflow_type: &'static str,
    progress: Progress,
}

impl Child {
    fn poll_immediate(&mut self) -> Option<Poll<Failure>> {
        let Progress::Immediate(failure) = &self.progress else { return None };
        if !self.core.admit_immediate() {
            return Some(Poll::Pending);
        }
        let failure = failure.clone();
        self.progress = Progress::Done;
        Some(Poll::Ready(failure))
    }

    fn seq(&self) -> Seq {
        match self.progress {
            Progress::Started(seq) => seq,
            _ => panic!("a child workflow was awaited again after it had ended"),
        }
    }

    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Failure>> {
        if let Some(polled) = self.poll_immediate() {
            return polled.map(Err);
        }
        let result = match self.core.poll_operation(self.seq(), cx.waker()) {
            Poll::Ready(Outcome::Child(ChildResolution::Completed(output))) => Ok(output),
            Poll::Ready(Outcome::Child(
                ChildResolution::Failed(failure) | ChildResolution::Cancelled(failure),
            )) => Err(failure),
            // The machine gives children no other outcome.
            Poll::Ready(_) | Poll::Pending => return Poll::Pending,
        };
        self.progress = Progress::Done;
        Poll::Ready(result)
    }

    fn poll_result<O: DeserializeOwned>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<O, Failure>> {
        let workflow_type = self.workflow_type;
        self.poll_payload(cx).map(|result| {
            result?.decode().map_err(|error| {
                let message = format!("result of workflow `{workflow_type}`: {error}");
                Failure::non_retryable("DecodeError", message)
            })
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Progress::Started(seq) = self.progress {
            self.core.detach_child(seq);
        }
    }
}

/// Waits until a child workflow has started: the future of [`ChildWorkflowCall::start`].
/// Dropping it stops the waiting and nothing else.
#[must_use = "futures do nothing unless awaited"]
pub struct StartChildWorkflow<O> {
    child: Child,
    workflow_id: Option<WorkflowId>,
    output: PhantomData<fn() -> O>,
}

impl<O> Future for StartChildWorkflow<O> {
    type Output = Result<ChildWorkflowHandle<O>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(polled) = self.child.poll_immediate() {
            return polled.map(Err);
        }
        let seq = self.child.seq();
        let Poll::Ready(started) = self.child.core.poll_child_start(seq, cx.waker()) else {
            return Poll::Pending;
        };
        let core = Arc::clone(&self.child.core);
        let workflow_type = self.child.workflow_type;
        // From here on the handle is what waits.
        self.child.progress = Progress::Done;
        let workflow_id = self.workflow_id.take();
        Poll::Ready(started.and_then(|first_execution_run_id| {
            let child = Child { core, workflow_type, progress: Progress::Started(seq) };
            let missing = || Failure::non_retryable("Internal", "a child without a workflow id");
            Ok(ChildWorkflowHandle {
                child,
                seq,
                workflow_id: workflow_id.ok_or_else(missing)?,
                first_execution_run_id,
                output: PhantomData,
            })
        }))
    }
}

impl<O> fmt::Debug for StartChildWorkflow<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartChildWorkflow").field(&self.child.workflow_type).finish()
    }
}

/// A child workflow that has started (rule CHD-17). Dropping it stops the waiting and nothing
/// else: what becomes of the child is said by its [`ParentClosePolicy`].
pub struct ChildWorkflowHandle<O> {
    child: Child,
    seq: Seq,
    workflow_id: WorkflowId,
    first_execution_run_id: RunId,
    output: PhantomData<fn() -> O>,
}

impl<O> ChildWorkflowHandle<O> {
    /// The child's workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &WorkflowId {
        &self.workflow_id
    }

    /// The child's first run.
    #[must_use]
    pub fn first_execution_run_id(&self) -> RunId {
        self.first_execution_run_id
    }

    /// Waits for the child's end, whichever of its runs that is (rule CHD-9).
    ///
    /// The output is the child's, or a [`Failure`] of the kind `ChildWorkflow` whose cause tells
    /// what went wrong.
    pub fn result(self) -> ChildWorkflowFuture<O> {
        ChildWorkflowFuture { child: self.child, output: PhantomData }
    }

    /// Sends the child a signal (rule CHD-15). Nothing happens until it is awaited; see
    /// [`ExternalWorkflow::signal`](crate::ExternalWorkflow::signal).
    #[track_caller]
    pub fn signal<T: Serialize>(&self, signal: Signal<T>, value: T) -> SignalExternal {
        SignalExternal::to_child(&self.child.core, &self.workflow_id, self.seq, signal, &value)
    }

    /// Requests the child's cancellation; what that means for [`result`](Self::result) is said
    /// by its [`ChildWorkflowCancellationType`]. A second request changes nothing.
    pub fn cancel(&self, reason: impl Into<String>) {
        self.child.core.cancel_child(self.seq, reason.into());
    }
}

impl<O> fmt::Debug for ChildWorkflowHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildWorkflowHandle")
            .field("workflow_id", &self.workflow_id)
            .field("first_execution_run_id", &self.first_execution_run_id)
            .finish_non_exhaustive()
    }
}

/// Waits for the end of a child workflow. Dropping it stops the waiting and nothing else.
#[must_use = "futures do nothing unless awaited"]
pub struct ChildWorkflowFuture<O> {
    child: Child,
    output: PhantomData<fn() -> O>,
}

impl<O: DeserializeOwned> Future for ChildWorkflowFuture<O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.child.poll_result(cx)
    }
}

impl<O> fmt::Debug for ChildWorkflowFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildWorkflowFuture").field(&self.child.workflow_type).finish()
    }
}
