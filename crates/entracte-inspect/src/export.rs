//! Writes everything of a store that can be read, as lines of JSON.
//!
//! First comes one line for each run, in the order of their starts:
//!
//! ```json
//! {"run_id":"…","workflow_id":"order-42","workflow_type":"order","task_queue":"default",
//!  "status":"completed",
//!  "start_time":"2026-01-01T00:00:00.000000000Z","close_time":"…","request_id":"…",
//!  "first_execution_run_id":"…",
//!  "events":[{"id":1,"time":"…","type":"WorkflowExecutionStarted","attributes":{…}},…],
//!  "events_unreadable":0,"pending_activities":[…],"local_activities":[…],
//!  "inbox":[…],"published":[…]}
//! ```
//!
//! (in one line). The events are [`Event`]s in their `serde` form, which gives the same events
//! back. A run of a chain also has `continued_execution_run_id` and `new_execution_run_id`, the
//! runs before and behind it. Payloads stand in them as the values that they encode, with the tag of their encoding,
//! and in hexadecimal where that would not give the same bytes back. A run without a row that
//! can be read has null where only the row knows.
//!
//! Then comes one line for each [`Problem`](crate::verify::Problem) of the store:
//! `{"problem":"gap","run_id":"…",…,"message":"…"}`.
//!
//! The store is read page by page and one run at a time, so that a long history needs no more
//! memory than a short one. Nobody may write to it meanwhile.

mod run_line;

use std::io::{self, BufWriter, Write};

use entracte_model::{Event, RunId};
use entracte_store::{Store, StoreError};
use serde::Serialize;

use self::run_line::RunLine;
use crate::verify::{ProblemLine, Walk, for_each_problem};

/// How much was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// Runs: one line for each.
    pub runs: u64,
    /// Events, in the lines of their runs.
    pub events: u64,
    /// Problems: one line for each.
    pub problems: u64,
}

impl std::fmt::Display for ExportReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { runs, events, problems } = self;
        write!(f, "{runs} runs with {events} events; {problems} problems")
    }
}

/// Says why an export was not written to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store is closed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lines could not be written.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Writes everything of a store that can be read, as lines of JSON.
///
/// # Errors
/// [`ExportError`] if the lines cannot be written, or the store is closed. What cannot be read
/// is no error: it is told by the lines at the end.
pub fn export(store: &dyn Store, out: &mut impl Write) -> Result<ExportReport, ExportError> {
    let mut out = BufWriter::new(out);
    let mut report = ExportReport::default();
    let mut export = Export { out: &mut out, report: &mut report };
    export.runs(store)?;
    export.problems(store)?;
    out.flush()?;
    Ok(report)
}

struct Export<'a, W> {
    out: &'a mut W,
    report: &'a mut ExportReport,
}

impl<W: Write> Export<'_, W> {
    fn runs(&mut self, store: &dyn Store) -> io::Result<()> {
        // Problems are told afterwards, together with those that a mere reader does not see.
        let mut walk = Walk::without_due(store);
        while let Some(run_id) = walk.next_run(&mut |_| {}) {
            self.run(run_id, &mut walk)?;
        }
        Ok(())
    }

    fn run(&mut self, run_id: RunId, walk: &mut Walk<'_>) -> io::Result<()> {
        let row = walk.run_row(run_id, &mut |_| {});
        let mut line = RunLine::begin(self.out, run_id, &row)?;
        let (mut events, mut unreadable) = (0, 0_u64);
        while let Some((key, row)) = walk.history.next_of(run_id, &mut |_| {}) {
            match Event::from_bytes(key.event_id, &row.value) {
                Ok(event) => {
                    line.event(&event)?;
                    events += 1;
                }
                Err(_) => unreadable += 1,
            }
        }
        line.end(unreadable, run_id, walk)?;
        self.report.runs += 1;
        self.report.events += events;
        Ok(())
    }

    fn problems(&mut self, store: &dyn Store) -> Result<(), ExportError> {
        let mut written = Ok(());
        for_each_problem(store, |problem| {
            if written.is_ok() {
                written = write_line(self.out, &ProblemLine::from(&problem));
                self.report.problems += 1;
            }
        })?;
        Ok(written?)
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
