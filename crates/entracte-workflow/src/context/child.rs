//! Child workflows.

mod issued;
mod refused;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::options::ParentCloseScope;
use entracte_model::{
    ChildWorkflowCancellationType, ChildWorkflowOptions, Failure, Headers, ParentClosePolicy,
    Payload, RetryPolicy, RunId, Seq, WorkflowId, WorkflowIdReusePolicy,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::issued::{Child, Progress};
pub use self::issued::{ChildWorkflowFuture, ChildWorkflowHandle, StartChildWorkflow};
pub(crate) use self::refused::already_started;
pub(super) use self::refused::cancelled;
use self::refused::{check, prepare};
use super::core::{Core, Limited};
use super::operation::{ChildStart, OperationKind};
use crate::define::Workflow;
use crate::interceptor::WorkflowCallKind;
use crate::machine::Command;

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
