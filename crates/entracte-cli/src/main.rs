//! The program `entracte`: looks into the directory of a store without changing it.
//!
//! ```text
//! entracte inspect <dir>                   what the directory holds
//! entracte verify  <dir>                   whether everything in the store fits together
//! entracte export  <dir> [--output file]   everything that can be read, as lines of JSON
//! entracte salvage <dir> <target>          a new store of what can be read
//! ```
//!
//! It ends with 0 if nothing is wrong, with 1 if something is, and with 2 if it could not look.

mod arguments;
mod error;
mod export;
mod inspect;
mod salvage;
mod scratch;
mod verify;

use std::error::Error;
use std::io::{self, Write};
use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use self::arguments::{Arguments, Command};
use self::error::CliError;

/// What a look has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing is wrong.
    Sound,
    /// Something is wrong, and was told.
    Problems,
}

/// The exit code of a look that could not be taken; wrong arguments have the same.
const COULD_NOT_LOOK: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Reading damaged files can panic below. The panic's text is on the standard error.
    match catch_unwind(|| run(&arguments.command)) {
        Ok(Ok(Verdict::Sound)) => ExitCode::SUCCESS,
        Ok(Ok(Verdict::Problems)) => ExitCode::from(1),
        Ok(Err(error)) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "error: {}", chain(&error));
            ExitCode::from(COULD_NOT_LOOK)
        }
        Err(_) => ExitCode::from(COULD_NOT_LOOK),
    }
}

fn run(command: &Command) -> Result<Verdict, CliError> {
    match command {
        Command::Inspect(look) => inspect::run(look),
        Command::Verify(look) => verify::run(look),
        Command::Export { look, output } => export::run(look, output.as_deref()),
        Command::Salvage { directory, target, json } => salvage::run(directory, target, *json),
    }
}

/// Prints a result to the standard output: for people, or for machines.
fn print<T: Serialize + std::fmt::Display>(result: &T, json: bool) -> Result<(), CliError> {
    print_to(&mut io::stdout().lock(), result, json).map_err(|source| CliError::Print { source })
}

fn print_to<T: Serialize + std::fmt::Display>(
    out: &mut impl Write,
    result: &T,
    json: bool,
) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, result)?;
        out.write_all(b"\n")?;
    } else {
        writeln!(out, "{result}")?;
    }
    out.flush()
}

/// An error with its causes, in one line; what an error says of its cause is not said twice.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
