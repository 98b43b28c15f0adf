//! Puts a load on the engine or its store and on their floor, by turns, and prints what each
//! took.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cancel;
mod commits;
mod opening;
mod place;
mod queue;
mod sequence;

/// Puts a load on the engine or its store and on their floor, and prints what each took.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    load: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Runs of three activities, one after the other.
    Sequence(sequence::Sequence),
    /// Single commits on the store: their latency and where they stall.
    Commits(commits::Commits),
    /// Cancellations: how long a running activity takes to learn of them.
    Cancel(cancel::Cancel),
    /// Stores whose journals hold much: how long they take to open.
    Opening(opening::Openings),
    /// Attempts that wait in a task queue: their memory, and how fast they get done.
    Queue(queue::Queue),
}

fn main() -> ExitCode {
    let done = match Cli::parse().load {
        Kind::Sequence(sequence) => sequence::run(&sequence),
        Kind::Commits(commits) => commits::run(&commits),
        Kind::Cancel(cancel) => cancel::run(&cancel),
        Kind::Opening(openings) => opening::run(&openings),
        Kind::Queue(queue) => queue::run(&queue),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
