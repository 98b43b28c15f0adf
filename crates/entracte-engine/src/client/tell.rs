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

/// Where copies of something may be that the runs of a chain are told one after the other.
pub(crate) struct Copies {
    /// The run that is told.
    pub(crate) run_id: RunId,
    /// Whether one may have been taken up: of this call, or of one before it.
    pub(crate) is_repeated: bool,
    /// Whether this call may have left one.
    pub(crate) is_left: bool,
}

impl Copies {
    /// The run was told so many times.
    pub(super) fn told(&mut self, asked: u32) {
        self.is_left |= asked > 1;
        self.is_repeated |= self.is_left;
    }
}

/// What is answered to a call of which an earlier copy may have been taken up: that the engine
/// has stopped does not say then that nothing was changed.
pub(super) fn or_unknown<T, E: TellError>(
    answer: Result<T, E>,
    run_id: RunId,
    is_left: bool,
) -> Result<T, E> {
    answer.map_err(|error| match error.engine_stopped() {
        Some(stopped) if is_left => E::outcome_unknown(run_id, stopped.clone()),
        _ => error,
    })
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

#[cfg(test)]
mod tests {
    use entracte_model::Timestamp;

    use super::*;

    #[test]
    fn an_engine_that_stops_behind_a_copy_leaves_the_outcome_unknown() {
        let run_id = RunId::from_time_and_random(Timestamp::from_unix_millis(1), [1; 10]);
        let mut copies = Copies { run_id, is_repeated: false, is_left: false };
        let stopped = || Err::<(), _>(RunError::EngineStopped(EngineStopped::killed()));
        copies.told(1);
        let told_once = or_unknown(stopped(), run_id, copies.is_left);
        assert!(matches!(told_once, Err(RunError::EngineStopped(_))), "{told_once:?}");
        copies.told(2);
        copies.told(1);
        assert!(copies.is_repeated);
        let told_twice = or_unknown(stopped(), run_id, copies.is_left);
        assert!(matches!(told_twice, Err(RunError::OutcomeUnknown { .. })), "{told_twice:?}");
        let closed = Err::<(), _>(RunError::AlreadyClosed { run_id });
        let closed = or_unknown(closed, run_id, copies.is_left);
        assert!(matches!(closed, Err(RunError::AlreadyClosed { .. })), "{closed:?}");
    }
}
