//! What came of the cuts.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::Cut;
use crate::power::judge::Fault;

/// How many images of one kind of fault are kept.
const IMAGES_KEPT: usize = 2;

/// A cut that has left a fault.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The name of the recording.
    pub scenario: String,
    /// The kind of the last event before the cut.
    pub before: &'static str,
    /// The cut.
    pub cut: Cut,
    /// What it has left.
    pub fault: Fault,
    /// The arguments with which it is made again.
    pub replay: String,
    /// Where the image is kept: `before` is what the cut has left, `root` what was made of it.
    pub image: PathBuf,
}

/// What came of some cuts.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many cuts there were by the event before and the rules, and how many faults.
    counts: BTreeMap<(&'static str, &'static str), (usize, usize)>,
    /// How often there was each kind of fault.
    faults: BTreeMap<String, usize>,
    /// The faults.
    pub failures: Vec<Failure>,
}

impl Report {
    pub(super) fn right(&mut self, before: &'static str, rules: &'static str) {
        self.counts.entry((before, rules)).or_default().0 += 1;
    }

    pub(super) fn wrong(&mut self, failure: Failure, rules: &'static str) -> io::Result<()> {
        let count = self.counts.entry((failure.before, rules)).or_default();
        count.0 += 1;
        count.1 += 1;
        let kind = format!("{} ({rules}): {}", failure.scenario, failure.fault.kind);
        let known = self.faults.entry(kind).or_default();
        *known += 1;
        if *known > IMAGES_KEPT {
            fs::remove_dir_all(&failure.image)?;
        }
        self.failures.push(failure);
        Ok(())
    }

    /// Adds what came of others.
    pub fn add(&mut self, other: Self) {
        for (key, (all, wrong)) in other.counts {
            let count = self.counts.entry(key).or_default();
            count.0 += all;
            count.1 += wrong;
        }
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    /// How many images there were.
    #[must_use]
    pub fn images(&self) -> usize {
        self.counts.values().map(|(all, _)| all).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {:<8} {:>7} {:>7}", "cut after", "rules", "images", "faults")?;
        for ((before, rules), (all, wrong)) in &self.counts {
            writeln!(f, "{before:<12} {rules:<8} {all:>7} {wrong:>7}")?;
        }
        for (kind, count) in &self.faults {
            writeln!(f, "{count:>6} × {kind}")?;
        }
        write!(f, "{} images, {} faults", self.images(), self.failures.len())
    }
}
