//! Interceptors: code around the calls of clients and workflows, and around attempts.

mod call;
mod chain;
mod propagate;

use entracte_model::{Failure, Payload};
use futures_util::future::BoxFuture;

pub use self::call::{ClientCall, ClientCallKind, WorkflowCall, WorkflowCallKind, WorkflowInfo};
pub use self::chain::{ActivityCode, InterceptorChain, NextActivity};
pub use self::propagate::PropagateHeaders;
use crate::ActivityResult;
use crate::activity::ActivityContext;

/// Code around the calls of clients and workflows and around the attempts at activities, for
/// tracing, authorisation and metrics (rule WRK-3).
///
/// Each method is optional. Of several interceptors, the one that was registered first is the
/// outermost: it sees a call first, and the end of an attempt last.
///
/// | method | runs | may |
/// |---|---|---|
/// | [`client_call`](Self::client_call) | before a client's start, signal or query is sent | change input and headers, refuse |
/// | [`workflow_call`](Self::workflow_call) | when workflow code calls, **also on replay** | change input and headers |
/// | [`execute_activity`](Self::execute_activity) | around every attempt | all of it, and wait |
///
/// ```
/// use std::time::Instant;
///
/// use entracte_model::{Failure, Payload};
/// use entracte_workflow::{
///     ActivityContext, ActivityResult, BoxFuture, ClientCall, Interceptor, NextActivity,
/// };
///
/// /// Lets only those start attempts whose client had a token.
/// struct Guard {
///     token: String,
/// }
///
/// impl Interceptor for Guard {
///     fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
///         call.headers.insert("token", &self.token)?;
///         Ok(())
///     }
///
///     fn execute_activity<'a>(
///         &'a self,
///         ctx: ActivityContext,
///         input: Vec<Payload>,
///         next: NextActivity<'a>,
///     ) -> BoxFuture<'a, ActivityResult<Payload>> {
///         Box::pin(async move {
///             if ctx.headers().get("token") != Some(Ok(self.token.clone())) {
///                 return Err(Failure::non_retryable("Unauthorised", "no token"));
///             }
///             let begun = Instant::now();
///             let result = next.run(ctx, input).await;
///             println!("it took {:?}", begun.elapsed());
///             result
///         })
///     }
/// }
/// ```
///
/// [`PropagateHeaders`] hands what the client has set on to the activities.
pub trait Interceptor: Send + Sync + 'static {
    /// Sees a client's call before it is sent, and may change its input and headers.
    ///
    /// It runs once for each call, on the caller's task: it must not block. What it leaves is
    /// what is checked against the engine's limits. A panic of it is one of the caller.
    ///
    /// # Errors
    /// A failure refuses the call: nothing is sent, and the caller gets it.
    fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
        let _ = call;
        Ok(())
    }

    /// Sees a call that workflow code makes, and may change its input and headers.
    ///
    /// **This is workflow code.** It runs within a turn, and again whenever the run is rebuilt
    /// from its history; then what it decides is dropped, for the history has what it decided
    /// the first time. So it must come to the same decision each time: no clock, no random
    /// numbers, no I/O, no global state; only what `workflow` and `call` say. It must not block
    /// and must not count: a replay would count again
    /// ([`is_replaying`](WorkflowInfo::is_replaying) tells). A panic fails the turn: the run is
    /// parked until the interceptor is mended.
    fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        let _ = (workflow, call);
    }

    /// Runs around an attempt at an activity, each one anew: [`next.run`](NextActivity::run)
    /// runs the interceptors behind this one, and then the activity's code.
    ///
    /// It may change the input and the context on their way in and the result on its way out,
    /// or return a [`Failure`] without running the code: the attempt has failed then, and is
    /// retried as that failure says. A panic is the attempt's, as if its code had panicked
    /// (rule FAIL-3). An attempt that times out, or whose run closes, is dropped where it
    /// waits: its end is not seen here, other than by the destructors of what is held. Blocking
    /// activities run behind it on a thread of their own.
    ///
    /// Default: runs what is next.
    ///
    /// # Errors
    /// The future's failure is the attempt's.
    fn execute_activity<'a>(
        &'a self,
        ctx: ActivityContext,
        input: Vec<Payload>,
        next: NextActivity<'a>,
    ) -> BoxFuture<'a, ActivityResult<Payload>> {
        next.run(ctx, input)
    }
}
