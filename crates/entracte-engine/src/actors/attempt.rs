//! An attempt: one try at an activity, under its run.
//!
//! The attempt runs the user's code and sends what came of it to its run. A result that the run
//! no longer waits for is refused there, by (activity, attempt). The run keeps the attempt's
//! deadlines; when one has passed it kills this actor, which drops the code's future: it really
//! stops.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use entracte_model::{Failure, Payload, Seq, TimeoutType};
use entracte_workflow::{ActivityContext, ErasedActivity};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::presence::Presence;
use super::run::RunMessage;

/// The type of the failure that a panic of an activity becomes (rule FAIL-3).
pub(crate) const PANIC_ERROR: &str = "PanicError";

pub(crate) struct Attempt;

pub(crate) struct AttemptArguments {
    pub(crate) seq: Seq,
    pub(crate) attempt: u32,
    pub(crate) activity: ErasedActivity,
    pub(crate) context: ActivityContext,
    pub(crate) input: Vec<Payload>,
    pub(crate) result_bytes_max: usize,
    pub(crate) run: ActorRef<RunMessage>,
    pub(crate) presence: Presence,
}

/// What came of an attempt.
pub(crate) type AttemptOutcome = Result<Payload, Failure>;

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
    let AttemptArguments { activity, context, input, .. } = arguments;
    // The call itself may panic as well as the future it returns.
    let work = Contained(Some(async move { activity(context, input).await }.boxed()));
    let work = AssertUnwindSafe(work).catch_unwind();
    let result = work.await.map_err(|panic| panicked(&*panic))??;
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

/// A future that keeps to itself what it panics with when it is dropped: nobody wants to know,
/// and it must not take the end of its actor with it.
struct Contained(Option<BoxFuture<'static, AttemptOutcome>>);

impl Future for Contained {
    type Output = AttemptOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AttemptOutcome> {
        match &mut self.0 {
            Some(work) => work.poll_unpin(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let work = self.0.take();
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(work)));
    }
}

/// The failure of an attempt whose end nobody saw (rule 6 of the design).
pub(crate) fn lost_attempt(how: &str) -> Failure {
    Failure::timeout(TimeoutType::StartToClose, format!("attempt lost: {how}"))
}

/// A panic is a retryable failure with the panic's message (rule FAIL-3).
fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    Failure::application(PANIC_ERROR, message)
}

impl std::fmt::Debug for AttemptArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seq, attempt, presence, .. } = self;
        write!(f, "Attempt {{ seq: {seq}, attempt: {attempt}, presence: {presence:?} }}")
    }
}
