//! What the tests of power cuts run in processes of their own: subcommands of `soak`.

use std::error::Error;
use std::path::PathBuf;

use clap::Subcommand;
use entracte::Durability;

use super::judge::{self, Work};
use super::load::{self, CommitLoad};
use crate::workload::{self, Load};

/// What a test runs in processes of its own.
#[derive(Debug, Clone, Subcommand)]
pub enum Helper {
    /// Commits straight to a store.
    #[command(hide = true)]
    Commit {
        /// The store's directory.
        #[arg(long)]
        data: PathBuf,
        /// The file with what is told.
        #[arg(long)]
        told: PathBuf,
        /// How many commits.
        #[arg(long)]
        commits: u64,
        /// About how many bytes each has.
        #[arg(long)]
        bytes: usize,
        /// Every how many commits one is synced.
        #[arg(long, default_value_t = 1)]
        sync_every: u64,
        /// After how many commits there is a pause.
        #[arg(long)]
        pause_after: Option<u64>,
        /// Whether no table is written.
        #[arg(long)]
        lazy: bool,
    },
    /// Starts runs in an engine.
    #[command(hide = true)]
    Run {
        /// The engine's directory.
        #[arg(long)]
        data: PathBuf,
        /// The file with what is told.
        #[arg(long)]
        told: PathBuf,
        /// How many runs are started.
        #[arg(long)]
        starts: u64,
        /// How many of them are open at the same time.
        #[arg(long)]
        in_flight: usize,
        /// What the engine's answers survive.
        #[arg(long, default_value_t = Durability::Sync)]
        durability: Durability,
    },
    /// Judges what a power cut has left.
    #[command(hide = true)]
    Judge {
        /// The directory.
        #[arg(long)]
        data: PathBuf,
        /// The file with what was told.
        #[arg(long)]
        told: PathBuf,
        /// What was at work.
        #[arg(long)]
        work: Work,
    },
}

impl Helper {
    /// Does it.
    ///
    /// # Errors
    /// Those of the work. A fault that is found is none: it is printed.
    pub async fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Commit { data, told, commits, bytes, sync_every, pause_after, lazy } => {
                let load = CommitLoad { commits, bytes, sync_every, pause_after, is_lazy: lazy };
                load::commit(&data, &told, load).await
            }
            Self::Run { data, told, starts, in_flight, durability } => {
                let load = Load { durability, in_flight, starts, store: load::small_store() };
                workload::run(&data, &told, load).await.map_err(|error| error.to_string().into())
            }
            Self::Judge { data, told, work } => {
                let told = std::fs::read_to_string(told)?;
                match judge::judge(&data, &told, work).await {
                    Ok(found) => println!("right\t{found}"),
                    Err(fault) => {
                        let text = fault.text.replace(['\n', '\t'], " ");
                        println!("wrong\t{}\t{text}", fault.kind);
                    }
                }
                Ok(())
            }
        }
    }
}
