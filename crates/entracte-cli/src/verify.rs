//! `entracte verify`: whether everything in a store fits together.

use entracte::verify::verify;

use crate::arguments::Look;
use crate::error::CliError;
use crate::scratch::ScratchStore;
use crate::{Verdict, print};

pub(crate) fn run(look: &Look) -> Result<Verdict, CliError> {
    let scratch = ScratchStore::open(look)?;
    let report = verify(&scratch.store)?;
    print(&report, look.json)?;
    Ok(if report.is_sound() { Verdict::Sound } else { Verdict::Problems })
}
