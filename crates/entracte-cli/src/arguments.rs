//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Looks into the directory of an Entracte store.
///
/// The directory is never changed, however damaged it is: `inspect` only reads its files,
/// `verify` and `export` work on a scratch copy, `salvage` makes a new store. No engine may have the store open.
///
/// The exit code is 0 if nothing is wrong, 1 if something is damaged or does not fit together,
/// and 2 if there was no looking: the directory is no store, an engine has it open, or a file
/// cannot be read or written.
#[derive(Debug, Parser)]
#[command(name = "entracte", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what the directory of a store holds
    ///
    /// Reads the files as they are, without opening the store: it works on a damaged one too.
    /// Nothing is changed.
    Inspect(Look),
    /// Checks that everything in a store fits together
    ///
    /// Decodes every row and event, checks every history, and holds histories, runs, workflow
    /// ids, and what is still to be done against each other. All problems are told. Works on a
    /// scratch copy: the original is not changed.
    Verify(Look),
    /// Writes everything that can be read, as lines of JSON
    ///
    /// First one line for each run, with its events, then one line for each problem. Payloads
    /// are shown as the values that they encode. Works on a scratch copy: the original is not
    /// changed.
    Export {
        #[command(flatten)]
        look: Look,
        /// Writes the lines to this file, which must not exist yet [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Makes a store out of what can be read, in another directory
    ///
    /// The new store holds every commit up to the first one that is missing, and an engine can
    /// go on with it. What came after is lost with it: export it first, and compare. The
    /// original is not changed.
    Salvage {
        /// The directory of the store
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The directory of the new store, which must be missing or empty
        #[arg(value_name = "TARGET")]
        target: PathBuf,
        /// Tells the result as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where to look, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct Look {
    /// The directory of the store
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Tells the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to make the scratch copy [default: beside the store, or else where temporary files go]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
}
