//! What a round of commits measures.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{STALL, Seen, Side};
use crate::figures::median;

const MIB: f64 = 1024.0 * 1024.0;

/// Commits that took longer than [`STALL`] from their own beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stalls {
    /// How many.
    pub count: u64,
    /// How long they took together.
    pub time: Duration,
}

impl Stalls {
    pub(super) fn count(&mut self, took: Duration) {
        if took > STALL {
            self.count += 1;
            self.time += took;
        }
    }
}

/// The figures of one round.
#[derive(Debug, Clone)]
pub struct CommitFigures {
    /// How many commits were measured.
    pub commits: u64,
    /// The wall time of all of them.
    pub elapsed: Duration,
    /// The processor time of the whole process, user and system, over the same span.
    pub cpu: Duration,
    /// Microseconds from the moment when a commit was due to its answer.
    pub latency_us: Histogram<u64>,
    /// The commits that stalled.
    pub stalls: Stalls,
    /// Microseconds that each read took, if there were reads.
    pub read_us: Option<Histogram<u64>>,
    /// Bytes of the batches.
    pub bytes: u64,
    /// Bytes that went to the disk for it, if the operating system tells.
    pub written: Option<u64>,
    /// What was seen of fjall's work in the background.
    pub seen: Seen,
    /// How long the store took to open again.
    pub reopen: Duration,
}

impl CommitFigures {
    /// Commits in a second.
    #[must_use]
    pub fn commits_per_second(&self) -> f64 {
        self.commits as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor seconds that a thousand commits took.
    #[must_use]
    pub fn cpu_seconds_per_1000_commits(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.commits as f64
    }

    /// The latency in milliseconds that this share of the commits does not exceed.
    #[must_use]
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// The line above the lines of rounds.
pub const HEADINGS: &str = "         commits/s   p50 ms   p99 ms p99.9 ms   max ms  stalls   stall s  \
     CPU s/1000  batch MiB  disk MiB  rotations  journals  tables  versions  RSS MiB  reopen ms  \
     read p99.9, max ms";

impl fmt::Display for CommitFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: Option<u64>| {
            bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / MIB))
        };
        let reads = self.read_us.as_ref().map_or_else(
            || "-".to_owned(),
            |us| {
                let ms = |us: u64| us as f64 / 1000.0;
                format!("{:.2}, {:.2}", ms(us.value_at_quantile(0.999)), ms(us.max()))
            },
        );
        write!(
            f,
            "{:>12.0}{:>9.2}{:>9.2}{:>9.2}{:>9.2}{:>8}{:>10.2}{:>12.3}{:>11.0}{:>10}{:>11}{:>10}\
             {:>8}{:>10}{:>9}{:>11.0}{reads:>20}",
            self.commits_per_second(),
            self.latency_ms(0.5),
            self.latency_ms(0.99),
            self.latency_ms(0.999),
            self.latency_ms(1.0),
            self.stalls.count,
            self.stalls.time.as_secs_f64(),
            self.cpu_seconds_per_1000_commits(),
            self.bytes as f64 / MIB,
            mib(self.written),
            self.seen.rotations,
            self.seen.journals_max,
            self.seen.tables,
            self.seen.versions,
            mib(self.seen.resident_bytes_max),
            self.reopen.as_secs_f64() * 1000.0,
        )
    }
}

/// Prints of each figure the median over the rounds, the lowest and the highest.
pub fn print_summary(side: Side, rounds: &[CommitFigures]) {
    type Figure = fn(&CommitFigures) -> f64;
    let figures: [(&str, Figure); 8] = [
        ("commits/s", CommitFigures::commits_per_second),
        ("p50 ms", |round| round.latency_ms(0.5)),
        ("p99 ms", |round| round.latency_ms(0.99)),
        ("p99.9 ms", |round| round.latency_ms(0.999)),
        ("max ms", |round| round.latency_ms(1.0)),
        ("stalls", |round| round.stalls.count as f64),
        ("stall s", |round| round.stalls.time.as_secs_f64()),
        ("CPU s/1000", CommitFigures::cpu_seconds_per_1000_commits),
    ];
    let texts: Vec<String> = figures
        .iter()
        .filter_map(|(name, figure)| {
            let values = || rounds.iter().map(figure);
            let middle = median(values())?;
            let lowest = values().fold(f64::INFINITY, f64::min);
            let highest = values().fold(0.0, f64::max);
            Some(format!("{name} {middle:.2} ({lowest:.2}-{highest:.2})"))
        })
        .collect();
    if !texts.is_empty() {
        println!("{side:<9}median (lowest-highest): {}", texts.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_slower_than_a_stall_counts() {
        let mut stalls = Stalls::default();
        stalls.count(STALL);
        stalls.count(STALL * 2);
        stalls.count(Duration::from_secs(1));
        assert_eq!(stalls, Stalls { count: 2, time: STALL * 2 + Duration::from_secs(1) });
    }
}
