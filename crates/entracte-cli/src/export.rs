//! `entracte export`: everything that can be read, as lines of JSON.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use entracte::export::{ExportReport, export};
use serde::Serialize;

use crate::arguments::Look;
use crate::error::CliError;
use crate::scratch::ScratchStore;
use crate::{Verdict, print, print_to};

/// How much was exported, and how much is damaged.
#[derive(Debug, Clone, Copy, Serialize)]
struct Exported {
    #[serde(flatten)]
    report: ExportReport,
    damage: usize,
}

/// The line of something that is damaged in the files of the original.
#[derive(Debug, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
enum DamageLine<'a> {
    Damage { message: &'a str },
}

pub(crate) fn run(look: &Look, output: Option<&Path>) -> Result<Verdict, CliError> {
    let scratch = ScratchStore::open(look)?;
    let exported = match output {
        Some(path) => {
            let exported = export_to_file(&scratch, path)?;
            print(&exported, look.json)?;
            exported
        }
        None => {
            let exported = export_to(&scratch, &mut io::stdout().lock())?;
            // The standard output holds nothing but the lines.
            print_to(&mut io::stderr(), &exported, look.json)
                .map_err(|source| CliError::Print { source })?;
            exported
        }
    };
    let is_sound = exported.report.problems == 0 && exported.damage == 0;
    Ok(if is_sound { Verdict::Sound } else { Verdict::Problems })
}

fn export_to_file(scratch: &ScratchStore, path: &Path) -> Result<Exported, CliError> {
    let failed = |source| CliError::Output { path: path.to_path_buf(), source };
    // Never a file that exists: it could be one of the store's.
    let mut file = File::create_new(path).map_err(failed)?;
    let exported = export_to(scratch, &mut file)?;
    file.sync_all().map_err(failed)?;
    Ok(exported)
}

fn export_to(scratch: &ScratchStore, out: &mut impl Write) -> Result<Exported, CliError> {
    let report = export(&scratch.store, out)?;
    for message in &scratch.damage {
        let line = DamageLine::Damage { message };
        print_to_json(out, &line).map_err(entracte::export::ExportError::Write)?;
    }
    Ok(Exported { report, damage: scratch.damage.len() })
}

fn print_to_json(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    out.write_all(&line)
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)?;
        match self.damage {
            0 => Ok(()),
            damage => write!(f, "; {damage} damaged places in the files"),
        }
    }
}
