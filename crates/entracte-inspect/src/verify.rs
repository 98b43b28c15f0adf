//! Looks through a whole store and tells everything that is wrong with it.
//!
//! Every key, row and event is decoded; every history is checked as the engine checks it when it
//! opens a run; and the rows about a run are held against its history: where the run stands,
//! which run its workflow id names, and what is still to be done for it. Nothing is written and
//! no user code is run, so whether a workflow's code still fits its history is not known
//! afterwards.
//!
//! The store is read page by page. What is held in memory at one time is a page of each index,
//! what the history of one run tells, and all due times, as in an engine that starts. Nobody may
//! write to the store meanwhile.
//!
//! ```
//! use entracte_inspect::verify::verify;
//! use entracte_store::MemoryStore;
//!
//! let report = verify(&MemoryStore::new())?;
//! assert!(report.is_sound());
//! # Ok::<(), entracte_store::StoreError>(())
//! ```

mod history;
mod operations;
mod problem;
mod report;
mod rows;
mod run;
mod space;
mod task_queues;
mod walk;
mod workflow_ids;

use entracte_model::{RunId, Timestamp};
use entracte_store::keys::FORMAT_KEY;
use entracte_store::{Space, Store, StoreError, StoreExt};

pub use self::problem::{ChainFault, IndexRow, PendingActivityFault, Problem, WorkflowIdFault};
pub(crate) use self::report::ProblemLine;
pub use self::report::{SpaceBytes, StoreCounts, VerifyReport};
use self::rows::Sink;
pub(crate) use self::walk::{RunRowFound, Walk};

/// How many problems a report keeps unless it is told otherwise; the others are counted.
pub const PROBLEMS_KEPT_MAX: usize = 1_000;

/// Looks through a whole store; keeps up to [`PROBLEMS_KEPT_MAX`] problems.
///
/// # Errors
/// [`StoreError::Closed`] if the store is closed. Everything else that cannot be read is a
/// [`Problem`] of the report.
pub fn verify(store: &dyn Store) -> Result<VerifyReport, StoreError> {
    verify_keeping(store, PROBLEMS_KEPT_MAX)
}

/// Looks through a whole store; keeps so many problems and counts the others.
///
/// # Errors
/// As [`verify`].
pub fn verify_keeping(store: &dyn Store, problems_max: usize) -> Result<VerifyReport, StoreError> {
    let mut problems = Vec::new();
    let mut problems_dropped = 0;
    let counts = for_each_problem(store, |problem| {
        if problems.len() < problems_max {
            problems.push(problem);
        } else {
            problems_dropped += 1;
        }
    })?;
    Ok(VerifyReport { counts, problems, problems_dropped })
}

/// Looks through a whole store and hands each problem on as it is found.
///
/// # Errors
/// As [`verify`].
pub fn for_each_problem(
    store: &dyn Store,
    mut found: impl FnMut(Problem),
) -> Result<StoreCounts, StoreError> {
    if let Err(StoreError::Closed) = store.get(Space::Meta, FORMAT_KEY) {
        return Err(StoreError::Closed);
    }
    let mut verifier =
        Verifier { store, sink: &mut found, counts: StoreCounts::default(), last: None };
    verifier.check_runs();
    verifier.check_workflow_ids();
    verifier.check_unknown_keys();
    verifier.check_meta();
    Ok(verifier.counts)
}

/// What a look through a store has come to so far.
struct Verifier<'a> {
    store: &'a dyn Store,
    sink: Sink<'a>,
    counts: StoreCounts,
    /// The latest time that anything in the store tells, and the run that tells it.
    last: Option<(Timestamp, RunId)>,
}

impl Verifier<'_> {
    fn check_runs(&mut self) {
        let mut walk = Walk::new(self.store, self.sink);
        while let Some(run_id) = walk.next_run(self.sink) {
            self.check_run(run_id, &mut walk);
        }
        walk.count_into(&mut self.counts);
    }

    fn note_time(&mut self, time: Timestamp, run_id: RunId) {
        if self.last.is_none_or(|(last, _)| time > last) {
            self.last = Some((time, run_id));
        }
    }

    /// The clock's row is never behind anything that was journaled.
    fn check_clock(&mut self) {
        let Some((last, run_id)) = self.last else { return };
        match self.store.clock() {
            Ok(Some(clock)) if clock >= last => {}
            Ok(Some(clock)) => (self.sink)(Problem::ClockBehind { clock, last, run_id }),
            Ok(None) => (self.sink)(Problem::ClockMissing { last, run_id }),
            // Told when the space `Meta` was read.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
