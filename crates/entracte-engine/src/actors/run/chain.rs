//! Chains of runs: how a run that closes begins the next one, and how that wakes up.
//!
//! The batch of the close writes the rows of the next run, gives it the workflow id, and puts
//! its start into its inbox, with the signals that the closing run has not taken up, and a
//! request to cancel unless that run was asked before. When that is durable the journal has the
//! directory open it: whatever becomes of the closing run's actor, the next run begins. A run in
//! its back-off sleeps: what reaches it waits in its inbox, until its time has come or it is
//! asked to cancel.
//!
//! A chain whose runs are over with their first turns is slowed down a little, so that it can be
//! ended: each run is held back for a moment before its first turn.

use entracte_model::event::{WorkflowExecutionStarted, run_timeout_failure};
use entracte_model::{Event, EventAttributes, EventId, RunId, Seq, Timestamp};
use entracte_store::keys::{DeliveryKey, DueKey, DueKind, InboxKey};
use entracte_store::rows::{InboxMessage, InboxRow, RunRow, WorkflowIdRow};
use entracte_store::{StoreError, StoreExt};
use ractor::ActorProcessingErr;
use tokio::time::{Duration, Instant};

use super::alarm::Wake;
use super::deliveries::goes_on;
use super::input::{Input, QueuedInput, signal_of};
use super::run_timeout::run_timeout_key;
use super::state::{Change, RunState};
use crate::messages::RunMessage;

/// The first event of the run that follows one which has closed with an event.
fn next_start(
    run_id: RunId,
    started: &WorkflowExecutionStarted,
    close: &Event,
) -> Option<(RunId, WorkflowExecutionStarted)> {
    let new = close.attributes.new_execution_run_id()?;
    let failure = match &close.attributes {
        EventAttributes::WorkflowExecutionContinuedAsNew(event) => {
            return Some((new, started.continued(run_id, event)));
        }
        EventAttributes::WorkflowExecutionFailed(event) => event.failure.clone(),
        _ => run_timeout_failure(),
    };
    Some((new, started.retried(run_id, new, failure)))
}

fn first_task_key(run_id: RunId, due: Timestamp) -> DueKey {
    DueKey { due, run_id, kind: DueKind::FirstWorkflowTask, seq: Seq::new(0) }
}

/// How long a run is held back that follows one which was over with its first turn: twice what
/// the commit between the two took, within these bounds.
const HOLD_MIN: Duration = Duration::from_millis(10);
const HOLD_MAX: Duration = Duration::from_secs(1);

impl RunState {
    /// The run has closed: begins the one that follows it, if there is one, and gives its
    /// workflow id's row.
    pub(super) fn record_next_run(
        &mut self,
        close: &Event,
        change: &mut Change,
    ) -> Option<WorkflowIdRow> {
        let started = self.history.started.as_ref()?;
        let (new, mut started) = next_start(self.run_id, started, close)?;
        // Each run of the chain has the limits of the engine that began it.
        started.limits = self.shared.options.pending_limits;
        let mut children = self.history.children.values();
        if children.any(|child| child.options.falls_with_chain()) {
            started.chain_children_run_id = Some(self.run_id);
        }
        let time = close.time;
        let row = RunRow::begun(&started, time);
        change.rows.put_run(new, &row);
        if let Some(due) = started.times_out_at(time) {
            change.rows.put_due(run_timeout_key(new, due));
        }
        if started.first_workflow_task_backoff.is_some() {
            change.rows.put_due(first_task_key(new, started.first_task_time(time)));
        }
        let workflow_id = WorkflowIdRow::begun(new, &started);
        self.hand_inbox_over(new, started, change);
        change.opens = Some(new);
        Some(workflow_id)
    }

