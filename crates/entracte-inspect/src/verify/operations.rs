//! What is to be done for a run by its rows, held against what is pending by its history.

use std::collections::{BTreeMap, BTreeSet};

use entracte_model::{EventId, RunId, Seq, Timestamp, WorkflowStatus};
use entracte_store::InvalidRow;
use entracte_store::keys::{
    DeliveryKey, DueKey, DueKind, InboxKey, Key, LocalActivityKey, PendingActivityKey,
};
use entracte_store::rows::{InboxMessage, InboxRow, LocalActivityRow, PendingActivityRow};
use entracte_workflow::HistoryState;

use super::problem::{IndexRow, PendingActivityFault, Problem};
use super::rows::{Sink, hex};
use super::walk::Walk;

/// The rows that say what is to be done for a run.
pub(super) struct Operations {
    run_id: RunId,
    /// The pending activities; none for a row that cannot be read.
    pending: BTreeMap<Seq, Option<PendingActivityRow>>,
    /// The local activities that have not ended; none for a row that cannot be read.
    local: BTreeMap<Seq, Option<LocalActivityRow>>,
    due: Vec<DueKey>,
    /// The places of all inbox rows.
    inbox: Vec<u64>,
    /// What other runs have sent, which the next engine judges.
    deliveries: usize,
    /// The activities whose ends wait in the inbox: where in it, and the event that scheduled
    /// them.
    ended: BTreeMap<Seq, (u64, EventId)>,
    /// Whether the run's start waits in the inbox.
    pub(super) has_start: bool,
    /// Whether there are, or may be, inbox rows that cannot be read.
    pub(super) inbox_is_broken: bool,
    pending_is_broken: bool,
    local_is_broken: bool,
    due_is_broken: bool,
}

impl Operations {
    /// Reads the rows of the run at which the walk stands.
    pub(super) fn read(run_id: RunId, walk: &mut Walk<'_>, sink: Sink<'_>) -> Self {
        let (due, due_is_broken) = walk.take_due(run_id);
        let mut operations = Self {
            run_id,
            pending: BTreeMap::new(),
            local: BTreeMap::new(),
            due,
            inbox: Vec::new(),
            deliveries: 0,
            ended: BTreeMap::new(),
            has_start: false,
            inbox_is_broken: false,
            pending_is_broken: false,
            local_is_broken: false,
            due_is_broken,
        };
        while let Some((PendingActivityKey { seq, .. }, row)) = walk.pending.next_of(run_id, sink) {
            let read = PendingActivityRow::from_bytes(&row.value);
            let row =
                read.map_err(|error| row_problem::<PendingActivityKey>(&row.key, error, sink));
            operations.pending.insert(seq, row.ok());
        }
        operations.pending_is_broken = walk.pending.is_broken();
        while let Some((LocalActivityKey { seq, .. }, row)) = walk.local.next_of(run_id, sink) {
            let read = LocalActivityRow::from_bytes(&row.value);
            let row = read.map_err(|error| row_problem::<LocalActivityKey>(&row.key, error, sink));
            operations.local.insert(seq, row.ok());
        }
        operations.local_is_broken = walk.local.is_broken();
        while let Some((InboxKey { sequence, .. }, row)) = walk.inbox.next_of(run_id, sink) {
            operations.inbox.push(sequence);
            match InboxRow::from_bytes(&row.value).map(|row| row.message) {
                Ok(InboxMessage::Start(_)) => operations.has_start = true,
                Ok(InboxMessage::ActivityClosed(closed)) => {
                    let place = (sequence, closed.scheduled_event_id);
                    operations.ended.insert(closed.seq, place);
                }
                Ok(_) => {}
                Err(error) => {
                    row_problem::<InboxKey>(&row.key, error, sink);
                    operations.inbox_is_broken = true;
                }
            }
        }
        while let Some((_, row)) = walk.deliveries.next_of(run_id, sink) {
            operations.deliveries += 1;
            match InboxRow::from_bytes(&row.value).map(|row| row.message) {
                Ok(InboxMessage::ChildStart { .. }) => operations.has_start = true,
                Ok(_) => {}
                Err(error) => {
                    row_problem::<DeliveryKey>(&row.key, error, sink);
                    operations.inbox_is_broken = true;
                }
            }
        }
        operations.inbox_is_broken |= walk.inbox.is_broken() || walk.deliveries.is_broken();
        operations
    }

