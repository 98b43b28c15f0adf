//! Deliveries: what one run sends to another, and how it is taken up.
//!
//! A delivery is a row in the batch of the sender's event, deleted in the batch of the receiver's
//! turn (rule 5 of the design). When the row is durable the journal tells the directory, and that
//! the receiver: whatever becomes of the sender, no row lies there unseen. The message is a hint
//! and carries nothing but the row's key. A second copy finds no row, or means
//! nothing to the history any more.

use std::collections::BTreeMap;

use entracte_model::event::ExternalWorkflowExecutionCancelRequested;
use entracte_model::{EventAttributes, EventId, ParentClosePolicy, RunId};
use entracte_store::StoreExt;
use entracte_store::keys::{DeliveryKey, DeliveryKind};
use entracte_store::rows::{InboxMessage, InboxRow};
use ractor::ActorProcessingErr;

use super::input::{Input, QueuedInput};
use super::input_events::BY_PARENT_CLOSE;
use super::state::{Change, Mode, RunState};

impl RunState {
    /// Another run has sent something, and its row is durable.
    pub(super) fn delivered(&mut self, key: DeliveryKey) -> Result<(), ActorProcessingErr> {
        if self.is_closed() || !matches!(self.mode, Mode::Running | Mode::Draining) {
            // Whoever follows this actor judges it.
            self.late_deliveries.push(key);
            return Ok(());
        }
        if self.rows.is_none() || self.inputs.has_delivery(&key) {
            // It is read with everything else that waits for the run, or was.
            return Ok(());
        }
        if !self.is_resumed {
            return self.delivered_unread(key);
        }
        match self.shared.store.get_delivery(&key) {
            Ok(Some(row)) => self.take_delivery(key, row.message),
            Ok(None) => Ok(()),
            // This actor ends, and whoever follows it reads everything again, or is parked.
            Err(error) => Err(error.into()),
        }
    }

    fn take_delivery(
        &mut self,
        key: DeliveryKey,
        message: InboxMessage,
    ) -> Result<(), ActorProcessingErr> {
        let queued = QueuedInput::delivered(key, message);
        if self.parked.is_some() && queued.input.sent_cancel().is_some() {
            self.keep([queued]);
            return Ok(());
        }
        if self.is_refused_signal(&queued.input) {
            self.discard(&[queued]);
            return Ok(());
        }
        self.queue_delivery(queued);
        self.pump()
    }

    /// Whether an input is a signal too many. Its sender has closed, and nobody hears of it.
    fn is_refused_signal(&self, input: &Input) -> bool {
        let Input::Delivered { message, .. } = input else { return false };
        matches!(**message, InboxMessage::Signaled(_)) && self.has_signals_max()
    }

    fn queue_delivery(&mut self, queued: QueuedInput) {
        self.parent_terminates |= is_termination(&queued.input);
        self.inputs.push_back(queued);
    }

    /// A run of which not everything could be read obeys its parent's close all the same.
    fn delivered_unread(&mut self, key: DeliveryKey) -> Result<(), ActorProcessingErr> {
        let Ok(Some(row)) = self.shared.store.get_delivery(&key) else { return Ok(()) };
        let queued = QueuedInput::delivered(key, row.message);
        if !is_termination(&queued.input) {
            return Ok(());
        }
        self.queue_delivery(queued);
        self.obey_parent()
    }

    /// Takes up what other runs have sent while the run was not in memory.
    pub(super) fn resume_deliveries(&mut self, rows: Vec<(DeliveryKey, InboxRow)>) {
        for (key, row) in in_order(rows) {
            self.queue_delivery(QueuedInput::delivered(key, row.message));
        }
    }

    /// The run's parent has closed and takes the run with it. That needs no turn.
    pub(super) fn obey_parent(&mut self) -> Result<(), ActorProcessingErr> {
        if self.refusal().is_some() {
            return Ok(());
        }
        self.terminate(BY_PARENT_CLOSE.to_owned())
    }

