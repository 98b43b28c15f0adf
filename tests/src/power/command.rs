//! The subcommands of the program `soak` that are about power cuts.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entracte::Durability;

use super::campaign::{Campaign, Cut, Cuts, RULES, Report};
use super::event::Recording;
use super::judge::{self, Work};
use super::judging::{Judging, in_memory};
use super::load::{self, CommitLoad};
use super::scenario::{ALL, Scenario};
use crate::strace::Strace;
use crate::workload::{self, Load};

/// What a run of power cuts is asked for.
#[derive(Debug, Clone, Args)]
pub struct PowerCutArguments {
    /// How many images are judged.
    #[arg(long, default_value_t = 500)]
    images: usize,
    /// What chance does.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these scenarios.
    #[arg(long)]
    scenario: Vec<String>,
    /// Where recordings and scratch files are kept.
    #[arg(long, default_value = "target/tmp/power-cut")]
    scratch: PathBuf,
    /// Where images are written; by default in memory.
    #[arg(long)]
    images_in: Option<PathBuf>,
    /// How many images are judged at the same time.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Makes one cut of a recording again.
    #[arg(long, requires_all = ["place", "rules", "cut_seed"])]
    replay: Option<PathBuf>,
    /// The place of the cut.
    #[arg(long)]
    place: Option<usize>,
    /// The rules of the cut.
    #[arg(long)]
    rules: Option<String>,
    /// What chance does in the cut.
    #[arg(long)]
    cut_seed: Option<u64>,
}

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
            Self::Commit { data, told, commits, bytes, sync_every, pause_after } => {
                let load = CommitLoad { commits, bytes, sync_every, pause_after };
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

impl PowerCutArguments {
    /// Cuts the power, and prints a table; tells whether nothing was wrong.
    ///
    /// # Errors
    /// If something cannot be recorded or judged.
    pub async fn run(self) -> Result<bool, Box<dyn Error>> {
        std::fs::create_dir_all(&self.scratch)?;
        let report = match &self.replay {
            Some(recording) => self.replay(recording).await?,
            None => self.sample().await?,
        };
        println!("{report}");
        for failure in report.failures.iter().take(40) {
            println!("{}: {}\n    {}", failure.scenario, failure.fault, failure.replay);
        }
        Ok(report.failures.is_empty())
    }

    async fn sample(&self) -> Result<Report, Box<dyn Error>> {
        let strace = Strace::find(&self.scratch)?;
        let program = std::env::current_exe()?;
        let chosen = |scenario: &&Scenario| {
            self.scenario.is_empty() || self.scenario.iter().any(|name| name == scenario.name)
        };
        let chosen: Vec<&Scenario> = ALL.iter().filter(chosen).collect();
        // Large images take ten times as long as others.
        let weight = |scenario: &Scenario| if scenario.is_large { 1 } else { 10 };
        let weights: usize = chosen.iter().map(|scenario| weight(scenario)).sum();
        let mut report = Report::default();
        for (index, scenario) in chosen.into_iter().enumerate() {
            let directory = tempfile::tempdir_in(&self.scratch)?;
            let recording = scenario.record(strace.clone(), &program, directory.path())?;
            let images = (self.images * weight(scenario)).div_ceil(weights);
            println!("{}: {} events, {images} images", scenario.name, recording.events.len());
            let campaign = self.campaign(recording, scenario.work, &program);
            let part = campaign.run(Cuts::Sample(images), self.seed.wrapping_add(index as u64)).await?;
            println!("{part}\n");
            report.add(part);
        }
        Ok(report)
    }

    async fn replay(&self, path: &Path) -> Result<Report, Box<dyn Error>> {
        let recording = Recording::load(path)?;
        let scenario = Scenario::find(&recording.name).ok_or("an unknown scenario")?;
        let wanted = self.rules.as_deref().unwrap_or_default();
        let rules = RULES.iter().position(|(name, _)| *name == wanted).ok_or("unknown rules")?;
        let (place, seed) = (self.place.unwrap_or_default(), self.cut_seed.unwrap_or_default());
        let campaign = self.campaign(recording, scenario.work, &std::env::current_exe()?);
        Ok(campaign.run_cuts(&[Cut { place, rules, seed }]).await?)
    }

    fn campaign(&self, recording: Recording, work: Work, program: &Path) -> Campaign {
        let images = self.images_in.clone().unwrap_or_else(|| in_memory(&self.scratch));
        let scratch = images.join(format!("entracte-power-cut-{}", std::process::id()));
        let judging = Judging { program: program.to_path_buf(), scratch };
        let (workers, keep) = (self.workers, self.scratch.clone());
        Campaign { recording, work, judging, workers, keep }
    }
}