    /// Whether nothing is, or may be, to be done.
    pub(super) fn is_empty(&self) -> bool {
        let pending_is_broken = self.pending_is_broken || self.local_is_broken;
        let is_broken = self.inbox_is_broken || pending_is_broken || self.due_is_broken;
        let is_empty = self.pending.is_empty() && self.due.is_empty() && self.inbox.is_empty();
        is_empty && self.deliveries == 0 && self.local.is_empty() && !is_broken
    }

    /// Reports every row: none of them can still be needed, but for what other runs have sent and
    /// for the note that the children of a closed run are to be told.
    pub(super) fn report_left_over(&self, status: Option<WorkflowStatus>, sink: Sink<'_>) {
        let inbox = self.inbox.iter().map(|sequence| IndexRow::Inbox { sequence: *sequence });
        let pending = self.pending.keys().map(|seq| IndexRow::PendingActivity { seq: *seq });
        let due = self.due.iter().filter(|key| !tells_children(key));
        let due = due.map(|key| IndexRow::from(*key));
        let local = self.local.keys().map(|seq| IndexRow::LocalActivity { seq: *seq });
        for row in inbox.chain(pending).chain(local).chain(due) {
            sink(Problem::LeftOver { run_id: self.run_id, status, row });
        }
    }

    /// Holds the rows against what is pending by the history of an open run.
    pub(super) fn check(&self, history: &HistoryState, start: Timestamp, sink: Sink<'_>) {
        let run_id = self.run_id;
        for row in self.unknown(history, start) {
            sink(Problem::UnknownOperation { run_id, row });
        }
        for (seq, row) in &self.pending {
            if let Some(fault) = row.as_ref().and_then(fault_of) {
                sink(Problem::PendingActivity { run_id, seq: *seq, fault });
            }
        }
        for row in self.missing(history, start) {
            sink(Problem::MissingRow { run_id, row });
        }
    }

    /// The rows that fit nothing that is pending.
    fn unknown(&self, history: &HistoryState, start: Timestamp) -> Vec<IndexRow> {
        let activity_is_known = |seq: &Seq, row: &PendingActivityRow| {
            let scheduled = history.activities.get(seq);
            scheduled.is_some_and(|event| event.scheduled_event_id == row.scheduled_event_id)
        };
        let unknown_activity = |(seq, row): (&Seq, &Option<PendingActivityRow>)| {
            let is_known = row.as_ref().is_none_or(|row| activity_is_known(seq, row));
            (!is_known).then_some(IndexRow::PendingActivity { seq: *seq })
        };
        let is_known = |row: IndexRow| match row {
            IndexRow::Timer { seq, due } => {
                history.timers.get(&seq).is_some_and(|timer| timer.due == due)
            }
            IndexRow::ActivityRetry { seq, due } => self.waits_until(seq, due),
            IndexRow::ExternalSignal { seq, due } => {
                history.sent_signals.get(&seq).is_some_and(|sent| sent.initiated_time == due)
            }
            IndexRow::FirstWorkflowTask { .. } => history.started.is_none(),
            IndexRow::RunTimeout { due } => times_out_at(history, start).is_none_or(|at| at == due),
            _ => true,
        };
        let unknown_due = self.due.iter().map(|key| IndexRow::from(*key));
        let unknown_due = unknown_due.filter(|row| !is_known(*row));
        // Only a closed run has children to tell.
        let parent_close = self.due.iter().filter(|key| tells_children(key));
        let unknown_due = unknown_due.chain(parent_close.map(|key| IndexRow::from(*key)));
        // An end may come too late to matter, but not before the activity is scheduled.
        let ended = self.ended.values();
        let early =
            ended.filter(|(_, scheduled_event_id)| *scheduled_event_id >= history.next_event_id);
        let unknown_end = early.map(|(sequence, _)| IndexRow::Inbox { sequence: *sequence });
        let pending = self.pending.iter().filter_map(unknown_activity);
        let local = self.unknown_local(history);
        pending.chain(local).chain(unknown_due).chain(unknown_end).collect()
    }

