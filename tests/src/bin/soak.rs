//! Long runs of the tests that go on as long as one likes, and the processes that they start.

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this needs Linux");
}

#[cfg(target_os = "linux")]
use std::process::ExitCode;

#[cfg(target_os = "linux")]
use clap::{Parser, Subcommand};
#[cfg(target_os = "linux")]
use entracte_tests::power;

#[cfg(target_os = "linux")]
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[cfg(target_os = "linux")]
#[derive(Subcommand)]
enum Command {
    /// Cuts the power of stores at work, and opens what is left.
    PowerCut(power::command::PowerCutArguments),
    /// Kills first openings of stores at each of their system calls, and cuts their power.
    FirstOpening(power::command::FirstOpeningArguments),
    #[command(flatten)]
    Power(power::helper::Helper),
}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::PowerCut(arguments) => arguments.run().await,
        Command::FirstOpening(arguments) => arguments.run().await,
        Command::Power(helper) => helper.run().await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
