//! Chains of runs: how a run that closes begins the next one, and how that wakes up.
//!
//! The batch of the close writes the rows of the next run, gives it the workflow id, and puts
//! its start into its inbox, with the signals and requests to cancel that the closing run has
//! not taken up. When that is durable the journal has the directory open it: whatever becomes of
//! the closing run's actor, the next run begins. A run in its back-off sleeps: what reaches it
//! waits in its inbox, until its time has come or it is asked to cancel.

use entracte_model::event::{WorkflowExecutionStarted, run_timeout_failure};
use entracte_model::{Event, EventAttributes, RunId, Seq, Timestamp, WorkflowStatus};
use entracte_store::keys::{DeliveryKey, DueKey, DueKind, InboxKey};
use entracte_store::rows::{InboxMessage, InboxRow, RunRow, WorkflowIdRow};
use ractor::ActorProcessingErr;

use super::RunMessage;
use super::deliveries::goes_on;
use super::input::{Input, QueuedInput};
use super::run_timeout::run_timeout_key;
use super::state::{Change, RunState, Wake};

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
        started.chain_has_children |= children.any(|child| child.options.falls_with_chain());
        let (status, time) = (WorkflowStatus::Running, close.time);
        let row = RunRow {
            workflow_id: started.workflow_id.clone(),
            workflow_type: started.workflow_type.clone(),
            request_id: started.request_id.clone(),
            first_execution_run_id: started.first_execution_run_id,
            continued_execution_run_id: started.continued_execution_run_id,
            attempt: started.attempt,
            parent: started.parent.clone(),
            start_time: time,
            status,
            close: None,
        };
        change.rows.put_run(new, &row);
        if let Some(due) = started.times_out_at(time) {
            change.rows.put_due(run_timeout_key(new, due));
        }
        if started.first_workflow_task_backoff.is_some() {
            change.rows.put_due(first_task_key(new, started.first_task_time(time)));
        }
        let workflow_id = WorkflowIdRow {
            run_id: new,
            first_execution_run_id: started.first_execution_run_id,
            request_id: started.request_id.clone(),
            status,
        };
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
                Input::CancelRequested { .. } | Input::Signaled(_) => {
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

    /// Until when the run sleeps before its first turn, if it does. A request to cancel wakes it,
    /// as on Temporal's server; a signal does not (rule SIG-6).
    pub(super) fn asleep_until(&self) -> Option<Timestamp> {
        if self.history.started.is_some() || self.is_closed() {
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
        let Some(due) = self.asleep_until() else { return };
        let delay = self.until(due).min(self.shared.clock.sleep_max());
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
        self.first_task = None;
        let start = self.rows.as_ref().map(|rows| rows.run.start_time);
        if let Some(start) = start.filter(|_| started.first_workflow_task_backoff.is_some()) {
            change.rows.delete_due(first_task_key(self.run_id, started.first_task_time(start)));
        }
    }
}
