//! How long a running activity takes to learn of its cancellation.
//!
//! Nothing may leave a run before it is durable, so a cancellation costs one commit, and some
//! messages between actors. Both are measured beside it: a commit of about as many rows, alone,
//! on the same store with the same durability, and one message to an actor that does nothing.
//! The activity has no heartbeats: it does not ask, it is told.

mod attempt;
mod floor;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use entracte::Durability;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use crate::load::LoadError;

/// How many times something is done before it is measured.
const WARM_UP: u64 = 50;

/// A number of cancellations, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct CancelLoad {
    /// How many are measured.
    pub cancellations: u64,
    /// How many runs there are in the chain from the one that is cancelled to the one whose
    /// activity is told: each is the child of the one before. At least 1.
    pub depth: u32,
    /// What the journal of the engine, and the commits of the floor, survive.
    pub durability: Durability,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// One message, until its actor handles it.
    Message,
    /// As many commits as there are runs in the chain, one after the other, until the last is
    /// answered.
    Commit,
    /// From the call of `run.cancel()` of the first run until the attempt of the last one is
    /// told.
    Handle,
    /// From the call of a signal, at which the workflow drops the activity, until the attempt
    /// is told.
    Workflow,
}

impl Measured {
    /// All of them for a chain of so many runs, the floor first.
    #[must_use]
    pub const fn all(depth: u32) -> &'static [Self] {
        match depth {
            0 | 1 => &[Self::Message, Self::Commit, Self::Handle, Self::Workflow],
            _ => &[Self::Message, Self::Commit, Self::Handle],
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Message => "one message",
            Self::Commit => "a commit for each run",
            Self::Handle => "run.cancel() to attempt",
            Self::Workflow => "dropped by workflow",
        })
    }
}

/// Measures one of them in an empty directory; the latencies are in nanoseconds.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn round(
    measured: Measured,
    load: &CancelLoad,
    directory: &Path,
    progress: &ProgressBar,
) -> Result<Histogram<u64>, LoadError> {
    let mut latencies = Latencies::new(load.cancellations, progress);
    match measured {
        Measured::Message => floor::messages(&mut latencies).await?,
        Measured::Commit => floor::commits(directory, load, &mut latencies).await?,
        Measured::Handle | Measured::Workflow => {
            attempt::told(measured, directory, load, &mut latencies).await?;
        }
    }
    Ok(latencies.histogram)
}

/// Collects latencies, those of the warm-up aside.
struct Latencies<'a> {
    histogram: Histogram<u64>,
    progress: &'a ProgressBar,
    wanted: u64,
    warm_up: u64,
}

impl<'a> Latencies<'a> {
    fn new(wanted: u64, progress: &'a ProgressBar) -> Self {
        #[expect(clippy::expect_used, reason = "three digits are within the bounds")]
        let histogram = Histogram::new(3).expect("a histogram of three digits");
        Self { histogram, progress, wanted, warm_up: WARM_UP }
    }

    /// Whether more are wanted.
    fn wants_more(&self) -> bool {
        self.histogram.len() < self.wanted
    }

    fn record(&mut self, latency: Duration) -> Result<(), LoadError> {
        if self.warm_up > 0 {
            self.warm_up -= 1;
            return Ok(());
        }
        self.histogram.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))?;
        self.progress.inc(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_of_them_is_measured_as_often_as_it_is_wanted() {
        for depth in [1, 3] {
            let load = CancelLoad { cancellations: 5, depth, durability: Durability::Sync };
            for measured in Measured::all(depth) {
                let directory = tempfile::tempdir().unwrap();
                let progress = ProgressBar::hidden();
                let figures = round(*measured, &load, directory.path(), &progress).await.unwrap();
                assert_eq!(figures.len(), 5, "{measured}");
                assert!(figures.min() > 0, "{measured}");
            }
        }
    }
}
