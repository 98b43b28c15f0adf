//! Parking: a turn that fails does not fail its run.
//!
//! The run stays open and visible with the cause; what reaches it is kept in its inbox; the
//! turn is tried again after a back-off, and when an engine with new code opens the run.

use std::sync::Arc;
use std::time::Duration;

use entracte_model::RetryPolicy;
use entracte_model::event::WorkflowExecutionStarted;
use entracte_store::keys::{self, InboxKey, KeyRange};
use entracte_store::rows::{InboxMessage, InboxRow};
use entracte_workflow::{ErasedWorkflow, TurnFailure};
use ractor::ActorProcessingErr;

use super::effect::Effect;
use super::input::{Input, QueuedInput};
use super::state::{Change, Parked, RunState};
use crate::description::SignalsDescription;
use crate::errors::ParkCause;
use crate::messages::CancelRequest;

/// How often a failed turn is tried again: Temporal's back-off for failing workflow tasks is
/// capped at ten minutes too (rule WFT-6), but starts later.
pub(super) fn retry_policy() -> RetryPolicy {
    RetryPolicy { maximum_interval: Some(Duration::from_secs(600)), ..RetryPolicy::default() }
}

impl RunState {
    /// Parks the run; `failed` are the inputs whose turn failed.
    pub(super) fn park(&mut self, cause: ParkCause, failed: impl IntoIterator<Item = QueuedInput>) {
        let now = self.now();
        self.machine = None;
        self.signals_seen = SignalsDescription::default();
        self.failed_turns += 1;
        tracing::error!(
            workflow.run_id = %self.run_id,
            failed_turns = self.failed_turns,
            %cause,
            "a turn of a run failed: the run is parked"
        );
        let since = *self.failing_since.get_or_insert(now);
        let next_retry = now.saturating_add(retry_policy().delay_after(self.failed_turns));
        let failed_turns = self.failed_turns;
        self.parked = Some(Parked { cause, since, failed_turns, next_retry });
        self.parkings += 1;
        let mut waiting: Vec<_> = failed.into_iter().collect();
        waiting.extend(self.inputs.take_all());
        self.keep(waiting);
        self.ready.push_back(Effect::ArmTurnRetry { parking: self.parkings, at: next_retry });
    }

    /// Keeps inputs in the run's inbox until it can take turns for them.
    pub(super) fn keep(&mut self, inputs: impl IntoIterator<Item = QueuedInput>) {
        let mut change = self.change();
        for queued in inputs {
            let Some(mut queued) = self.take_over_cancel(queued, &mut change) else { continue };
            if queued.inbox_sequence.is_none() {
                self.keep_one(&mut queued, &mut change);
            }
            self.inputs.push_back(queued);
        }
        if !change.rows.is_empty() {
            self.append(change);
        }
    }

    /// Keeps every input that waits for its turn.
    pub(super) fn keep_inputs(&mut self) {
        if self.inputs.has_unkept() {
            let waiting: Vec<_> = self.inputs.take_all().collect();
            self.keep(waiting);
        }
    }

    /// Answers another run that asks this one to cancel: the answer must not wait until the code
    /// is mended. Gives what is left to be kept; nothing if the run was asked before.
    fn take_over_cancel(&self, queued: QueuedInput, change: &mut Change) -> Option<QueuedInput> {
        let Some(reason) = queued.input.sent_cancel() else { return Some(queued) };
        self.settle_delivery(&queued.input, change);
        let input = Input::CancelRequested(CancelRequest { reason, request_id: None });
        (!self.is_asked_to_cancel()).then_some(QueuedInput { input, inbox_sequence: None })
    }

    fn keep_one(&mut self, queued: &mut QueuedInput, change: &mut Change) {
        let Some(message) = queued.input.to_inbox() else { return };
        let sequence = self.inbox_next;
        self.inbox_next += 1;
        queued.inbox_sequence = Some(sequence);
        let row = InboxRow { sender: None, received_at: change.time, message };
        change.rows.put_inbox(InboxKey { run_id: self.run_id, sequence }, &row);
        match &queued.input {
            // The client's answer must not wait until the code is mended.
            Input::Start(started) => self.record_start(started, change.time, change),
            // From here on the inbox is what keeps the outcome, not the attempt.
            Input::ActivityClosed(closed) => self.forget_activity(closed.seq, change),
            _ => {}
        }
    }

    /// The start of a run that has not begun; also if something else in its inbox cannot be read.
    pub(super) fn waiting_start(&self) -> Option<WorkflowExecutionStarted> {
        let in_memory = self.inputs.iter().find_map(|queued| match &queued.input {
            Input::Start(started) => Some(WorkflowExecutionStarted::clone(started)),
            _ => None,
        });
        if in_memory.is_some() || self.is_resumed {
            return in_memory;
        }
        let KeyRange { space, start, end } = keys::inbox_of(self.run_id);
        let rows = self.shared.store.scan(space, &start, end.as_deref(), usize::MAX).ok()?;
        rows.iter().find_map(|row| match InboxRow::from_bytes(&row.value).ok()?.message {
            InboxMessage::Start(started) => Some(*started),
            _ => None,
        })
    }

    /// Tries the turn again that failed.
    pub(super) fn retry_turn(&mut self, parking: u64) -> Result<(), ActorProcessingErr> {
        if parking != self.parkings || self.parked.is_none() || self.is_closed() {
            return Ok(());
        }
        if !self.appends.is_empty() {
            // What was just kept is not in the store yet.
            self.turn_retry_waits = true;
            return Ok(());
        }
        self.parked = None;
        if !self.is_resumed {
            return self.come_back();
        }
        if let Err(cause) = self.restore() {
            self.park(cause, None);
            return Ok(());
        }
        self.check_history_length()?;
        if self.is_closed() {
            return Ok(());
        }
        self.resume_local();
        // It may have been due while nothing could be written.
        self.ready.push_back(Effect::ArmRunTimeout);
        self.pump()
    }

    /// A turn succeeded: if the ones before it failed, that is over.
    pub(super) fn turn_succeeded(&mut self) {
        if self.failing_since.take().is_some() {
            let failed_turns = std::mem::take(&mut self.failed_turns);
            tracing::info!(workflow.run_id = %self.run_id, failed_turns, "a run goes on");
        }
    }

    /// The workflow was woken by something that is not the engine's: its last turn left a
    /// wait behind that no replay could repeat.
    pub(super) fn foreign_wake(&mut self, machine: u64) {
        if self.machine.is_some() && machine == self.machine_count && !self.is_closed() {
            self.park(TurnFailure::ForeignWake.into(), None);
        }
    }

    pub(super) fn workflow_type(&self) -> Option<Arc<str>> {
        let new = self.new_run.as_ref().map(|new| new.started.workflow_type.clone());
        new.or_else(|| self.rows.as_ref().map(|rows| rows.run.workflow_type.clone()))
    }

    pub(super) fn find_workflow(
        &self,
        workflow_type: &str,
    ) -> Result<Arc<dyn ErasedWorkflow>, ParkCause> {
        let registry = &self.shared.registry;
        registry.find_workflow(workflow_type).ok_or_else(|| ParkCause::NotRegistered {
            workflow_type: workflow_type.to_owned(),
            registered: registry.workflow_names().map(str::to_owned).collect(),
        })
    }
}
