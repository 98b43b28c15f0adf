//! The driver: starts runs, so many at a time, and measures them.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use tokio::task::{JoinError, JoinSet};

use crate::figures::{JournalFigures, Round};
use crate::load::{Load, LoadError};

/// Something that brings runs from start to result.
pub trait Target: Clone + Send + 'static {
    /// Starts a run and waits until it is accepted and until its result is there. No two runs
    /// of a round have the same number.
    fn run(&self, run: u64) -> impl Future<Output = Result<(), LoadError>> + Send;

    /// What the journal has done so far.
    fn journal(&self) -> JournalFigures;
}

/// Drives one round: the load itself, after a short warm-up that is not measured.
///
/// # Errors
/// The error of the first run that fails.
pub async fn round<T: Target>(
    target: &T,
    load: &Load,
    progress: &ProgressBar,
) -> Result<Round, LoadError> {
    // One filling of the pipe warms allocator, stacks and files. It comes out of the numbers
    // above the measured ones, so that no id is used twice.
    let warm_up = (load.in_flight as u64).min(load.runs);
    runs(target, load.runs..load.runs + warm_up, load.in_flight, &ProgressBar::hidden()).await?;

    let journal = target.journal();
    let cpu = ProcessTime::now();
    let started = Instant::now();
    let latency_us = runs(target, 0..load.runs, load.in_flight, progress).await?;
    Ok(Round {
        runs: load.runs,
        elapsed: started.elapsed(),
        cpu: cpu.elapsed(),
        latency_us,
        journal: target.journal().since(journal),
    })
}

async fn runs<T: Target>(
    target: &T,
    numbers: std::ops::Range<u64>,
    in_flight: usize,
    progress: &ProgressBar,
) -> Result<Histogram<u64>, LoadError> {
    let mut latencies = Latencies::new(progress);
    let mut open = JoinSet::new();
    for number in numbers {
        if open.len() >= in_flight
            && let Some(ended) = open.join_next().await
        {
            latencies.record(ended)?;
        }
        let target = target.clone();
        open.spawn(async move {
            let started = Instant::now();
            target.run(number).await?;
            Ok(started.elapsed())
        });
    }
    while let Some(ended) = open.join_next().await {
        latencies.record(ended)?;
    }
    Ok(latencies.histogram)
}

struct Latencies<'a> {
    histogram: Histogram<u64>,
    progress: &'a ProgressBar,
}

impl<'a> Latencies<'a> {
    fn new(progress: &'a ProgressBar) -> Self {
        #[expect(clippy::expect_used, reason = "three digits are within the bounds")]
        let histogram = Histogram::new(3).expect("a histogram of three digits");
        Self { histogram, progress }
    }

    fn record(
        &mut self,
        ended: Result<Result<Duration, LoadError>, JoinError>,
    ) -> Result<(), LoadError> {
        let latency = ended??;
        self.histogram.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))?;
        self.progress.inc(1);
        Ok(())
    }
}
