//! `entracte verify`: whether everything in a store fits together.

use std::fmt;

use entracte::verify::{VerifyReport, verify};
use serde::Serialize;

use crate::arguments::Look;
use crate::error::CliError;
use crate::scratch::ScratchStore;
use crate::{Verdict, print};

/// What is wrong with the files, and with what can be read of them.
#[derive(Debug, Serialize)]
struct Verified {
    damage: Vec<String>,
    #[serde(flatten)]
    report: VerifyReport,
}

pub(crate) fn run(look: &Look) -> Result<Verdict, CliError> {
    let scratch = ScratchStore::open(look)?;
    let report = verify(&scratch.store)?;
    let is_sound = report.is_sound() && scratch.damage.is_empty();
    print(&Verified { damage: scratch.damage, report }, look.json)?;
    Ok(if is_sound { Verdict::Sound } else { Verdict::Problems })
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.damage.is_empty() {
            f.write_str("the files are damaged:\n")?;
            self.damage.iter().try_for_each(|damage| writeln!(f, "- {damage}"))?;
            f.write_str("what can be read of them:\n")?;
        }
        self.report.fmt(f)
    }
}
