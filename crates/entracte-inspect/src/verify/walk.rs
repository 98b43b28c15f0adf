//! A walk through a store, run by run.
//!
//! Rows, events, pending activities, inboxes and published state of the runs stand in the same
//! order, so that one pass over all of them comes upon everything of a run at the same time.

use std::collections::BTreeMap;

use entracte_model::RunId;
use entracte_store::keys::{
    self, DeliveryKey, DueKey, HistoryKey, InboxKey, Key, LocalActivityKey, PendingActivityKey,
    PublishedKey, RunKey,
};
use entracte_store::rows::RunRow;
use entracte_store::{InvalidRow, Space, Store};

use super::problem::Problem;
use super::report::StoreCounts;
use super::rows::{Keyed, RowCounts, Sink, hex};

pub(crate) struct Walk<'a> {
    pub(crate) runs: Keyed<'a, RunKey>,
    pub(crate) history: Keyed<'a, HistoryKey>,
    pub(crate) pending: Keyed<'a, PendingActivityKey>,
    pub(crate) local: Keyed<'a, LocalActivityKey>,
    pub(crate) inbox: Keyed<'a, InboxKey>,
    pub(crate) published: Keyed<'a, PublishedKey>,
    pub(crate) deliveries: Keyed<'a, DeliveryKey>,
    due: Due,
}

/// Where a run stands, as far as its row can be read.
pub(crate) enum RunRowFound {
    Read(RunRow),
    Missing,
    /// It is there, or may be there, and cannot be read.
    Unreadable,
}

impl<'a> Walk<'a> {
    /// A walk that does not look at what is due.
    pub(crate) fn without_due(store: &'a dyn Store) -> Self {
        Self {
            runs: Keyed::new(store, keys::run_all()),
            history: Keyed::new(
                store,
                keys::KeyRange { space: Space::History, start: Vec::new(), end: None },
            ),
            pending: Keyed::new(store, keys::pending_all()),
            local: Keyed::new(store, keys::local_activities_all()),
            inbox: Keyed::new(store, keys::inbox_all()),
            published: Keyed::new(store, keys::published_all()),
            deliveries: Keyed::new(store, keys::deliveries_all()),
            due: Due::default(),
        }
    }

    /// A walk past everything.
    pub(super) fn new(store: &'a dyn Store, sink: Sink<'_>) -> Self {
        Self { due: Due::read(store, sink), ..Self::without_due(store) }
    }

    /// The next run of which there is anything.
    pub(crate) fn next_run(&mut self, sink: Sink<'_>) -> Option<RunId> {
        let run_id = self.first_run(sink)?;
        // What cannot be read on goes on where the next run begins.
        self.runs.resume_at(&RunKey { run_id }.encode());
        self.history.resume_at(&keys::history_range(run_id).start);
        self.pending.resume_at(&keys::pending_of(run_id).start);
        self.local.resume_at(&keys::local_activities_of(run_id).start);
        self.inbox.resume_at(&keys::inbox_of(run_id).start);
        self.published.resume_at(&keys::published_of(run_id).start);
        self.deliveries.resume_at(&keys::deliveries_to(run_id).start);
        Some(run_id)
    }

    fn first_run(&mut self, sink: Sink<'_>) -> Option<RunId> {
        let heads = [
            self.runs.peek_run(sink),
            self.history.peek_run(sink),
            self.pending.peek_run(sink),
            self.local.peek_run(sink),
            self.inbox.peek_run(sink),
            self.published.peek_run(sink),
            self.deliveries.peek_run(sink),
            self.due.runs.first_key_value().map(|(run_id, _)| *run_id),
        ];
        heads.into_iter().flatten().min()
    }

    pub(crate) fn run_row(&mut self, run_id: RunId, sink: Sink<'_>) -> RunRowFound {
        let Some((_, row)) = self.runs.next_of(run_id, sink) else {
            let is_broken = self.runs.is_broken();
            return if is_broken { RunRowFound::Unreadable } else { RunRowFound::Missing };
        };
        match RunRow::from_bytes(&row.value) {
            Ok(row) => RunRowFound::Read(row),
            Err(error) => {
                sink(Problem::Row { space: RunKey::SPACE, key: hex(&row.key), error });
                RunRowFound::Unreadable
            }
        }
    }

    /// What is due for a run, and whether there may be more that cannot be read.
    pub(super) fn take_due(&mut self, run_id: RunId) -> (Vec<DueKey>, bool) {
        (self.due.runs.remove(&run_id).unwrap_or_default(), self.due.is_broken)
    }

    pub(super) fn count_into(&self, counts: &mut StoreCounts) {
        counts.events += self.history.counts().rows;
        counts.local_activities += self.local.counts().rows;
        counts.pending_activities += self.pending.counts().rows + self.local.counts().rows;
        counts.inbox += self.inbox.counts().rows + self.deliveries.counts().rows;
        counts.published += self.published.counts().rows;
        counts.due += self.due.counts.rows;
        counts.bytes.add(Space::History, self.history.counts().bytes);
        let state = [
            self.runs.counts(),
            self.pending.counts(),
            self.local.counts(),
            self.inbox.counts(),
            self.published.counts(),
            self.deliveries.counts(),
            self.due.counts,
        ];
        counts.bytes.add(Space::State, state.iter().map(|counts| counts.bytes).sum());
    }
}

/// What is due, by its run: these rows stand in the order of their times, so all of them are
/// read first.
#[derive(Default)]
struct Due {
    runs: BTreeMap<RunId, Vec<DueKey>>,
    is_broken: bool,
    counts: RowCounts,
}

impl Due {
    fn read(store: &dyn Store, sink: Sink<'_>) -> Self {
        let mut rows: Keyed<'_, DueKey> = Keyed::new(store, keys::due_all());
        let mut runs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        while let Some((key, row)) = rows.next(sink) {
            if !row.value.is_empty() {
                let error = InvalidRow::Length { expected: 0, found: row.value.len() };
                sink(Problem::Row { space: DueKey::SPACE, key: hex(&row.key), error });
            }
            runs.entry(key.run_id).or_default().push(key);
        }
        Self { runs, is_broken: rows.is_broken(), counts: rows.counts() }
    }
}