    /// Sends something to another run, in the batch of what brings it about.
    pub(super) fn deliver(&self, key: DeliveryKey, message: InboxMessage, change: &mut Change) {
        let sender = Some((self.run_id, key.event_id));
        let row = InboxRow { sender, received_at: change.time, message };
        change.rows.put_delivery(key, &row);
        change.deliveries.push(key);
    }

    /// Strikes a delivery that is taken up, or comes too late, and answers it if it wants an
    /// answer.
    pub(super) fn settle_delivery(&self, input: &Input, change: &mut Change) {
        let Input::Delivered { key, message } = input else { return };
        change.rows.delete_delivery(*key);
        if let Some((key, answer)) = answer_to(*key, message) {
            self.deliver(key, answer, change);
        }
    }
}

/// Deliveries in the order in which they were sent; their keys tell only from whom they are. The
/// end of a child is behind its start, whichever runs of the child tell the two, and whatever
/// their clocks say.
fn in_order(mut rows: Vec<(DeliveryKey, InboxRow)>) -> Vec<(DeliveryKey, InboxRow)> {
    let starts: BTreeMap<_, _> = rows
        .iter()
        .filter_map(|(_, row)| Some((started_child(&row.message)?, row.received_at)))
        .collect();
    rows.sort_by_key(|(_, row)| {
        let start = ended_child(&row.message).and_then(|child| starts.get(&child));
        let sent = start.map_or(row.received_at, |start| row.received_at.max(*start));
        (sent, started_child(&row.message).is_none())
    });
    rows
}

/// Which of the run's children has started, by the event that asked for it.
fn started_child(message: &InboxMessage) -> Option<EventId> {
    let InboxMessage::Event(event) = message else { return None };
    match &**event {
        EventAttributes::ChildWorkflowExecutionStarted(it) => Some(it.initiated_event_id),
        _ => None,
    }
}

/// Which of the run's children has ended, by the event that asked for it.
fn ended_child(message: &InboxMessage) -> Option<EventId> {
    use EventAttributes as A;
    let InboxMessage::Event(event) = message else { return None };
    match &**event {
        A::ChildWorkflowExecutionCompleted(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionFailed(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionCanceled(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionTimedOut(it) => Some(it.initiated_event_id),
        A::ChildWorkflowExecutionTerminated(it) => Some(it.initiated_event_id),
        _ => None,
    }
}

/// Whether the run's parent has closed and takes the run with it.
fn is_termination(input: &Input) -> bool {
    let policy = ParentClosePolicy::Terminate;
    let Input::Delivered { message, .. } = input else { return false };
    **message == InboxMessage::ParentClosed { policy }
}

/// Whether a delivery to a closed run is for its chain: then the run that goes on gets it. What
/// answers something that the closed run had asked for is for that alone.
pub(crate) fn goes_on(message: &InboxMessage) -> bool {
    match message {
        InboxMessage::ExternalCancelRequested { .. }
        | InboxMessage::ParentClosed { .. }
        | InboxMessage::Signaled(_) => true,
        InboxMessage::Start(_)
        | InboxMessage::ChildStart { .. }
        | InboxMessage::ActivityClosed(_)
        | InboxMessage::LocalActivityEnded(_)
        | InboxMessage::CancelRequested { .. }
        | InboxMessage::Event(_) => false,
    }
}

/// What is answered to a delivery, whatever becomes of it; nothing if it wants no answer.
pub(crate) fn answer_to(
    key: DeliveryKey,
    message: &InboxMessage,
) -> Option<(DeliveryKey, InboxMessage)> {
    let InboxMessage::ExternalCancelRequested { seq, .. } = message else { return None };
    // A request to a closed run is a success that changes nothing (rule CAN-1).
    let (seq, initiated_event_id) = (*seq, key.event_id);
    let event = ExternalWorkflowExecutionCancelRequested { seq, initiated_event_id };
    let event = EventAttributes::ExternalWorkflowExecutionCancelRequested(event);
    let answer = answer_key(key.run_id, key.sender, key);
    Some((answer, InboxMessage::Event(Box::new(event))))
}

fn answer_key(sender: RunId, run_id: RunId, to: DeliveryKey) -> DeliveryKey {
    DeliveryKey { run_id, sender, event_id: to.event_id, kind: DeliveryKind::Answer }
}
