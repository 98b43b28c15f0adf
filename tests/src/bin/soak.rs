//! Tests that go on for as long as one likes, and the processes that they start.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use entracte_tests::damage;
#[cfg(target_os = "linux")]
use entracte_tests::power;
#[cfg(target_os = "linux")]
use tokio::runtime::Runtime;

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
    /// Cuts the power of stores at work, and opens what is left.
    #[cfg(target_os = "linux")]
    PowerCut(power::command::PowerCutArguments),
    /// Kills first openings of stores at each of their system calls, and cuts their power.
    #[cfg(target_os = "linux")]
    FirstOpening(power::command::FirstOpeningArguments),
    #[cfg(target_os = "linux")]
    #[command(flatten)]
    Power(power::helper::Helper),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells whether everything was as it should be.
fn run(command: Command) -> Result<bool, Box<dyn Error>> {
    match command {
        Command::Damage(arguments) => arguments.run().map_err(plain),
        Command::DamageHelper(helper) => helper.run().map(|()| true).map_err(plain),
        #[cfg(target_os = "linux")]
        Command::PowerCut(arguments) => Runtime::new()?.block_on(arguments.run()),
        #[cfg(target_os = "linux")]
        Command::FirstOpening(arguments) => Runtime::new()?.block_on(arguments.run()),
        #[cfg(target_os = "linux")]
        Command::Power(helper) => Runtime::new()?.block_on(helper.run()).map(|()| true),
    }
}

fn plain(error: damage::Trouble) -> Box<dyn Error> {
    error
}
