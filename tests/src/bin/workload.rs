//! The process that the kill tests kill, and the one that checks what it left.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use entracte::Durability;
use entracte::store::FjallOptions;
use entracte_tests::workload::{self, Checked, Load};

#[derive(Parser)]
struct Arguments {
    /// The engine's directory.
    #[arg(long)]
    data: PathBuf,
    /// The file with a line for each acknowledged start.
    #[arg(long)]
    acks: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts runs until it is killed.
    Run {
        /// What the engine's answers survive.
        #[arg(long, default_value_t = Durability::Sync)]
        durability: Durability,
        /// How many runs are open at the same time.
        #[arg(long, default_value_t = 32)]
        in_flight: usize,
        /// How many runs are started before it ends by itself.
        #[arg(long, default_value_t = u64::MAX)]
        starts: u64,
    },
    /// Checks that every acknowledged run finishes exactly once, with the right result.
    Check,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { data, acks, command } = Arguments::parse();
    let done = match command {
        Command::Run { durability, in_flight, starts } => {
            let store = FjallOptions::default();
            let load = Load { durability, in_flight, starts, store };
            workload::run(&data, &acks, load).await.map_err(|error| error.to_string())
        }
        Command::Check => workload::check(&data, &acks)
            .await
            .map(|Checked { acknowledged, unacknowledged }| {
                println!(
                    "{acknowledged} acknowledged runs and {unacknowledged} others finished once, \
                     with the right result"
                );
            })
            .map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
