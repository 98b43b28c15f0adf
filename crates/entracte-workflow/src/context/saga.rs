//! Steps that undo each other.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use entracte_model::Failure;
use futures_util::future::BoxFuture;

use super::WorkflowContext;
use super::activity::ActivityCall;
use super::child::ChildWorkflowCall;
use super::local_activity::LocalActivityCall;
use super::scope::Scope;
use crate::combine::join_all;

impl WorkflowContext {
    /// Runs steps that undo each other: if the body returns an error, what was registered with
    /// [`Saga::undo`] is run in reverse order, one after the other, shielded from cancellation,
    /// and then the error is returned.
    ///
    /// Compensations that fail, for good and after their own retries, do not stop the others;
    /// they are reported with the error, as [`Failure::failed_compensations`]. The error stays
    /// what it is: its kind, type and causes are there to match on.
    ///
    /// Register the undo *before* the step when the step's outcome can be unknown (it timed out,
    /// or its attempt was lost), with an undo that bears having nothing to undo. Register it
    /// *after* the step when it needs what the step gave, and the step fails only without effect.
    /// A saga that is dropped undoes nothing, and so does one whose run is terminated.
    ///
    /// The body runs in a [scope](Self::scope) of its own.
    ///
    /// # An undo may overtake its step
    /// The undos start when the body has returned its error. An attempt of a step may run on at
    /// that time, and charge the card *after* the refund has found nothing to pay back:
    /// - When it is cancelled, an activity is over for its workflow as soon as its attempt has
    ///   been told to stop. That is the default,
    ///   [`TryCancel`](entracte_model::ActivityCancellationType::TryCancel);
    ///   [`WaitCancellationCompleted`](entracte_model::ActivityCancellationType) waits until the
    ///   attempt has ended.
    /// - An activity whose future is dropped is waited for by nobody, whatever its type: those
    ///   beside the one that fails in [`try_join_all`](crate::try_join_all), and those that lose
    ///   a [`select!`](crate::select). [`join_all`](crate::join_all) waits for all.
    /// - What an attempt that timed out or was lost has sent into the world may still arrive.
    ///
    /// So an undo must also keep its step from happening later, as one does that voids the
    /// payment with a certain idempotency key: a payment that comes later under that key is
    /// refused. Where there is no such thing, let the step wait for its cancellation, and let
    /// nothing drop it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use entracte_workflow::{
    ///     Activity, RetryPolicy, Workflow, WorkflowContext, WorkflowResult,
    /// };
    /// use entracte_model::ActivityCancellationType;
    ///
    /// // Reserves a place; there is no undo before it is known which: so it is waited for.
    /// const RESERVE: Activity<String, u64> = Activity::new("reserve")
    ///     .start_to_close_timeout(Duration::from_secs(30))
    ///     .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
    /// const RELEASE: Activity<u64, ()> =
    ///     Activity::new("release").start_to_close_timeout(Duration::from_secs(30));
    /// const CHARGE: Activity<String, ()> =
    ///     Activity::new("charge").start_to_close_timeout(Duration::from_secs(30));
    /// // Voids the payment of an order: it is paid back, or refused if it comes later.
    /// const VOID: Workflow<String, ()> = Workflow::new("void");
    ///
    /// async fn order(ctx: WorkflowContext, id: String) -> WorkflowResult<()> {
    ///     let result = ctx.saga(async |saga| {
    ///         let place = ctx.activity(RESERVE, id.clone()).await?;
    ///         let patient = RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(50);
    ///         saga.undo(ctx.activity(RELEASE, place).retry_policy(patient)); // after: needs the place
    ///         saga.undo(ctx.child(VOID, id.clone())); // before: the outcome may be unknown
    ///         ctx.activity(CHARGE, id.clone()).await
    ///     });
    ///     let result = result.await;
    ///     if let Err(failure) = &result {
    ///         for failed in failure.failed_compensations() {
    ///             // Somebody has to look at it: `failed.name`, and with what it failed.
    ///             let _ = (failed.name, failed.failure);
    ///         }
    ///     }
    ///     result
    /// }
    /// ```
    ///
    /// # Errors
    /// The body's error, with the failures of compensations. The failure of a call that was
    /// registered as an undo, if it could never be started ([`Saga::undo`]).
    pub async fn saga<T, F>(&self, body: F) -> Result<T, Failure>
    where
        F: AsyncFnOnce(&mut Saga) -> Result<T, Failure>,
    {
        let scope = self.scope();
        let mut saga = Saga::new(scope.clone());
        let result = scope.run(async { body(&mut saga).await }).await;
        match saga.end(result) {
            Ok(output) => Ok(output),
            Err(failure) => Err(self.shield(saga.unwind(failure)).await),
        }
    }
}

/// What is to be undone if a saga fails; see
/// [`WorkflowContext::saga`](crate::WorkflowContext::saga).
pub struct Saga {
    /// That of the body.
    scope: Scope,
    undo: Vec<Undo>,
    is_parallel: bool,
    /// What was wrong with the first undo that could never be started.
    refused: Option<Failure>,
}

/// A compensation that was registered.
pub struct Undo {
    name: Arc<str>,
    start: Box<dyn FnOnce() -> BoxFuture<'static, Result<(), Failure>> + Send>,
}

impl Undo {
    fn new<Fut>(name: Arc<str>, start: impl FnOnce() -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        Self { name, start: Box::new(move || Box::pin(start())) }
    }
}

