//! Cancellation scopes: what is cancelled together, waiting for that, and being shielded from it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::WorkflowContext;
use super::core::{CancelWaiter, Core, ScopeId};

impl WorkflowContext {
    /// Whether the run was asked to cancel. The answer is the same in every scope, also inside
    /// a shield; for that of a scope see [`Scope::is_cancelled`].
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.core.cancel_reason(ScopeId::ROOT).is_some()
    }

    /// Why the run was asked to cancel, in the words of whoever asked; none if it was not.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<String> {
        self.core.cancel_reason(ScopeId::ROOT).map(|reason| reason.as_ref().to_owned())
    }

    /// Waits until the run is asked to cancel. Afterwards it is over at once, as
    /// [`Scope::cancelled`] is.
    pub fn cancelled(&self) -> Cancelled {
        Scope::root(&self.core).cancelled()
    }

    /// Makes a scope that can be cancelled by itself (rules CAN-2 and CAN-3), inside of the one
    /// in which this is called. Nothing runs in it before [`Scope::run`].
    ///
    /// The cancellation of the run, or of a scope around it, is its own too; its own concerns
    /// neither.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(&self.core, false)
    }

    /// Makes a scope that no cancellation reaches but its own: of what is to be cleaned up after
    /// one. Whether it is made before or after makes no difference.
    ///
    /// [`shield`](Self::shield) runs a future in such a scope.
    #[must_use]
    pub fn shielded_scope(&self) -> Scope {
        Scope::new(&self.core, true)
    }

    /// The scope in which this is called: that of [`Scope::run`] or of a shield, or the run
    /// itself, whose cancellation by its own code is as if it had been asked to.
    #[must_use]
    pub fn current_scope(&self) -> Scope {
        Scope::current(&self.core)
    }

    /// Runs a future shielded from the cancellation of the run and of all scopes around it (rule
    /// CAN-3).
    ///
    /// What is started or awaited inside does not react when they are cancelled, and new
    /// activities, children and timers can be started although they were. That goes for a call
    /// and for a sleep that are handed to the shield as well: what is started, is started inside.
    /// Dropping a started operation requests its cancellation here as anywhere.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult};
    /// # const RELEASE: Activity<String, ()> =
    /// #     Activity::new("release").start_to_close_timeout(Duration::from_secs(5));
    /// async fn hold(ctx: WorkflowContext, room: String) -> WorkflowResult<()> {
    ///     let held = ctx.sleep_or_cancelled(Duration::from_secs(3600)).await;
    ///     ctx.shield(ctx.sleep(Duration::from_secs(5))).await; // also if the run was cancelled
    ///     ctx.shield(ctx.activity(RELEASE, room)).await?;
    ///     held
    /// }
    /// ```
    pub fn shield<F: IntoFuture>(&self, future: F) -> Scoped<F::IntoFuture> {
        self.shielded_scope().run(future)
    }
}

/// A part of a workflow that can be cancelled by itself; see
/// [`WorkflowContext::scope`](crate::WorkflowContext::scope). Cheap to clone.
///
/// Scopes form a tree whose root is the run (rule CAN-3). Cancelling one cancels those below it,
/// never those above. Everything that is pending in a cancelled scope reacts by its own
/// cancellation type (rule CAN-2): timers are over, activities and children are asked to cancel,
/// [`recv_or_cancelled`](crate::Signals::recv_or_cancelled) ends; what was sent to another
/// workflow goes on. What is started in it afterwards fails at once as cancelled, without an
/// event.
///
/// An operation belongs to the scope in which it is started, and from when it is awaited in a
/// scope further inside, to that one.
///
/// Dropping the handle cancels nothing. Once the run has ended, and outside of its turns, a
/// scope is inert like its context.
///
/// ```
/// use std::time::Duration;
/// use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, join, select};
///
/// const INDEX: Activity<String, u64> =
///     Activity::new("index").start_to_close_timeout(Duration::from_secs(600));
///
/// // Indexes two shelves, and gives both up when the first hour is over.
/// async fn index(ctx: WorkflowContext, (left, right): (String, String)) -> WorkflowResult<u64> {
///     let scope = ctx.scope();
///     let both = scope.run(async {
///         let (left, right) = join!(ctx.activity(INDEX, left), ctx.activity(INDEX, right));
///         Ok(left? + right?)
///     });
///     let deadline = async {
///         ctx.sleep(Duration::from_secs(3600)).await;
///         scope.cancel("an hour is over");
///         std::future::pending().await
///     };
///     select! {
///         indexed = both => indexed,
///         never = deadline => never,
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Scope {
    held: Arc<HeldScope>,
}

