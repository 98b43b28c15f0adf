//! What a history says about signals to other workflows.

use entracte_model::event::SignalExternalWorkflowExecutionInitiated;
use entracte_model::{Event, EventId, Seq, Timestamp};

use super::{HistoryError, HistoryState};

/// A signal to another workflow, of which it is not known yet whether it has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct SentSignal {
    /// The event that sent it.
    pub initiated_event_id: EventId,
    /// When it was sent.
    pub initiated_time: Timestamp,
    /// What was sent, and where to.
    pub initiated: SignalExternalWorkflowExecutionInitiated,
}

impl HistoryState {
    pub(super) fn send_signal(
        &mut self,
        event: &Event,
        initiated: &SignalExternalWorkflowExecutionInitiated,
    ) -> Result<(), HistoryError> {
        self.take_seq(event, initiated.seq)?;
        let sent = SentSignal {
            initiated_event_id: event.id,
            initiated_time: event.time,
            initiated: initiated.clone(),
        };
        self.sent_signals.insert(initiated.seq, sent);
        Ok(())
    }

    pub(super) fn end_sent_signal(
        &mut self,
        event: &Event,
        seq: Seq,
        initiated_event_id: EventId,
    ) -> Result<(), HistoryError> {
        let sent = self.sent_signals.get(&seq);
        if sent.is_none_or(|sent| sent.initiated_event_id != initiated_event_id) {
            let event_type = event.attributes.event_type();
            return Err(HistoryError::UnknownSentSignal { event_id: event.id, event_type, seq });
        }
        self.sent_signals.remove(&seq);
        Ok(())
    }
}