/// What can undo a step of a [`Saga`]: calls of activities, of local activities and of child
/// workflows, with their own retry policies and timeouts. They are started when they are needed.
pub trait Compensation: sealed::Sealed {
    /// Takes the call, to be started later.
    #[doc(hidden)]
    fn into_undo(self) -> Result<Undo, Failure>;
}

mod sealed {
    pub trait Sealed {}
}

impl<O> sealed::Sealed for ActivityCall<O> {}
impl<O> Compensation for ActivityCall<O> {
    fn into_undo(self) -> Result<Undo, Failure> {
        let call = self.into_untyped();
        call.check()?;
        let name = Arc::clone(call.activity_type());
        Ok(Undo::new(name, move || {
            let started = call.start();
            async move { started.await.map(drop) }
        }))
    }
}

impl<O> sealed::Sealed for LocalActivityCall<O> {}
impl<O: 'static> Compensation for LocalActivityCall<O> {
    fn into_undo(self) -> Result<Undo, Failure> {
        self.check()?;
        let name = Arc::clone(self.activity_type());
        Ok(Undo::new(name, move || {
            let started = self.start_untyped();
            async move { started.await.map(drop) }
        }))
    }
}

impl<O> sealed::Sealed for ChildWorkflowCall<O> {}
impl<O: 'static> Compensation for ChildWorkflowCall<O> {
    fn into_undo(self) -> Result<Undo, Failure> {
        self.check()?;
        let name = self.workflow_type().into();
        Ok(Undo::new(name, move || {
            let started = self.start_untyped();
            async move { started.await.map(drop) }
        }))
    }
}

impl Saga {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, undo: Vec::new(), is_parallel: false, refused: None }
    }

    /// Registers a call that undoes a step: of an activity, a local activity or a child
    /// workflow. Its output is not looked at.
    ///
    /// Nothing is started before the saga fails. The call's own options hold then: how often it
    /// is retried, and for how long.
    ///
    /// The step may still be under way then, and happen after its undo has run:
    /// [`WorkflowContext::saga`] tells when, and what to do about it.
    ///
    /// A call that could never be started, because of its name, its options or its input, fails
    /// the saga here and now, and not only when it is needed: whatever the body returns, the
    /// saga ends with the call's failure (of type `InvalidActivityOptions`,
    /// `InvalidChildWorkflowOptions` or `EncodeError`), and what was registered is undone. Until
    /// the body returns, its [scope](Scope) is cancelled, so that no further step starts.
    pub fn undo(&mut self, call: impl Compensation) {
        match call.into_undo() {
            Ok(undo) => self.undo.push(undo),
            Err(failure) if self.refused.is_none() => {
                let failure = failure.context("register an undo");
                self.scope.cancel(failure.to_string());
                self.refused = Some(failure);
            }
            // The first one counts.
            Err(_) => {}
        }
    }

    /// Registers a future that undoes a step, for what takes more than one call. It is polled
    /// only if the saga fails; `name` tells of it in the report, should it fail too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult};
    /// # const STOP: Activity<String, ()> =
    /// #     Activity::new("stop").start_to_close_timeout(Duration::from_secs(5));
    /// # const DELETE: Activity<String, ()> =
    /// #     Activity::new("delete").start_to_close_timeout(Duration::from_secs(5));
    /// # const BUILD: Activity<String, ()> =
    /// #     Activity::new("build").start_to_close_timeout(Duration::from_secs(5));
    /// async fn build(ctx: WorkflowContext, id: String) -> WorkflowResult<()> {
    ///     ctx.saga(async |saga| {
    ///         let (cleaner, machine) = (ctx.clone(), id.clone());
    ///         saga.undo_with("remove the machine", async move {
    ///             cleaner.activity(STOP, machine.clone()).await?;
    ///             cleaner.sleep(Duration::from_secs(60)).await;
    ///             cleaner.activity(DELETE, machine).await
    ///         });
    ///         ctx.activity(BUILD, id).await
    ///     })
    ///     .await
    /// }
    /// ```
    pub fn undo_with<F>(&mut self, name: impl Into<Arc<str>>, undo: F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.undo.push(Undo::new(name.into(), move || undo));
    }

    /// Runs the compensations at the same time, started in reverse order. Default: one after the
    /// other, the last registered first.
    pub fn compensate_in_parallel(&mut self) {
        self.is_parallel = true;
    }

    /// The end of the saga, given that of its body.
    pub(super) fn end<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.refused.take().map_or(result, Err)
    }

    /// Undoes everything, the last registered first; reports what could not be undone.
    pub(super) async fn unwind(self, mut failure: Failure) -> Failure {
        let undo = self.undo.into_iter().rev().map(|Undo { name, start }| (name, start));
        let results: Vec<_> = if self.is_parallel {
            let (names, starts): (Vec<_>, Vec<_>) = undo.unzip();
            let results = join_all(starts.into_iter().map(|start| start())).await;
            names.into_iter().zip(results).collect()
        } else {
            let mut results = Vec::with_capacity(undo.len());
            for (name, start) in undo {
                results.push((name, start().await));
            }
            results
        };
        for (name, result) in results {
            if let Err(failed) = result {
                failure = failure.with_failed_compensation(&*name, failed);
            }
        }
        failure
    }
}

impl fmt::Debug for Saga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.undo.iter().map(|undo| &undo.name)).finish()
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Undo").field(&self.name).finish()
    }
}
