//! The close of a parent: what it means for its children (rules CHD-5 to CHD-8).
//!
//! The batch of the close writes one row that says that the children are to be told. They are
//! told afterwards, so many at a time, each time with a row that says how far it has come: ten
//! thousand children are not one batch, and a crash between two of them forgets none.

use entracte_model::{EventId, ParentClosePolicy, RunId, Seq, Timestamp};
use entracte_store::StoreExt;
use entracte_store::keys::{DeliveryKey, DeliveryKind, DueKey, DueKind};
use entracte_store::rows::{InboxMessage, RunRow};
use entracte_workflow::{ChildExecution, HistoryState};
use ractor::ActorProcessingErr;

use super::children::start_key;
use super::effects::Effect;
use super::state::{Change, Mode, RunState};

/// How many children are told in one batch.
const CHILDREN_MAX: usize = 256;

pub(super) fn marker(run_id: RunId, closed: Timestamp, seq: Seq) -> DueKey {
    DueKey { due: closed, run_id, kind: DueKind::ParentClose, seq }
}

impl RunState {
    /// Notes that the children of a run that closes are to be told.
    pub(super) fn record_parent_close(&self, closed: Timestamp, change: &mut Change) {
        if !self.history.children.is_empty() {
            change.rows.put_due(marker(self.run_id, closed, Seq::new(0)));
        }
    }

    /// The run is closed, and that is durable: its children are told.
    pub(super) fn begin_parent_close(&mut self) {
        if !self.history.children.is_empty() {
            self.parent_close = Some(marker(self.run_id, self.history.last_time, Seq::new(0)));
            self.tell_children();
        }
    }

    /// Tells the next children, and notes how far that has come.
    pub(super) fn tell_children(&mut self) {
        let Some(marker) = self.parent_close.take() else { return };
        let mut change = self.change();
        change.rows.delete_due(marker);
        let behind = (std::ops::Bound::Excluded(marker.seq), std::ops::Bound::Unbounded);
        let mut children = self.history.children.range(behind);
        let mut last = marker.seq;
        for (seq, child) in children.by_ref().take(CHILDREN_MAX) {
            self.tell_child(child, &mut change);
            last = *seq;
        }
        if children.next().is_some() {
            let marker = DueKey { seq: last, ..marker };
            change.rows.put_due(marker);
            self.parent_close = Some(marker);
            change.effects.push(Effect::TellChildren);
        }
        self.append(change);
    }

    fn tell_child(&self, child: &ChildExecution, change: &mut Change) {
        let start = start_key(self.run_id, child);
        if child.started.is_none() {
            // One that has started meanwhile has taken it already.
            change.rows.delete_delivery(start);
        }
        let policy = child.options.parent_close_policy;
        if policy != ParentClosePolicy::Abandon {
            let event_id = EventId::new(self.history.next_event_id.get() - 1);
            let key = DeliveryKey { event_id, kind: DeliveryKind::Sent, ..start };
            self.deliver(key, InboxMessage::ParentClosed { policy }, change);
        }
    }

    /// A closed run is opened: only if it has children left to tell.
    pub(super) fn open_closed(&mut self, row: &RunRow) -> Result<(), ActorProcessingErr> {
        let close = row.close.map(|close| close.time);
        let marker = match close {
            Some(closed) => self.shared.store.parent_close(self.run_id, closed)?,
            None => None,
        };
        if let Some(marker) = marker {
            let mut history = HistoryState::default();
            for event in self.shared.store.read_history(self.run_id)? {
                history.apply(&event)?;
            }
            self.history = history;
            self.parent_close = Some(marker);
        }
        // What was sent to it meanwhile is answered by the directory, once it has left.
        self.late_deliveries.extend(self.shared.store.delivery_keys(self.run_id)?);
        // The calls that came meanwhile go back: a closed run is answered from the store.
        self.mode = Mode::Leaving { asked: false };
        self.tell_children();
        Ok(())
    }
}
