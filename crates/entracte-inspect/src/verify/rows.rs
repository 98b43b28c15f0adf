//! Rows of a range, page by page, as far as they can be read.

use std::collections::VecDeque;
use std::fmt::Write;
use std::marker::PhantomData;

use entracte_model::RunId;
use entracte_store::keys::{
    DeliveryKey, DueKey, HistoryKey, InboxKey, Key, KeyRange, LocalActivityKey, PendingActivityKey,
    PublishedKey, RunKey, WorkflowIdKey, next_key,
};
use entracte_store::{Row, Store};

use super::problem::Problem;

/// What takes problems as they are found.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Problem);

/// How many rows are read at once, at most.
const PAGE_ROWS_MAX: usize = 1024;
/// Pages of more bytes than this get fewer rows, pages of less get more.
const PAGE_BYTES: usize = 1 << 20;

/// The rows of a range.
///
/// Where the store cannot read on, the rows end with a problem; they go on if somebody knows a
/// place further behind.
pub(crate) struct Rows<'a> {
    store: &'a dyn Store,
    /// What has not been read yet.
    range: KeyRange,
    page: VecDeque<Row>,
    page_rows: usize,
    state: State,
    /// Whether nothing was read since the last problem.
    is_told: bool,
    pub(crate) counts: RowCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Broken,
}

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(store: &'a dyn Store, range: KeyRange) -> Self {
        let (page, counts) = (VecDeque::new(), RowCounts::default());
        Self { store, range, page, page_rows: 64, state: State::Reading, is_told: false, counts }
    }

    /// Whether the store could not read on.
    pub(crate) fn is_broken(&self) -> bool {
        self.state == State::Broken && self.page.is_empty()
    }

    /// Goes on at a key, if the rows ended with a problem before it.
    pub(crate) fn resume_at(&mut self, key: &[u8]) {
        if self.is_broken() && self.range.start.as_slice() < key && self.range.contains(key) {
            self.range.start = key.to_vec();
            self.state = State::Reading;
        }
    }

    pub(crate) fn next(&mut self, sink: Sink<'_>) -> Option<Row> {
        while self.page.is_empty() && self.state == State::Reading {
            self.read_page(sink);
        }
        let row = self.page.pop_front()?;
        self.counts.rows += 1;
        self.counts.bytes += (row.key.len() + row.value.len()) as u64;
        Some(row)
    }

    fn read_page(&mut self, sink: Sink<'_>) {
        let KeyRange { space, start, end } = &self.range;
        match self.store.scan(*space, start, end.as_deref(), self.page_rows) {
            Ok(rows) => {
                if rows.len() < self.page_rows {
                    self.state = State::Ended;
                }
                if let Some(last) = rows.last() {
                    self.is_told = false;
                    self.range.start = next_key(&last.key);
                }
                let bytes: usize = rows.iter().map(|row| row.key.len() + row.value.len()).sum();
                self.page_rows = if bytes > PAGE_BYTES {
                    (self.page_rows / 2).max(1)
                } else {
                    (self.page_rows * 2).min(PAGE_ROWS_MAX)
                };
                self.page = rows.into();
            }
            // What lies before the damage is read row by row.
            Err(_) if self.page_rows > 1 => self.page_rows = 1,
            Err(error) => {
                self.state = State::Broken;
                if !std::mem::replace(&mut self.is_told, true) {
                    sink(Problem::Unreadable { space: *space, key: hex(start), error });
                }
            }
        }
    }
}

/// A key that belongs to a run.
pub(crate) trait OfRun: Key {
    fn run_id(&self) -> RunId;
}

macro_rules! of_run {
    ($($key:ty),*) => {
        $(impl OfRun for $key {
            fn run_id(&self) -> RunId {
                self.run_id
            }
        })*
    };
}

of_run!(RunKey, HistoryKey, PendingActivityKey, LocalActivityKey, InboxKey, PublishedKey);
of_run!(DeliveryKey, DueKey);

/// Rows whose keys can be read; the others are problems.
pub(crate) struct Keyed<'a, K> {
    rows: Rows<'a>,
    head: Option<(K, Row)>,
    key: PhantomData<K>,
}

impl<'a, K: Key> Keyed<'a, K> {
    pub(crate) fn new(store: &'a dyn Store, range: KeyRange) -> Self {
        Self { rows: Rows::new(store, range), head: None, key: PhantomData }
    }

    pub(crate) fn counts(&self) -> RowCounts {
        self.rows.counts
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.head.is_none() && self.rows.is_broken()
    }

    pub(crate) fn resume_at(&mut self, key: &[u8]) {
        if self.head.is_none() {
            self.rows.resume_at(key);
        }
    }

    pub(crate) fn peek(&mut self, sink: Sink<'_>) -> Option<&K> {
        while self.head.is_none() {
            let row = self.rows.next(sink)?;
            match K::decode(&row.key) {
                Ok(key) => self.head = Some((key, row)),
                Err(error) => {
                    sink(Problem::Key { space: K::SPACE, key: hex(&row.key), error });
                }
            }
        }
        self.head.as_ref().map(|(key, _)| key)
    }

    pub(crate) fn next(&mut self, sink: Sink<'_>) -> Option<(K, Row)> {
        self.peek(sink)?;
        self.head.take()
    }
}

impl<K: OfRun> Keyed<'_, K> {
    pub(crate) fn peek_run(&mut self, sink: Sink<'_>) -> Option<RunId> {
        self.peek(sink).map(OfRun::run_id)
    }

    /// The next row, if it belongs to a run.
    pub(crate) fn next_of(&mut self, run_id: RunId, sink: Sink<'_>) -> Option<(K, Row)> {
        if self.peek_run(sink)? == run_id { self.head.take() } else { None }
    }
}

/// The rows of workflow ids, which belong to no single run.
pub(crate) type WorkflowIds<'a> = Keyed<'a, WorkflowIdKey>;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