/// Keeps a scope in the tree.
struct HeldScope {
    core: Arc<Core>,
    id: ScopeId,
}

impl Drop for HeldScope {
    fn drop(&mut self) {
        self.core.release_scope(self.id);
    }
}

impl Scope {
    /// A new scope inside of the one that is being polled.
    fn new(core: &Arc<Core>, is_shielded: bool) -> Self {
        Self::inside(core, core.scope_here(), is_shielded)
    }

    /// The scope that is being polled.
    fn current(core: &Arc<Core>) -> Self {
        Self::known(core, core.scope_here())
    }

    /// The run.
    fn root(core: &Arc<Core>) -> Self {
        Self::known(core, ScopeId::ROOT)
    }

    fn inside(core: &Arc<Core>, parent: ScopeId, is_shielded: bool) -> Self {
        let id = core.make_scope(parent, is_shielded);
        Self { held: Arc::new(HeldScope { core: Arc::clone(core), id }) }
    }

    fn known(core: &Arc<Core>, id: ScopeId) -> Self {
        core.hold_scope(id);
        Self { held: Arc::new(HeldScope { core: Arc::clone(core), id }) }
    }

    /// Runs a future in the scope: what it starts and awaits is cancelled with the scope.
    ///
    /// The output is the future's own: a cancelled scope does not end its code, but everything
    /// that it waits for. Several futures can be run in one scope, one after the other or at the
    /// same time.
    pub fn run<F: IntoFuture>(&self, future: F) -> Scoped<F::IntoFuture> {
        Scoped::new(self.clone(), future)
    }

    /// Makes a scope inside of this one, which is cancelled with it.
    #[must_use]
    pub fn scope(&self) -> Self {
        Self::inside(&self.held.core, self.held.id, false)
    }

    /// Cancels the scope and those inside of it, except behind a
    /// [shield](crate::WorkflowContext::shield). A second time changes nothing.
    ///
    /// Children that are asked to cancel are told the reason, as whoever asks a run is.
    pub fn cancel(&self, reason: impl Into<String>) {
        let reason: String = reason.into();
        self.held.core.cancel_scope(self.held.id, reason.into());
    }

    /// Whether the scope is cancelled, by itself or with one around it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.held.core.cancel_reason(self.held.id).is_some()
    }

    /// Why the scope is cancelled, in the words of whoever cancelled it, or one around it, or
    /// asked the run to cancel; none if it is not.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<String> {
        self.held.core.cancel_reason(self.held.id).map(|reason| reason.as_ref().to_owned())
    }

    /// Waits until the scope is cancelled. If it is already, that is over at once, however often:
    /// a loop around it that waits for nothing else fails its turn
    /// ([`TurnFailure::NeverRests`](crate::TurnFailure::NeverRests)).
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { scope: self.clone(), waiter: None }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("cancel_reason", &self.cancel_reason())
            .finish_non_exhaustive()
    }
}

/// The future of [`Scope::cancelled`] and
/// [`WorkflowContext::cancelled`](crate::WorkflowContext::cancelled).
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Cancelled {
    scope: Scope,
    waiter: Option<CancelWaiter>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { scope, waiter } = &mut *self;
        let HeldScope { core, id } = &*scope.held;
        match core.poll_cancelled(*id, waiter, cx.waker()) {
            // Once cancelled, it is ready for ever: a loop around it must not hold its thread.
            Poll::Ready(()) if !core.admit_immediate() => Poll::Pending,
            polled => polled,
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.scope.held.core.release_cancel_waiter(waiter);
        }
    }
}

/// The future of [`Scope::run`] and [`WorkflowContext::shield`](crate::WorkflowContext::shield).
#[must_use = "futures do nothing unless awaited"]
pub struct Scoped<F> {
    scope: Scope,
    future: Pin<Box<F>>,
}

impl<F: Future> Scoped<F> {
    pub(super) fn new(scope: Scope, future: impl IntoFuture<IntoFuture = F>) -> Self {
        let entered = scope.held.core.enter_scope(scope.held.id);
        let future = Box::pin(future.into_future());
        drop(entered);
        Self { scope, future }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { scope, future } = &mut *self;
        let _entered = scope.held.core.enter_scope(scope.held.id);
        future.as_mut().poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("scope", &self.scope).finish_non_exhaustive()
    }
}
