//! Puts a load on the engine or its store and on their floor, by turns, and prints what each
//! took.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cancel;
mod children;
mod commits;
mod fan_out;
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
    /// Children of one parent: their memory and time.
    Children(children::Children),
    /// A chain of children, one below the other.
    Nested(children::Nested),
    /// Activities of one run, all at the same time.
    FanOut(fan_out::FanOut),
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
        Kind::Children(children) => children::run(&children),
        Kind::Nested(nested) => children::run_nested(&nested),
        Kind::FanOut(fan_out) => fan_out::run(&fan_out),
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
