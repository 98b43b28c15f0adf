//! What a round measures, and what is made of several rounds.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// What the journal did during a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Appends that were answered.
    pub appends: u64,
    /// Batches that were committed; each holds all appends that waited.
    pub commits: u64,
    /// Times that the disk was synced.
    pub syncs: u64,
    /// History rows that were written.
    pub events: u64,
}

impl JournalFigures {
    /// What was done since an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            appends: self.appends.saturating_sub(before.appends),
            commits: self.commits.saturating_sub(before.commits),
            syncs: self.syncs.saturating_sub(before.syncs),
            events: self.events.saturating_sub(before.events),
        }
    }
}

/// The figures of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// How many runs were driven.
    pub runs: u64,
    /// The wall time from the first start to the last result.
    pub elapsed: Duration,
    /// The processor time of the whole process, user and system, over the same span.
    pub cpu: Duration,
    /// Microseconds from the start of a run to its result.
    pub latency_us: Histogram<u64>,
    /// What the journal did.
    pub journal: JournalFigures,
}

impl Round {
    /// Runs that were brought from start to result in a second.
    #[must_use]
    pub fn runs_per_second(&self) -> f64 {
        self.runs as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor seconds that a thousand runs took.
    #[must_use]
    pub fn cpu_seconds_per_1000_runs(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.runs as f64
    }

    /// How many appends shared one sync; infinite if nothing was synced.
    #[must_use]
    pub fn appends_per_sync(&self) -> f64 {
        self.journal.appends as f64 / self.journal.syncs as f64
    }

    /// The latency in milliseconds below which this share of the runs lies.
    #[must_use]
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// The line above the lines of rounds.
pub const HEADINGS: &str = "              runs/s    p50 ms    p99 ms  CPU s/1000  appends/sync     \
                            syncs   appends/run   rows/run";

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_sync = match self.journal.syncs {
            0 => "-".to_owned(),
            _ => format!("{:.1}", self.appends_per_sync()),
        };
        write!(
            f,
            "{:>10.0}{:>10.2}{:>10.2}{:>12.3}{per_sync:>14}{:>10}{:>14.2}{:>11.2}",
            self.runs_per_second(),
            self.latency_ms(0.50),
            self.latency_ms(0.99),
            self.cpu_seconds_per_1000_runs(),
            self.journal.syncs,
            self.journal.appends as f64 / self.runs as f64,
            self.journal.events as f64 / self.runs as f64,
        )
    }
}

/// The middle of the values of a figure; the mean of the two in the middle if their number is
/// even, and nothing if there are none.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[values.len() / 2 - 1], upper))
}

/// The engine's median figure over the floor's, if both were measured.
#[must_use]
pub fn ratio(engine: &[Round], floor: &[Round], figure: fn(&Round) -> f64) -> Option<f64> {
    Some(median(engine.iter().map(figure))? / median(floor.iter().map(figure))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(runs: u64, millis: u64) -> Round {
        Round {
            runs,
            elapsed: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis / 2),
            latency_us: Histogram::new(3).unwrap(),
            journal: JournalFigures { appends: 4 * runs, commits: 10, syncs: 10, events: 0 },
        }
    }

    #[test]
    fn figures_are_per_second_per_thousand_runs_and_per_sync() {
        let round = round(500, 2_000);
        assert_eq!(round.runs_per_second(), 250.0);
        assert_eq!(round.cpu_seconds_per_1000_runs(), 2.0);
        assert_eq!(round.appends_per_sync(), 200.0);
    }

    #[test]
    fn a_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_is_of_the_medians() {
        let engine = [round(100, 1_000), round(100, 2_000), round(100, 9_000)];
        let floor = [round(100, 500), round(100, 500)];
        assert_eq!(ratio(&engine, &floor, Round::runs_per_second), Some(0.25));
        assert_eq!(ratio(&engine, &floor, Round::cpu_seconds_per_1000_runs), Some(4.0));
        assert_eq!(ratio(&engine, &[], Round::runs_per_second), None);
    }

    #[test]
    fn a_round_without_a_sync_says_so() {
        let mut round = round(100, 1_000);
        round.journal.syncs = 0;
        assert!(round.to_string().contains(" - "), "{round}");
    }
}
