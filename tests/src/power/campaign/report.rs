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
    /// The label of the last event before the cut.
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
    /// The cuts by the event before and the rules.
    counts: BTreeMap<(&'static str, &'static str), Count>,
    /// How often there was each kind of fault.
    faults: BTreeMap<String, usize>,
    /// The faults.
    pub failures: Vec<Failure>,
}

/// How many cuts there were, in how many of them a torn end was cut off, and how many have left
/// a fault.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    images: usize,
    torn: usize,
    faults: usize,
}

impl Report {
    pub(super) fn right(&mut self, before: &'static str, rules: &'static str, is_torn: bool) {
        let count = self.counts.entry((before, rules)).or_default();
        count.images += 1;
        count.torn += usize::from(is_torn);
    }

    pub(super) fn wrong(&mut self, failure: Failure, rules: &'static str) -> io::Result<()> {
        let count = self.counts.entry((failure.before, rules)).or_default();
        count.images += 1;
        count.faults += 1;
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
        for (key, part) in other.counts {
            let count = self.counts.entry(key).or_default();
            count.images += part.images;
            count.torn += part.torn;
            count.faults += part.faults;
        }
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    /// How many images there were.
    #[must_use]
    pub fn images(&self) -> usize {
        self.counts.values().map(|count| count.images).sum()
    }

    /// In how many of them the torn end of a journal was cut off.
    #[must_use]
    pub fn torn(&self) -> usize {
        self.counts.values().map(|count| count.torn).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cut after        rules     images    torn  faults")?;
        for ((before, rules), Count { images, torn, faults }) in &self.counts {
            writeln!(f, "{before:<16} {rules:<8} {images:>7} {torn:>7} {faults:>7}")?;
        }
        for (kind, count) in &self.faults {
            writeln!(f, "{count:>6} × {kind}")?;
        }
        let (images, torn, faults) = (self.images(), self.torn(), self.failures.len());
        write!(f, "{images} images, {torn} with a torn end, {faults} faults")
    }
}
