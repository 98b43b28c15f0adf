//! Counts what damaged stores have answered.

use std::collections::BTreeMap;
use std::fmt;

use super::case::Case;
use super::judge::{Judgement, Verdict};

/// A store that has failed, and how to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which plan, sample and number.
    pub place: String,
    /// The damage.
    pub label: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What happened.
    pub detail: String,
}

/// How often each verdict was passed, by kind of file and damage.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: BTreeMap<(String, String), BTreeMap<Verdict, u64>>,
    errors: BTreeMap<String, u64>,
    /// Those that no store may do.
    pub failures: Vec<Failure>,
    /// How many cases there were.
    pub cases: u64,
}

impl Tally {
    /// Takes a judgement in.
    pub(super) fn add(&mut self, place: &str, case: &Case, judgement: Judgement) {
        let Judgement { verdict, error, detail } = judgement;
        let row = self.counts.entry((case.file.clone(), case.damage.clone())).or_default();
        *row.entry(verdict).or_default() += 1;
        self.cases += 1;
        if let Some(error) = error {
            *self.errors.entry(error).or_default() += 1;
        }
        if verdict.is_failure() {
            let (place, label) = (place.to_owned(), case.label.clone());
            self.failures.push(Failure { place, label, verdict, detail });
        }
    }

    /// How often a verdict was passed.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.counts.values().filter_map(|row| row.get(&verdict)).sum()
    }

    /// Takes another tally in.
    pub fn merge(&mut self, other: Self) {
        for (key, row) in other.counts {
            let mine = self.counts.entry(key).or_default();
            for (verdict, count) in row {
                *mine.entry(verdict).or_default() += count;
            }
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.failures.extend(other.failures);
        self.cases += other.cases;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:18} {:24}", "file", "damage")?;
        for verdict in Verdict::ALL {
            write!(f, " {verdict:>10}")?;
        }
        writeln!(f)?;
        let row = |f: &mut fmt::Formatter<'_>, name: [&str; 2], count: &dyn Fn(Verdict) -> u64| {
            write!(f, "{:18} {:24}", name[0], name[1])?;
            for verdict in Verdict::ALL {
                match count(verdict) {
                    0 => write!(f, " {:>10}", "·")?,
                    count => write!(f, " {count:>10}")?,
                }
            }
            writeln!(f)
        };
        for ((file, damage), counts) in &self.counts {
            row(f, [file, damage], &|verdict| counts.get(&verdict).copied().unwrap_or(0))?;
        }
        row(f, ["all", ""], &|verdict| self.count(verdict))?;
        writeln!(f, "(refused*: refused, and files were changed)")?;
        writeln!(f, "errors:")?;
        for (error, count) in &self.errors {
            writeln!(f, "{count:8}  {error}")?;
        }
        Ok(())
    }
}
