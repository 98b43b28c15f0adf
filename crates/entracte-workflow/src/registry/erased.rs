//! Functions without their types: payloads in, payloads out.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{DecodeError, EncodeError, Failure, Payload};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activity::ActivityContext;
use crate::context::WorkflowContext;
use crate::interceptor::InterceptorChain;

/// A running workflow. The inner error says that its result could not be encoded.
pub type WorkflowFuture = BoxFuture<'static, Result<Result<Payload, EncodeError>, Failure>>;

/// A workflow without its types.
pub trait ErasedWorkflow: Send + Sync {
    /// Makes the workflow's future; nothing of it runs yet.
    ///
    /// # Errors
    /// [`DecodeError`] if the input is not what the workflow takes.
    fn start(&self, ctx: WorkflowContext, input: &[Payload])
    -> Result<WorkflowFuture, DecodeError>;

    /// The interceptors that see what the workflow calls. Default none.
    fn interceptors(&self) -> InterceptorChain {
        InterceptorChain::default()
    }
}

/// An activity without its types. Undecodable input and an unencodable result are
/// non-retryable failures of the types `DecodeError` and `EncodeError`.
#[derive(Clone)]
pub enum ErasedActivity {
    /// An `async fn`: it is stopped by dropping its future.
    Async(AsyncActivity),
    /// A plain `fn`: it needs a thread of its own, and can only be asked to stop.
    Blocking(BlockingActivity),
}

/// An `async fn` without its types.
pub type AsyncActivity = Arc<
    dyn Fn(ActivityContext, Vec<Payload>) -> BoxFuture<'static, Result<Payload, Failure>>
        + Send
        + Sync,
>;

/// A plain `fn` without its types.
pub type BlockingActivity =
    Arc<dyn Fn(ActivityContext, Vec<Payload>) -> Result<Payload, Failure> + Send + Sync>;

impl fmt::Debug for ErasedActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "Async",
            Self::Blocking(_) => "Blocking",
        })
    }
}

struct TypedWorkflow<I, O, F> {
    function: F,
    types: PhantomData<fn(I) -> O>,
}

impl<I, O, F, Fut> ErasedWorkflow for TypedWorkflow<I, O, F>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(WorkflowContext, I) -> Fut + Send + Sync,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
{
    fn start(
        &self,
        ctx: WorkflowContext,
        input: &[Payload],
    ) -> Result<WorkflowFuture, DecodeError> {
        let future = (self.function)(ctx, Payload::decode_one(input)?);
        Ok(Box::pin(TypedFuture(Box::pin(future))))
    }
}

/// Encodes the output and, unlike an async block, keeps the future that it came from: what that
/// future still holds must be dropped by the machine, when the context is inert.
struct TypedFuture<Fut>(Pin<Box<Fut>>);

impl<O, Fut> Future for TypedFuture<Fut>
where
    O: Serialize,
    Fut: Future<Output = Result<O, Failure>>,
{
    type Output = Result<Result<Payload, EncodeError>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map_ok(|output| Payload::encode(&output))
    }
}

pub(super) fn workflow<I, O, F, Fut>(function: F) -> Arc<dyn ErasedWorkflow>
where
    I: DeserializeOwned + 'static,
    O: Serialize + 'static,
    F: Fn(WorkflowContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
{
    Arc::new(TypedWorkflow { function, types: PhantomData })
}

/// A workflow of no type in particular.
struct DynamicWorkflow<F>(F);

impl<F, Fut> ErasedWorkflow for DynamicWorkflow<F>
where
    F: Fn(WorkflowContext, Vec<Payload>) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
{
    fn start(
        &self,
        ctx: WorkflowContext,
        input: &[Payload],
    ) -> Result<WorkflowFuture, DecodeError> {
        Ok(Box::pin(DynamicFuture(Box::pin((self.0)(ctx, input.to_vec())))))
    }
}

/// As [`TypedFuture`], for an output that is encoded already.
struct DynamicFuture<Fut>(Pin<Box<Fut>>);

impl<Fut: Future<Output = Result<Payload, Failure>>> Future for DynamicFuture<Fut> {
    type Output = Result<Result<Payload, EncodeError>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map_ok(Ok)
    }
}

pub(super) fn dynamic_workflow<F, Fut>(function: F) -> Arc<dyn ErasedWorkflow>
where
    F: Fn(WorkflowContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
{
    Arc::new(DynamicWorkflow(function))
}

pub(super) fn dynamic_activity<F, Fut>(function: F) -> ErasedActivity
where
    F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
{
    ErasedActivity::Async(Arc::new(move |ctx, payloads| Box::pin(function(ctx, payloads))))
}

/// A workflow with interceptors around what it calls.
struct Intercepted {
    workflow: Arc<dyn ErasedWorkflow>,
    interceptors: InterceptorChain,
}

impl ErasedWorkflow for Intercepted {
    fn start(
        &self,
        ctx: WorkflowContext,
        input: &[Payload],
    ) -> Result<WorkflowFuture, DecodeError> {
        self.workflow.start(ctx, input)
    }

    fn interceptors(&self) -> InterceptorChain {
        self.interceptors.clone()
    }
}

pub(super) fn intercepted(
    workflow: Arc<dyn ErasedWorkflow>,
    interceptors: &InterceptorChain,
) -> Arc<dyn ErasedWorkflow> {
    if interceptors.is_empty() {
        return workflow;
    }
    Arc::new(Intercepted { workflow, interceptors: interceptors.clone() })
}

pub(super) fn activity<I, O, F, Fut>(name: &'static str, function: F) -> ErasedActivity
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + 'static,
    F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
{
    let function = Arc::new(function);
    ErasedActivity::Async(Arc::new(move |ctx, payloads| {
        let function = Arc::clone(&function);
        Box::pin(async move {
            let future = function(ctx, decode_input(name, &payloads)?);
            encode_result(name, &future.await?)
        })
    }))
}

pub(super) fn blocking_activity<I, O, F>(name: &'static str, function: F) -> ErasedActivity
where
    I: DeserializeOwned,
    O: Serialize,
    F: Fn(ActivityContext, I) -> Result<O, Failure> + Send + Sync + 'static,
{
    ErasedActivity::Blocking(Arc::new(move |ctx, payloads| {
        let output = function(ctx, decode_input(name, &payloads)?)?;
        encode_result(name, &output)
    }))
}

fn decode_input<I: DeserializeOwned>(name: &str, payloads: &[Payload]) -> Result<I, Failure> {
    Payload::decode_one(payloads).map_err(|error| {
        Failure::non_retryable("DecodeError", format!("input of activity `{name}`: {error}"))
    })
}

fn encode_result<O: Serialize>(name: &str, output: &O) -> Result<Payload, Failure> {
    Payload::encode(output).map_err(|error| {
        Failure::non_retryable("EncodeError", format!("result of activity `{name}`: {error}"))
    })
}