    /// The rows of local activities that cannot be pending: of those that have ended, and of
    /// numbers that are other operations'. A history does not tell which of them are pending.
    fn unknown_local(&self, history: &HistoryState) -> impl Iterator<Item = IndexRow> {
        let is_taken = |seq: &Seq| {
            history.local_activities.contains(seq)
                || history.activities.contains_key(seq)
                || history.timers.contains_key(seq)
                || history.sent_signals.contains_key(seq)
        };
        let is_early = |row: &Option<LocalActivityRow>| {
            row.as_ref().is_some_and(|row| row.event_id >= history.next_event_id)
        };
        let rows = self.local.iter();
        let unknown = rows.filter(move |(seq, row)| is_taken(seq) || is_early(row));
        unknown.map(|(seq, _)| IndexRow::LocalActivity { seq: *seq })
    }

    /// Whether the next attempt of an activity waits until a time.
    fn waits_until(&self, seq: Seq, due: Timestamp) -> bool {
        match self.pending.get(&seq) {
            Some(Some(row)) => {
                let waits = row.admitted_at.is_none() && row.pause.is_none();
                waits && row.next_attempt_at == due
            }
            // What cannot be read may fit.
            Some(None) => true,
            None => self.pending_is_broken,
        }
    }

    /// The rows without which something that is pending would never happen.
    ///
    /// The next attempt of an activity needs no row of its own: the activity's row says when it
    /// is due. An activity whose end waits in the inbox has no row any more.
    fn missing(&self, history: &HistoryState, start: Timestamp) -> Vec<IndexRow> {
        let mut missing = Vec::new();
        if !self.pending_is_broken && !self.inbox_is_broken {
            let without_row =
                |seq: &&Seq| !self.pending.contains_key(*seq) && !self.ended.contains_key(*seq);
            let seqs = history.activities.keys().filter(without_row);
            missing.extend(seqs.map(|seq| IndexRow::PendingActivity { seq: *seq }));
        }
        if !self.due_is_broken {
            let timers = history.timers.iter().map(|(seq, timer)| (*seq, timer.due));
            let without_row = self.without_due(DueKind::Timer, timers);
            missing.extend(without_row.map(|(seq, due)| IndexRow::Timer { seq, due }));
            if let Some(due) = times_out_at(history, start)
                && !self.due.iter().any(|key| key.kind == DueKind::RunTimeout)
            {
                missing.push(IndexRow::RunTimeout { due });
            }
            let sent = history.sent_signals.iter().map(|(seq, sent)| (*seq, sent.initiated_time));
            let without_row = self.without_due(DueKind::ExternalSignal, sent);
            missing.extend(without_row.map(|(seq, due)| IndexRow::ExternalSignal { seq, due }));
        }
        missing
    }

    /// Those operations that have no row among what is due.
    fn without_due(
        &self,
        kind: DueKind,
        operations: impl Iterator<Item = (Seq, Timestamp)>,
    ) -> impl Iterator<Item = (Seq, Timestamp)> {
        let rows = self.due.iter().filter(|key| key.kind == kind);
        let rows: BTreeSet<_> = rows.map(|key| (key.seq, key.due)).collect();
        operations.filter(move |operation| !rows.contains(operation))
    }
}

/// Whether the children of a closed run are to be told.
fn tells_children(key: &DueKey) -> bool {
    matches!(key.kind, DueKind::ParentClose | DueKind::ChainClose)
}

/// When the run times out; not known before its first event.
fn times_out_at(history: &HistoryState, start: Timestamp) -> Option<Timestamp> {
    history.started.as_ref()?.times_out_at(start)
}

fn fault_of(row: &PendingActivityRow) -> Option<PendingActivityFault> {
    if row.result_pending && row.admitted_at.is_none() {
        return Some(PendingActivityFault::ResultOfNothing);
    }
    if row.reset.is_some() && row.admitted_at.is_none() {
        return Some(PendingActivityFault::ResetOfNothing);
    }
    (row.attempts_reset >= row.attempt).then_some(PendingActivityFault::AttemptsReset)
}

fn row_problem<K: Key>(key: &[u8], error: InvalidRow, sink: Sink<'_>) {
    sink(Problem::Row { space: K::SPACE, key: hex(key), error });
}
