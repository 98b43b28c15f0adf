//! `entracte export`: everything that can be read, as lines of JSON.

use std::fs::File;
use std::io;
use std::path::Path;

use entracte::export::{ExportReport, export};

use crate::arguments::Look;
use crate::error::CliError;
use crate::scratch::ScratchStore;
use crate::{Verdict, print, print_to};

pub(crate) fn run(look: &Look, output: Option<&Path>) -> Result<Verdict, CliError> {
    let scratch = ScratchStore::open(look)?;
    let report = match output {
        Some(path) => {
            let report = export_to_file(&scratch, path)?;
            print(&report, look.json)?;
            report
        }
        None => {
            let report = export(&scratch.store, &mut io::stdout().lock())?;
            // The standard output holds nothing but the lines.
            print_to(&mut io::stderr(), &report, look.json)
                .map_err(|source| CliError::Print { source })?;
            report
        }
    };
    Ok(if report.problems == 0 { Verdict::Sound } else { Verdict::Problems })
}

fn export_to_file(scratch: &ScratchStore, path: &Path) -> Result<ExportReport, CliError> {
    let failed = |source| CliError::Output { path: path.to_path_buf(), source };
    // Never a file that exists: it could be one of the store's.
    let mut file = File::create_new(path).map_err(failed)?;
    let report = export(&scratch.store, &mut file)?;
    file.sync_all().map_err(failed)?;
    Ok(report)
}
