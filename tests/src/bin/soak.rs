//! Tests that go on for as long as one likes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use entracte_tests::damage;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Damages stores in every way, and tells what they make of it.
    Damage(damage::Arguments),
    #[command(hide = true, subcommand)]
    DamageHelper(damage::Helper),
}

fn main() -> ExitCode {
    let is_good = match Arguments::parse().command {
        Command::Damage(arguments) => arguments.run(),
        Command::DamageHelper(helper) => helper.run().map(|()| true),
    };
    match is_good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
