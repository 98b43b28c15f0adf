//! The timeouts of a run, and of its whole chain (rules WTO-1 and WTO-4).

use std::time::Duration;

use entracte_model::event::{WorkflowExecutionStarted, WorkflowExecutionTimedOut};
use entracte_model::{EventAttributes, RetryState, Seq, Timestamp};
use entracte_store::keys::{DueKey, DueKind};
use ractor::ActorProcessingErr;

use super::RunMessage;
use super::effects::Effect;
use super::state::{Change, Mode, RunState, Wake};

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
        let own = started.run_timeout.map(|timeout| start.saturating_add(timeout));
        [own, started.execution_expiration].into_iter().flatten().min()
    }

    /// How long the run may take, which bounds its activities (rules TMO-4 and TMO-5).
    pub(super) fn run_timeout_length(&self) -> Option<Duration> {
        let start = self.rows.as_ref()?.run.start_time;
        self.times_out_at().map(|at| at.saturating_since(start))
    }

    fn run_timeout_key(&self, due: Timestamp) -> DueKey {
        DueKey { due, run_id: self.run_id, kind: DueKind::RunTimeout, seq: Seq::new(0) }
    }

    /// The run has begun: from now on its time passes.
    pub(super) fn record_run_timeout(
        &self,
        started: &WorkflowExecutionStarted,
        change: &mut Change,
    ) {
        if started.run_timeout.is_none() && started.execution_expiration.is_none() {
            return;
        }
        let start = self.rows.as_ref().map(|rows| rows.run.start_time);
        let own = start.zip(started.run_timeout).map(|(start, after)| start.saturating_add(after));
        if let Some(due) = [own, started.execution_expiration].into_iter().flatten().min() {
            change.rows.put_due(self.run_timeout_key(due));
            change.effects.push(Effect::ArmRunTimeout);
        }
    }

    /// The run closes: its time matters no more.
    pub(super) fn forget_run_timeout(&mut self, change: &mut Change) {
        self.run_timeout = None;
        if let Some(due) = self.times_out_at() {
            change.rows.delete_due(self.run_timeout_key(due));
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
        let Some(due) = self.times_out_at() else { return Ok(()) };
        if self.is_closed() || !is_at_work || self.refusal().is_some() {
            return Ok(());
        }
        if due > self.now() {
            self.arm_run_timeout();
            return Ok(());
        }
        let retry_state = RetryState::RetryPolicyNotSet;
        let timed_out = WorkflowExecutionTimedOut { retry_state };
        self.end_from_outside(EventAttributes::WorkflowExecutionTimedOut(timed_out))
    }
}
