//! Going on in a new run.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use entracte_model::options::validate_workflow_options;
use entracte_model::{Failure, Headers, Payload, RetryPolicy, id};
use serde::Serialize;

use super::WorkflowContext;
use super::core::Core;
use crate::define::Workflow;
use crate::interceptor::WorkflowCallKind;
use crate::machine::{Command, ContinueAsNewOptions};

impl WorkflowContext {
    /// Prepares to go on in a new run of the same workflow id, with a new input and an empty
    /// history (rules CNT-1 and CNT-2). Nothing happens until it is awaited; then this run is
    /// over: the future is never ready, and what else the workflow holds is dropped, with no
    /// undo step run. The exception is an input that cannot be encoded, or wrong options, which
    /// is a non-retryable application failure of type `EncodeError` or
    /// `InvalidContinueAsNewOptions`.
    ///
    /// The chain of runs stays one for everybody else: clients and the parent workflow get the
    /// result of the last run. Along with the id go the parent, the deadline of the chain, and,
    /// unless set otherwise, task queue, headers, run timeout and retry policy; the attempt is 1
    /// again. Signals that this run has not read are the next run's, and are written anew for it:
    /// a workflow that reads a few of many in each run writes the others again each time.
    /// Activities, timers and local activities that are pending end with this run, and what
    /// becomes of its children is said by their
    /// [`ParentClosePolicy`](entracte_model::ParentClosePolicy). A cancellation that this run has
    /// seen is not passed on.
    ///
    /// ```
    /// use entracte_workflow::{Signal, Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const POLL: Workflow<u64, u64> = Workflow::new("poll");
    /// const STOP: Signal<()> = Signal::new("stop");
    ///
    /// async fn poll(ctx: WorkflowContext, rounds: u64) -> WorkflowResult<u64> {
    ///     for _ in 0..100 {
    ///         if ctx.signals(STOP).try_recv().is_some() {
    ///             return Ok(rounds);
    ///         }
    ///         ctx.sleep(std::time::Duration::from_secs(60)).await;
    ///     }
    ///     ctx.continue_as_new(POLL, rounds + 100).await
    /// }
    /// ```
    ///
    /// The input must be of the constant's type, and the constant's workflow must return what
    /// this one does:
    ///
    /// ```compile_fail,E0308
    /// use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const POLL: Workflow<u64, u64> = Workflow::new("poll");
    /// async fn poll(ctx: WorkflowContext, rounds: u64) -> WorkflowResult<u64> {
    ///     ctx.continue_as_new(POLL, "more").await // expected `u64`, found `&str`
    /// }
    /// ```
    #[track_caller]
    pub fn continue_as_new<I: Serialize, O>(
        &self,
        workflow: Workflow<I, O>,
        input: I,
    ) -> ContinueAsNew<O> {
        ContinueAsNew::new(Arc::clone(&self.core), &workflow, &input, Location::caller())
    }
}

/// A next run that is prepared: see
/// [`WorkflowContext::continue_as_new`](crate::WorkflowContext::continue_as_new).
#[must_use = "the run goes on unless this is awaited"]
pub struct ContinueAsNew<O> {
    core: Arc<Core>,
    workflow_type: &'static str,
    input: Result<Payload, String>,
    headers: Headers,
    options: ContinueAsNewOptions,
    source: &'static Location<'static>,
    output: PhantomData<fn() -> O>,
}

impl<O> ContinueAsNew<O> {
    fn new<I: Serialize>(
        core: Arc<Core>,
        workflow: &Workflow<I, O>,
        input: &I,
        source: &'static Location<'static>,
    ) -> Self {
        Self {
            workflow_type: workflow.name(),
            input: Payload::encode(input).map_err(|error| error.to_string()),
            headers: core.info.headers.clone(),
            options: ContinueAsNewOptions::default(),
            source,
            output: PhantomData,
            core,
        }
    }

    /// Sets the task queue of the next run: where its activities run, unless they name another
    /// one. Default: as this one (rule CNT-2). As with the other options, what the workflow's
    /// constant says is not asked for.
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.options.task_queue = Some(task_queue.into());
        self
    }

    /// Sets how long the next run may take (rule WTO-1). Default: as this one.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.options.run_timeout = Some(timeout);
        self
    }

    /// Sets how the next run is retried. Default: as this one.
    pub fn retry_policy(mut self, policy: impl Into<RetryPolicy>) -> Self {
        self.options.retry_policy = Some(policy.into());
        self
    }

    /// Sets how long the next run sleeps before its first turn (rule CNT-3). It takes signals
    /// meanwhile; a request to cancel wakes it. Default: not at all.
    pub fn backoff_start_interval(mut self, interval: Duration) -> Self {
        self.options.backoff_start_interval = Some(interval).filter(|interval| !interval.is_zero());
        self
    }

    /// Sets what travels along. Default: what this run was started with.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Checks what can be wrong, and gives the command that ends the run.
    fn prepare(self) -> Result<Command, Failure> {
        let Self { core, workflow_type, input, headers, options, source, .. } = self;
        let invalid = |reason: String| {
            let message = format!("continue as new as `{workflow_type}`: {reason}");
            Failure::non_retryable("InvalidContinueAsNewOptions", message)
        };
        id::check(workflow_type).map_err(|error| invalid(error.to_string()))?;
        let (queue, policy) = (options.task_queue.as_deref(), options.retry_policy.as_ref());
        validate_workflow_options(queue, None, options.run_timeout, policy)
            .map_err(|error| invalid(error.to_string()))?;
        let input = input.map_err(|reason| {
            let message = format!("input of workflow `{workflow_type}`: {reason}");
            Failure::non_retryable("EncodeError", message)
        })?;
        let workflow_type: Arc<str> = workflow_type.into();
        let called =
            || WorkflowCallKind::ContinueAsNew { workflow_type: Arc::clone(&workflow_type) };
        let (input, headers) = core.intercept(called, vec![input], headers);
        let source = source.into();
        Ok(Command::ContinueAsNewWorkflowExecution {
            workflow_type,
            input,
            headers,
            options,
            source,
        })
    }
}

impl<O> IntoFuture for ContinueAsNew<O> {
    type Output = Result<O, Failure>;
    type IntoFuture = ContinueAsNewFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        let core = Arc::clone(&self.core);
        ContinueAsNewFuture { core, call: Some(self), is_asked: false }
    }
}

impl<O> fmt::Debug for ContinueAsNew<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContinueAsNew").field(&self.workflow_type).finish()
    }
}

/// The future of [`ContinueAsNew`]: it ends the run and is not ready any more, unless nothing
/// can be continued like this.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct ContinueAsNewFuture<O> {
    core: Arc<Core>,
    call: Option<ContinueAsNew<O>>,
    is_asked: bool,
}

impl<O> Future for ContinueAsNewFuture<O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.core.admit_immediate() {
            return Poll::Pending;
        }
        match self.call.take().map(ContinueAsNew::prepare) {
            Some(Err(failure)) => return Poll::Ready(Err(failure)),
            Some(Ok(command)) => self.is_asked = self.core.continue_as_new(command),
            None => {}
        }
        Poll::Pending
    }
}

impl<O> Drop for ContinueAsNewFuture<O> {
    fn drop(&mut self) {
        if self.is_asked {
            self.core.take_continued();
        }
    }
}
