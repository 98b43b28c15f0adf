//! Requests to cancel: how they are acknowledged.
//!
//! A client repeats a request whose answer was lost with the run's actor. By then the request may
//! have been taken up, and the run have closed because of it: so its event names the request, and
//! the client finds it there instead of asking the run that goes on with the chain. A run takes
//! one request up at most, so that one id is all that its history keeps.

use ractor::ActorProcessingErr;

use super::effect::Answer;
use super::input::{Input, QueuedInput};
use super::state::RunState;
use crate::messages::{CancelRequest, DoneReply};

impl RunState {
    /// A client asks the run to cancel. It is answered when the request is durable: as an event,
    /// or as a row in the inbox.
    pub(super) fn cancel(
        &mut self,
        request: CancelRequest,
        reply: DoneReply,
    ) -> Result<(), ActorProcessingErr> {
        let refusal = self.refusal_of_inputs();
        if refusal.is_none() {
            self.accept_cancel(request)?;
        }
        self.answer(Answer::Done(reply, refusal.map_or(Ok(()), Err)));
        Ok(())
    }

    fn accept_cancel(&mut self, request: CancelRequest) -> Result<(), ActorProcessingErr> {
        if self.is_asked_to_cancel() {
            return Ok(());
        }
        let queued = QueuedInput { input: Input::CancelRequested(request), inbox_sequence: None };
        if self.can_take_turns() {
            return self.take_turn(queued);
        }
        self.keep([queued]);
        // It wakes a run that sleeps before its first turn.
        self.pump()
    }

    /// Whether the run has taken up a request to cancel, or one of a client's waits for its turn: a
    /// further one changes nothing then (rule CAN-1).
    pub(super) fn is_asked_to_cancel(&self) -> bool {
        let is_asked = |queued: &QueuedInput| matches!(queued.input, Input::CancelRequested(_));
        self.history.cancel_requested || self.inputs.iter().any(is_asked)
    }
}
