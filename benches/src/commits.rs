//! The load on the store itself: one committer, one commit after the other.
//!
//! The engine's journal commits all that waits in one batch, so the latency of a commit is the
//! latency of everybody who waits for it, and a commit that stalls stalls every run. The same
//! batches are committed through the engine's store and, as its floor, through fjall directly.
//!
//! In a *closed loop* the next commit begins when the one before it has ended: the highest rate
//! there is. In an *open loop* commits are due at a fixed rate and each latency is counted from
//! the moment when its commit was due, so that a stall is also seen by the commits that queue
//! up behind it.

mod batches;
mod figures;
mod reads;
mod target;
mod watch;

use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use entracte::store::{Batch, FjallOptions, Persist};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;

pub use self::batches::Batches;
pub use self::figures::{CommitFigures, HEADINGS, Stalls, print_summary};
pub use self::target::{CommitTarget, Side};
pub use self::watch::{Seen, resident_bytes, written_bytes};
use crate::load::LoadError;

/// From which latency on a commit counts as stalled.
pub const STALL: Duration = Duration::from_millis(20);

/// A number of commits of alike batches.
#[derive(Debug, Clone)]
pub struct CommitLoad {
    /// How many commits are measured.
    pub commits: u64,
    /// How many commits are due in a second; none for a closed loop.
    pub commits_per_second: Option<f64>,
    /// How many rows a batch has, about.
    pub rows: usize,
    /// How many bytes each value has.
    pub row_bytes: usize,
    /// What each commit survives before it is answered.
    pub persist: Persist,
    /// How many rows are read in a second beside the commits.
    pub reads_per_second: u32,
    /// How the store is run; the floor takes the same.
    pub options: FjallOptions,
}

/// Drives one round in an empty directory: opens, warms up, measures, closes, opens again.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub fn round(
    side: Side,
    load: &CommitLoad,
    directory: &Path,
    progress: &ProgressBar,
) -> Result<CommitFigures, LoadError> {
    let target = CommitTarget::open(side, directory, load)?;
    let mut batches = Batches::new(load.rows, load.row_bytes);
    for _ in 0..WARM_UP_COMMITS {
        target.commit(batches.next_batch(), load.persist)?;
    }

    let watch = watch::Watch::start(&target.database_directory())?;
    let reads = reads::Reads::start(load.reads_per_second, &target);
    let written = written_bytes();
    let cpu = ProcessTime::now();
    let started = Instant::now();
    let committed = commits(&target, load, &mut batches, progress);
    let elapsed = started.elapsed();
    let cpu = cpu.elapsed();
    let written = written_bytes().zip(written).map(|(after, before)| after - before);
    // Whatever came of the commits, the threads beside them end.
    let read_us = reads.map(reads::Reads::stop).transpose()?;
    let seen = watch.stop()?;
    let Committed { latency_us, stalls, bytes } = committed?;

    target.close()?;
    let opened = Instant::now();
    let target = CommitTarget::open(side, directory, load)?;
    let reopen = opened.elapsed();
    target.close()?;

    Ok(CommitFigures {
        commits: load.commits,
        elapsed,
        cpu,
        latency_us,
        stalls,
        read_us,
        bytes,
        written,
        seen,
        reopen,
    })
}

/// Files, stacks and allocator are warm after these.
const WARM_UP_COMMITS: u64 = 100;

struct Committed {
    latency_us: Histogram<u64>,
    stalls: Stalls,
    bytes: u64,
}

fn commits(
    target: &CommitTarget,
    load: &CommitLoad,
    batches: &mut Batches,
    progress: &ProgressBar,
) -> Result<Committed, LoadError> {
    let mut done = Committed { latency_us: histogram(), stalls: Stalls::default(), bytes: 0 };
    let first = Instant::now();
    for number in 0..load.commits {
        let batch: Batch = batches.next_batch();
        done.bytes += batch.size_bytes() as u64;
        let due = match load.commits_per_second {
            Some(rate) => first + due_after(number, rate),
            None => Instant::now(),
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        target.commit(batch, load.persist)?;
        // Counted from when it was due, however late it began.
        done.latency_us.record(micros(due.elapsed()))?;
        // A commit that only waited its turn is late, but it did not stall itself.
        done.stalls.count(began.elapsed());
        progress.inc(1);
    }
    Ok(done)
}

/// When a commit of an open loop is due, counted from the first one.
fn due_after(number: u64, commits_per_second: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / commits_per_second)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::expect_used, reason = "three digits are within the bounds")]
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("a histogram of three digits")
}

#[cfg(test)]
mod tests;
