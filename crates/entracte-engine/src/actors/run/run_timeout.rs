//! The timeouts of a run, and of its whole chain (rules WTO-1, WTO-2 and WTO-4).

use std::time::Duration;

use entracte_model::event::{
    WorkflowExecutionStarted, WorkflowExecutionTimedOut, run_timeout_failure,
};
use entracte_model::id::RunPurpose;
use entracte_model::retry::RetryDecision;
use entracte_model::{EventAttributes, RetryState, RunId, Seq, Timestamp};
use entracte_store::keys::{DueKey, DueKind};
use ractor::ActorProcessingErr;

use super::alarm::Wake;
use super::effect::Effect;
use super::state::{Change, Mode, RunState};
use crate::messages::RunMessage;

impl RunState {
    /// When the run times out, if ever: with its own timeout, or with its chain.
    fn times_out_at(&self) -> Option<Timestamp> {
        let start = self.rows.as_ref()?.run.start_time;
        let waiting;
        let started = match &self.history.started {
            Some(started) => started,
            // Its first turn has failed so far.
            None => {
                waiting = self.waiting_start()?;
                &waiting
            }
        };
        started.times_out_at(start)
    }

    /// Whether the run's time is over; then it takes no first turn.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.times_out_at().is_some_and(|at| at <= self.now())
    }

    /// How long the run may take, which bounds its activities (rules TMO-4 and TMO-5).
    pub(super) fn run_timeout_length(&self) -> Option<Duration> {
        let start = self.rows.as_ref()?.run.start_time;
        let start = self.history.started.as_ref().map_or(start, |it| it.first_task_time(start));
        self.times_out_at().map(|at| at.saturating_since(start))
    }

    /// The run has begun: from now on its time passes.
    pub(super) fn record_run_timeout(
        &self,
        started: &WorkflowExecutionStarted,
        change: &mut Change,
    ) {
        let Some(rows) = &self.rows else { return };
        if let Some(due) = started.times_out_at(rows.run.start_time) {
            change.rows.put_due(run_timeout_key(self.run_id, due));
            change.effects.push(Effect::ArmRunTimeout);
        }
    }

    /// The run closes: its time matters no more.
    pub(super) fn forget_run_timeout(&mut self, change: &mut Change) {
        self.run_timeout = None;
        if let Some(due) = self.times_out_at() {
            change.rows.delete_due(run_timeout_key(self.run_id, due));
        }
    }

    pub(super) fn arm_run_timeout(&mut self) {
        let Some(due) = self.times_out_at().filter(|_| !self.is_closed()) else { return };
        let delay = self.until(due).min(self.shared.clock.sleep_max());
        self.run_timeout = Some(Wake(self.myself.send_after(delay, || RunMessage::RunTimeout)));
    }

    /// The run's time may be over: if so, it ends, without a turn (rule WTO-4).
    pub(super) fn run_timeout_due(&mut self) -> Result<(), ActorProcessingErr> {
        let is_at_work = matches!(self.mode, Mode::Running | Mode::Draining);
        if self.is_closed() || !is_at_work || self.refusal().is_some() {
            return Ok(());
        }
        if !self.is_out_of_time() {
            self.arm_run_timeout();
            return Ok(());
        }
        let timed_out = self.time_out();
        self.end_from_outside(EventAttributes::WorkflowExecutionTimedOut(timed_out))
    }

    /// Decides whether a run whose time is over is retried (rule WTO-2). The end of its chain's
    /// time is final.
    fn time_out(&self) -> WorkflowExecutionTimedOut {
        let close =
            |retry_state| WorkflowExecutionTimedOut { retry_state, new_execution_run_id: None };
        let waiting = self.waiting_start();
        let now = self.now();
        let Some(started) = self.history.started.as_ref().or(waiting.as_ref()) else {
            return close(RetryState::InternalServerError);
        };
        if started.execution_expiration.is_some_and(|expiration| expiration <= now) {
            return close(RetryState::Timeout);
        }
        match started.decide_retry(&run_timeout_failure(), now) {
            // What waits for the run would be lost: it cannot be read, and so not be passed on.
            RetryDecision::Retry { .. } if !self.is_resumed => {
                close(RetryState::InternalServerError)
            }
            RetryDecision::Retry { .. } => {
                let is_begun = self.history.started.is_some();
                let event_id = self.history.next_event_id.plus(u64::from(!is_begun));
                let new = RunId::derive(self.run_id, event_id, now, RunPurpose::Retry);
                let new_execution_run_id = Some(new);
                WorkflowExecutionTimedOut {
                    retry_state: RetryState::InProgress,
                    new_execution_run_id,
                }
            }
            RetryDecision::Close(retry_state) => close(retry_state),
            // Runs are not paused.
            RetryDecision::Wait => close(RetryState::InternalServerError),
        }
    }
}

pub(super) fn run_timeout_key(run_id: RunId, due: Timestamp) -> DueKey {
    DueKey { due, run_id, kind: DueKind::RunTimeout, seq: Seq::new(0) }
}
