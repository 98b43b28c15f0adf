//! An attempt: one try at an activity, under its run.
//!
//! The attempt runs the user's code and sends what came of it to its run. A result that the run
//! no longer waits for is refused there, by (activity, attempt). The run keeps the attempt's
//! deadlines; when one has passed it kills this actor, which drops the code's future: it really
//! stops. The code of a blocking activity is only told, and left behind.

mod blocking;
mod panics;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{Failure, Payload, Seq, TimeoutType};
use entracte_workflow::{
    ActivityCanceller, ActivityContext, CancelCause, ErasedActivity, InterceptorChain,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};

pub(crate) use self::panics::install_hook;
use self::panics::watch;
use super::presence::Presence;
use crate::address::Address;
use crate::messages::{AttemptOutcome, RunMessage};
use crate::overrunning::Codes;
use crate::task_queues::Permit;

pub(crate) struct Attempt;

pub(crate) struct AttemptArguments {
    pub(crate) seq: Seq,
    pub(crate) attempt: u32,
    pub(crate) activity: ErasedActivity,
    pub(crate) interceptors: InterceptorChain,
    pub(crate) context: ActivityContext,
    pub(crate) canceller: ActivityCanceller,
    pub(crate) input: Vec<Payload>,
    pub(crate) result_bytes_max: usize,
    pub(crate) codes: Arc<Codes>,
    pub(crate) run: Address<RunMessage>,
    pub(crate) presence: Presence,
    /// Given back when the code has ended; none for a local activity, which needs no slot.
    pub(crate) permit: Option<Permit>,
}

impl Actor for Attempt {
    /// Attempts are told nothing by message: cancellation reaches the context at once.
    type Msg = ();
    type State = Option<AttemptArguments>;
    type Arguments = AttemptArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<()>,
        arguments: AttemptArguments,
    ) -> Result<Option<AttemptArguments>, ActorProcessingErr> {
        Ok(Some(arguments))
    }

    async fn post_start(
        &self,
        myself: ActorRef<()>,
        state: &mut Option<AttemptArguments>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(arguments) = state.take() {
            let AttemptArguments { seq, attempt, run, presence, .. } = &arguments;
            let (seq, attempt, run, presence) = (*seq, *attempt, run.clone(), presence.clone());
            let outcome = execute(arguments).await;
            let _ = run.cast(RunMessage::AttemptEnded { seq, attempt, outcome });
            drop(presence);
        }
        myself.stop(None);
        Ok(())
    }
}

async fn execute(arguments: AttemptArguments) -> AttemptOutcome {
    let AttemptArguments { activity, interceptors, context, canceller, input, codes, .. } =
        arguments;
    // Code that outlives its attempt keeps the slot.
    let permit = arguments.permit.map(Arc::new);
    let permit_of_code = permit.clone();
    let code = move |context, input| match activity {
        ErasedActivity::Async(activity) => activity(context, input),
        ErasedActivity::Blocking(activity) => {
            blocking::start(activity, context, input, &codes, permit_of_code).boxed()
        }
    };
    // The call itself may panic as well as the future it returns.
    let work = watch(|| interceptors.execute_activity(context, input, code))?;
    let result = Watched { work: Some(work), canceller }.await?;
    drop(permit);
    if result.data().len() > arguments.result_bytes_max {
        return Err(Failure::non_retryable(
            "PayloadTooLarge",
            format!(
                "Complete result exceeds size limit: {} bytes, {} allowed",
                result.data().len(),
                arguments.result_bytes_max
            ),
        ));
    }
    Ok(result)
}

/// A future whose panics are failures. What it panics with when it is dropped it keeps to itself:
/// nobody wants to know, and it must not take the end of its actor with it.
/// If it has not ended then, whatever still has the attempt's context is told.
struct Watched {
    work: Option<BoxFuture<'static, AttemptOutcome>>,
    canceller: ActivityCanceller,
}

impl Future for Watched {
    type Output = AttemptOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AttemptOutcome> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = watch(|| work.poll_unpin(cx));
        let outcome = polled.unwrap_or_else(|failure| Poll::Ready(Err(failure)));
        if outcome.is_ready() {
            self.drop_work();
        }
        outcome
    }
}

impl Watched {
    fn drop_work(&mut self) {
        let work = self.work.take();
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.work.is_some() {
            // Only the first cause counts: the run has told a better one if it could.
            self.canceller.cancel(CancelCause::Lost);
            self.drop_work();
        }
    }
}

/// The failure of an attempt whose end nobody saw (rule 6 of the design).
pub(crate) fn lost_attempt(how: &str) -> Failure {
    Failure::timeout(TimeoutType::StartToClose, format!("attempt lost: {how}"))
}

impl std::fmt::Debug for AttemptArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seq, attempt, presence, .. } = self;
        write!(f, "Attempt {{ seq: {seq}, attempt: {attempt}, presence: {presence:?} }}")
    }
}
