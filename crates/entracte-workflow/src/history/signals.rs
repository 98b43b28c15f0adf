//! What a history says about signals.

use std::sync::Arc;

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{Event, EventAttributes};

use super::{HistoryError, HistoryState};

impl HistoryState {
    pub(super) fn signal(
        &mut self,
        event: &Event,
        signaled: &WorkflowExecutionSignaled,
    ) -> Result<(), HistoryError> {
        if signaled.with_previous && !(self.is_joinable && event.time == self.last_time) {
            return Err(HistoryError::JoinedSignal { event_id: event.id });
        }
        if !self.signals.insert(Arc::clone(&signaled.request_id)) {
            let request_id = signaled.request_id.to_string();
            return Err(HistoryError::RepeatedSignal { event_id: event.id, request_id });
        }
        Ok(())
    }
}

/// Whether a signal can be taken up together with the event.
pub(super) fn is_joinable(attributes: &EventAttributes) -> bool {
    matches!(
        attributes,
        EventAttributes::WorkflowExecutionStarted(_)
            | EventAttributes::WorkflowExecutionSignaled(_)
    )
}
