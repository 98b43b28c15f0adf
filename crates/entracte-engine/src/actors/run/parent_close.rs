//! The close of a parent: what it means for its children (rules CHD-5 to CHD-8).
//!
//! The batch of the close writes one row that says that the children are to be told. They are
//! told afterwards, so many at a time, each time with a row that says how far it has come: ten
//! thousand children are not one batch, and a crash between two of them forgets none.
//!
//! Children whose policy is about the chain are told when its last run closes. The first event of
//! each run names the nearest earlier run that has left such children. If there is one, a run that
//! has told its own children writes a row for that run, in the same batch, and that is opened for
//! it: so it goes back along the chain, and no run without such children is opened.

use entracte_model::options::ParentCloseScope;
use entracte_model::{Event, EventId, ParentClosePolicy, RunId, Seq, Timestamp};
use entracte_store::keys::{DeliveryKey, DeliveryKind, DueKey, DueKind};
use entracte_store::rows::{InboxMessage, RunRow};
use entracte_store::{StoreError, StoreExt};
use entracte_workflow::{ChildExecution, HistoryError, HistoryState};
use ractor::ActorProcessingErr;

use super::children::start_key;
use super::effect::Effect;
use super::state::{Change, Mode, RunState};

/// How many children are told in one batch.
const CHILDREN_MAX: usize = 256;

pub(super) fn marker(run_id: RunId, closed: Timestamp, seq: Seq) -> DueKey {
    DueKey { due: closed, run_id, kind: DueKind::ParentClose, seq }
}

impl RunState {
    /// Notes that the children of a run that closes are to be told.
    pub(super) fn record_parent_close(
        &self,
        closed: Timestamp,
        is_last: bool,
        change: &mut Change,
    ) {
        if self.has_children_to_tell(is_last) {
            change.rows.put_due(marker(self.run_id, closed, Seq::new(0)));
        }
    }

    fn has_children_to_tell(&self, is_last: bool) -> bool {
        !self.history.children.is_empty() || is_last && self.chain_children_run_id().is_some()
    }

    /// The nearest run before this one that has left children to the chain.
    fn chain_children_run_id(&self) -> Option<RunId> {
        self.history.started.as_ref().and_then(|started| started.chain_children_run_id)
    }

    /// The run is closed, and that is durable: its children are told.
    pub(super) fn begin_parent_close(&mut self) {
        if self.has_children_to_tell(self.history.new_execution_run_id.is_none()) {
            self.parent_close = Some(marker(self.run_id, self.history.last_time, Seq::new(0)));
            self.tell_children();
        }
    }

    /// Tells the next children, and notes how far that has come.
    pub(super) fn tell_children(&mut self) {
        let Some(marker) = self.parent_close.take() else { return };
        // What the chain's close is about is told at once by its last run, and later by others.
        let is_chain_over =
            marker.kind == DueKind::ChainClose || self.history.new_execution_run_id.is_none();
        let mut change = self.change();
        change.rows.delete_due(marker);
        let behind = (std::ops::Bound::Excluded(marker.seq), std::ops::Bound::Unbounded);
        let mut children = self.history.children.range(behind);
        let mut last = marker.seq;
        for (seq, child) in children.by_ref().take(CHILDREN_MAX) {
            self.tell_child(child, marker.kind, is_chain_over, &mut change);
            last = *seq;
        }
        if children.next().is_some() {
            let marker = DueKey { seq: last, ..marker };
            change.rows.put_due(marker);
            self.parent_close = Some(marker);
            change.effects.push(Effect::TellChildren);
        } else if is_chain_over && let Some(before) = self.chain_children_run_id() {
            self.pass_chain_close_on(before, DueKey { seq: last, ..marker }, &mut change);
        }
        self.append(change);
    }

    /// Has an earlier run tell the children that it has left to the chain. If its row cannot be
    /// read, the marker stays, and the next start goes on from it.
    fn pass_chain_close_on(&self, before: RunId, marker_left: DueKey, change: &mut Change) {
        match self.shared.store.get_run(before) {
            Ok(row) => {
                if let Some(close) = row.and_then(|row| row.close) {
                    let kind = DueKind::ChainClose;
                    change.rows.put_due(DueKey { kind, ..marker(before, close.time, Seq::new(0)) });
                    change.opens = Some(before);
                }
            }
            Err(error) => {
                tracing::error!(workflow.run_id = %before, %error, "its children wait for a start");
                change.rows.put_due(marker_left);
            }
        }
    }

    fn tell_child(
        &self,
        child: &ChildExecution,
        kind: DueKind,
        is_chain_over: bool,
        change: &mut Change,
    ) {
        let is_chains = child.options.parent_close_scope == ParentCloseScope::Chain;
        if kind == DueKind::ChainClose && !is_chains {
            // It was told when its run closed.
            return;
        }
        let start = start_key(self.run_id, child);
        if child.started.is_none() {
            // One that has started meanwhile has taken it already.
            change.rows.delete_delivery(start);
        }
        let policy = child.options.parent_close_policy;
        if policy != ParentClosePolicy::Abandon && (is_chain_over || !is_chains) {
            let event_id = EventId::new(self.history.next_event_id.get() - 1);
            let key = DeliveryKey { event_id, kind: DeliveryKind::Sent, ..start };
            self.deliver(key, InboxMessage::ParentClosed { policy }, change);
        }
    }

    /// A closed run is opened: only if it has children left to tell.
    pub(super) fn open_closed(&mut self, row: &RunRow) -> Result<(), ActorProcessingErr> {
        let close = row.close.map(|close| close.time);
        let markers = match close {
            Some(closed) => self.shared.store.parent_closes(self.run_id, closed)?,
            None => Vec::new(),
        };
        // One after the other.
        self.opens_again |= markers.len() > 1;
        if let Some(marker) = markers.first().copied() {
            self.history = self.closed_history(row)?;
            self.parent_close = Some(marker);
        }
        // What was sent to it meanwhile is answered by the directory, once it has left.
        self.late_deliveries.extend(self.shared.store.delivery_keys(self.run_id)?);
        // The calls that came meanwhile go back: a closed run is answered from the store.
        self.mode = Mode::Leaving { asked: false };
        self.tell_children();
        Ok(())
    }

    /// The history of a closed run. Of a corrupt one it is only what the run began with and where
    /// it ended: its own children are not told, but those of the runs before it are.
    fn closed_history(&self, row: &RunRow) -> Result<HistoryState, StoreError> {
        let store = &self.shared.store;
        let error = match store.read_history(self.run_id) {
            Ok(events) => match history_of(&events) {
                Ok(history) => return Ok(history),
                Err(error) => error.to_string(),
            },
            Err(error @ StoreError::CorruptRow { .. }) => error.to_string(),
            // It may be readable the next time.
            Err(error) => return Err(error),
        };
        tracing::error!(workflow.run_id = %self.run_id, error, "its children are not told");
        let first = store.get_event(self.run_id, EventId::FIRST).ok().flatten();
        let mut history = history_of(first.as_slice()).unwrap_or_default();
        if let Some(close) = row.close {
            history.new_execution_run_id = close.new_execution_run_id;
            history.next_event_id = close.last_event_id.next();
        }
        Ok(history)
    }
}

fn history_of(events: &[Event]) -> Result<HistoryState, HistoryError> {
    let mut history = HistoryState::default();
    for event in events {
        history.apply(event)?;
    }
    Ok(history)
}
