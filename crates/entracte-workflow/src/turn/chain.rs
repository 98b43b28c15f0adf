//! How a run goes on in another one: what its last turn decides about that.

use entracte_model::event::WorkflowExecutionStarted;
use entracte_model::id::RunPurpose;
use entracte_model::retry::RetryDecision;
use entracte_model::{EventAttributes, Failure, RetryState, RunId};

use super::command_events::not_begun;
use super::drive::TurnEvents;
use crate::machine::TurnFailure;

impl TurnEvents<'_> {
    /// How the run began, before the turn or in it.
    pub(super) fn started(&self) -> Option<&WorkflowExecutionStarted> {
        let here = self.events().first().and_then(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(started) => Some(started),
            _ => None,
        });
        self.state().started.as_ref().or(here)
    }

    /// The run in which this one goes on, if its next event ends it.
    pub(super) fn next_run_id(&self, run_id: RunId, purpose: RunPurpose) -> RunId {
        RunId::derive(run_id, self.next_event_id(), self.time(), purpose)
    }

    /// Decides whether a run that fails is retried: gives why not, or the run that does
    /// (rule WTO-3).
    pub(super) fn decide_retry(
        &self,
        run_id: RunId,
        failure: &Failure,
    ) -> Result<(RetryState, Option<RunId>), TurnFailure> {
        let started = self.started().ok_or_else(not_begun)?;
        Ok(match started.decide_retry(failure, self.time()) {
            RetryDecision::Retry { .. } => {
                (RetryState::InProgress, Some(self.next_run_id(run_id, RunPurpose::Retry)))
            }
            RetryDecision::Close(retry_state) => (retry_state, None),
            // Runs are not paused.
            RetryDecision::Wait => (RetryState::InProgress, None),
        })
    }
}
