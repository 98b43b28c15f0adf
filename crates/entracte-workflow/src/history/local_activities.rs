//! What a history says about local activities: how they ended, and nothing before.

use entracte_model::event::{LocalActivityMarker, Marker, MarkerRecorded};
use entracte_model::{Event, Seq};

use super::{HistoryError, HistoryState};

impl HistoryState {
    pub(super) fn record_marker(
        &mut self,
        event: &Event,
        recorded: &MarkerRecorded,
    ) -> Result<(), HistoryError> {
        match &recorded.marker {
            Marker::LocalActivity(marker) => self.end_local_activity(event, marker),
            _ => {
                let event_type = event.attributes.event_type();
                Err(HistoryError::UnknownEvent { event_id: event.id, event_type })
            }
        }
    }

    /// A local activity ends once, and its number is no other operation's.
    fn end_local_activity(
        &mut self,
        event: &Event,
        marker: &LocalActivityMarker,
    ) -> Result<(), HistoryError> {
        let seq = marker.seq;
        if seq.get() == 0 || self.is_given(seq) || !self.local_activities.insert(seq) {
            return Err(HistoryError::UnknownLocalActivity { event_id: event.id, seq });
        }
        // What is issued after this end has a higher number.
        self.seq_last = self.seq_last.max(seq);
        Ok(())
    }

    /// Whether something that is pending has the number.
    fn is_given(&self, seq: Seq) -> bool {
        self.activities.contains_key(&seq)
            || self.timers.contains_key(&seq)
            || self.sent_signals.contains_key(&seq)
    }
}
