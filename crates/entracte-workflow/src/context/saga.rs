//! Steps that undo each other.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use entracte_model::Failure;
use futures_util::future::BoxFuture;

use super::activity::ActivityCall;
use super::child::ChildWorkflowCall;
use super::local_activity::LocalActivityCall;
use super::scope::Scope;
use crate::combine::join_all;

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
    /// The step may still be under way then, and happen after its undo has run: see
    /// [there](crate::WorkflowContext::saga#an-undo-may-overtake-its-step) for what to do about
    /// it.
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
