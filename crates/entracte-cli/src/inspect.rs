//! `entracte inspect`: what the directory of a store holds.

use std::fmt;

use entracte::store::fjall::{Inspection, inspect};
use serde::Serialize;

use crate::arguments::Look;
use crate::error::CliError;
use crate::{Verdict, print};

pub(crate) fn run(look: &Look) -> Result<Verdict, CliError> {
    let inspection = inspect(&look.directory)?;
    print(&Shown(&inspection), look.json)?;
    Ok(if inspection.damage.is_empty() { Verdict::Sound } else { Verdict::Problems })
}

/// An inspection with a text for people.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a Inspection);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inspection { path, last, synced, in_tables, in_journals, journals, .. } = self.0;
        writeln!(f, "{}", path.display())?;
        writeln!(f, "readable up to commit {last}, known to be synced up to {synced}")?;
        writeln!(f, "in the tables of all spaces up to commit {in_tables}")?;
        match in_journals {
            Some(range) => writeln!(f, "in journals: commits {} to {}", range.start(), range.end()),
            None => writeln!(f, "in journals: no commits"),
        }?;
        for journal in journals {
            writeln!(f, "journal {}, {} bytes", journal.path.display(), journal.bytes)?;
        }
        for place in &self.0.places {
            let (path, offset, reason) = (place.path.display(), place.offset, &place.reason);
            writeln!(f, "no commit in {path} at byte {offset}: {reason}")?;
        }
        for torn in &self.0.torn {
            writeln!(f, "a torn end was kept aside as {}", torn.display())?;
        }
        if self.0.damage.is_empty() {
            return f.write_str("no damage");
        }
        f.write_str("damage:")?;
        self.0.damage.iter().try_for_each(|damage| write!(f, "\n- {damage}"))
    }
}