    /// Writes the next run's inbox: its start, the signals that this one has not read, and what
    /// waits here and is not for this run alone.
    fn hand_inbox_over(
        &mut self,
        new: RunId,
        started: WorkflowExecutionStarted,
        change: &mut Change,
    ) {
        let mut messages = vec![InboxMessage::Start(Box::new(started))];
        let unread = std::mem::take(&mut self.carried_signals);
        messages.extend(unread.into_iter().map(InboxMessage::Signaled));
        for queued in self.inputs.take_all() {
            match &queued.input {
                // A further copy of what this run has taken up is nothing to the next one.
                input if signal_of(input).is_some_and(|it| self.has_taken(it)) => {
                    self.strike(&queued, change);
                }
                // To a run that was asked, a further request is nothing; so it is to the next one.
                _ if self.history.cancel_requested && queued.is_cancel_request() => {
                    self.strike(&queued, change);
                }
                Input::CancelRequested(_) | Input::Signaled(_) => {
                    messages.extend(queued.input.to_inbox());
                    self.strike(&queued, change);
                }
                Input::Delivered { key, message } if goes_on(message) => {
                    change.rows.delete_delivery(*key);
                    let (key, message) = (DeliveryKey { run_id: new, ..*key }, message.clone());
                    let sender = Some((key.sender, key.event_id));
                    let row = InboxRow { sender, received_at: change.time, message: *message };
                    change.rows.put_delivery(key, &row);
                    change.deliveries.push(key);
                }
                _ => self.strike(&queued, change),
            }
        }
        for (sequence, message) in (0..).zip(messages) {
            let row = InboxRow { sender: None, received_at: change.time, message };
            change.rows.put_inbox(InboxKey { run_id: new, sequence }, &row);
        }
    }

    /// Holds a run back for a moment that has not begun yet, if the one before it was over with
    /// its first turn. While a chain runs from close to close, this is when it can be ended: who
    /// was told that one run is closed reaches the next, and what was sent to the one is moved to
    /// the other, which takes a commit.
    pub(super) fn hold_back(&mut self) {
        let Some(run) = self.rows.as_ref().map(|rows| &rows.run) else { return };
        let Some(before) = run.continued_execution_run_id.filter(|_| !self.has_begun()) else {
            return;
        };
        // What cannot be read of the run before is no reason not to begin.
        if self.is_over_with_first_turn(before).unwrap_or(true) {
            // The run before it closed as this one started: since then, that was committed.
            let commit = self.shared.clock.now().saturating_since(run.start_time);
            let hold = commit.saturating_mul(2).clamp(HOLD_MIN, HOLD_MAX);
            self.held_until = Some(Instant::now() + hold);
        }
    }

    /// Whether a closed run's first event is as old as its last one.
    fn is_over_with_first_turn(&self, run_id: RunId) -> Result<bool, StoreError> {
        let store = &self.shared.store;
        let close = store.get_run(run_id)?.and_then(|row| row.close);
        let start = store.get_event(run_id, EventId::FIRST)?;
        Ok(start.zip(close).is_some_and(|(start, close)| start.time == close.time))
    }

    pub(super) fn has_begun(&self) -> bool {
        self.history.started.is_some()
    }

    /// How much longer the run is held back before its first turn.
    fn held_for(&self) -> Option<Duration> {
        let left = self.held_until?.saturating_duration_since(Instant::now());
        (!left.is_zero() && !self.has_begun() && !self.is_closed()).then_some(left)
    }

    /// Whether the run takes no turn yet: it sleeps, or is held back.
    pub(super) fn is_asleep(&self) -> bool {
        self.held_for().is_some() || self.asleep_until().is_some()
    }

    /// Until when the run sleeps before its first turn, if it does. A request to cancel wakes it,
    /// as on Temporal's server; a signal does not (rule SIG-6).
    pub(super) fn asleep_until(&self) -> Option<Timestamp> {
        if self.has_begun() || self.is_closed() {
            return None;
        }
        let start = self.rows.as_ref()?.run.start_time;
        let until = self.inputs.others().find_map(|queued| match &queued.input {
            Input::Start(started) => Some(started.first_task_time(start)),
            _ => None,
        })?;
        let is_woken = self.inputs.others().any(QueuedInput::is_cancel_request);
        (until > self.shared.clock.now() && !is_woken).then_some(until)
    }

    pub(super) fn arm_first_task(&mut self) {
        let asleep_for = self.asleep_until().map(|until| self.until(until));
        let Some(delay) = self.held_for().or(asleep_for) else { return };
        let delay = delay.min(self.shared.clock.sleep_max());
        self.first_task = Some(Wake(self.myself.send_after(delay, || RunMessage::FirstTaskDue)));
    }

    /// The run's back-off may be over: if so, it takes its first turn.
    pub(super) fn first_task_due(&mut self) -> Result<(), ActorProcessingErr> {
        self.arm_first_task();
        self.pump()
    }

    /// The run takes its first turn.
    pub(super) fn forget_first_task(
        &mut self,
        started: &WorkflowExecutionStarted,
        change: &mut Change,
    ) {
        (self.first_task, self.held_until) = (None, None);
        let start = self.rows.as_ref().map(|rows| rows.run.start_time);
        if let Some(start) = start.filter(|_| started.first_workflow_task_backoff.is_some()) {
            change.rows.delete_due(first_task_key(self.run_id, started.first_task_time(start)));
        }
    }
}
