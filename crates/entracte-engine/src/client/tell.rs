//! Telling a run something that it takes up once, however often it is told.

use entracte_model::RunId;
use tokio::sync::oneshot;

use super::Client;
use crate::errors::{
    AsyncActivityError, EngineStopped, PendingActivityError, RunError, SignalError,
};
use crate::messages::{DirectoryMessage, RunCall};

/// An error of telling a run something.
pub(super) trait TellError: From<EngineStopped> {
    /// Whether the engine had stopped before it took the call up.
    fn engine_stopped(&self) -> Option<&EngineStopped>;

    /// The call may have been taken up, and its answer is lost.
    fn outcome_unknown(run_id: RunId, stopped: EngineStopped) -> Self;
}

macro_rules! tell_error {
    ($error:ident) => {
        impl TellError for $error {
            fn engine_stopped(&self) -> Option<&EngineStopped> {
                match self {
                    Self::EngineStopped(stopped) => Some(stopped),
                    _ => None,
                }
            }

            fn outcome_unknown(run_id: RunId, stopped: EngineStopped) -> Self {
                Self::OutcomeUnknown { run_id, reason: stopped.reason }
            }
        }
    };
}

tell_error!(RunError);
tell_error!(SignalError);
tell_error!(AsyncActivityError);
tell_error!(PendingActivityError);

impl Client {
    /// Tells a run something until there is an answer; gives the answer, and how often the run
    /// was told.
    pub(super) async fn tell<T, E: TellError>(
        &self,
        run_id: RunId,
        call: impl Fn(oneshot::Sender<Result<T, E>>) -> RunCall,
    ) -> (Result<T, E>, u32) {
        let mut asked = 0;
        if let Some(stopped) = self.stopped() {
            return (Err(stopped.into()), asked);
        }
        loop {
            asked += 1;
            let question = |reply| DirectoryMessage::Call { run_id, call: call(reply) };
            let stopped = match self.ask_once(question).await {
                Ok(Some(answer)) => match answer.as_ref().err().and_then(TellError::engine_stopped)
                {
                    Some(stopped) => stopped.clone(),
                    None => return (answer, asked),
                },
                Err(stopped) => stopped,
                Ok(None) => match self.stopped() {
                    Some(stopped) => return (Err(E::outcome_unknown(run_id, stopped)), asked),
                    None => {
                        tokio::task::yield_now().await;
                        continue;
                    }
                },
            };
            let unknown = asked > 1;
            let error = if unknown { E::outcome_unknown(run_id, stopped) } else { stopped.into() };
            return (Err(error), asked);
        }
    }
}
