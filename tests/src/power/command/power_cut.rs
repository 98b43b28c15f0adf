//! `soak power-cut`.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::power::campaign::{Cut, RULES, Report};
use crate::power::event::Recording;
use crate::power::rig::Rig;
use crate::power::scenario::{ALL, Scenario};

/// How many faults are printed in full.
const PRINTED_MAX: usize = 40;

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

impl PowerCutArguments {
    /// Cuts the power, and prints a table; tells whether nothing was wrong.
    ///
    /// # Errors
    /// If something cannot be recorded or judged.
    pub async fn run(self) -> Result<bool, Box<dyn Error>> {
        let rig = Rig::new(std::env::current_exe()?, &self.scratch, self.images_in.as_deref())?;
        let report = match &self.replay {
            Some(recording) => self.replay(&rig, recording).await?,
            None => self.sample(&rig).await?,
        };
        println!("{report}");
        print_failures(&report);
        Ok(report.failures.is_empty())
    }

    async fn sample(&self, rig: &Rig) -> Result<Report, Box<dyn Error>> {
        let chosen = |scenario: &&Scenario| {
            self.scenario.is_empty() || self.scenario.iter().any(|name| name == scenario.name)
        };
        let chosen: Vec<&Scenario> = ALL.iter().filter(chosen).collect();
        // Large images take ten times as long as others.
        let weight = |scenario: &Scenario| if scenario.is_large { 1 } else { 10 };
        let weights: usize = chosen.iter().map(|scenario| weight(scenario)).sum();
        let mut report = Report::default();
        for (index, scenario) in chosen.into_iter().enumerate() {
            let images = (self.images * weight(scenario)).div_ceil(weights);
            let seed = self.seed.wrapping_add(index as u64);
            let part = rig.cut_often(scenario, images, seed).await?;
            println!("{}\n{part}\n", scenario.name);
            report.add(part);
        }
        Ok(report)
    }

    async fn replay(&self, rig: &Rig, path: &Path) -> Result<Report, Box<dyn Error>> {
        let recording = Recording::load(path)?;
        let scenario = Scenario::find(&recording.name).ok_or("an unknown scenario")?;
        let wanted = self.rules.as_deref().unwrap_or_default();
        let rules = RULES.iter().position(|(name, _)| *name == wanted).ok_or("unknown rules")?;
        let (place, seed) = (self.place.unwrap_or_default(), self.cut_seed.unwrap_or_default());
        let campaign = rig.campaign(recording, scenario.work, "-replay");
        Ok(campaign.run_cuts(&[Cut { place, rules, seed }]).await?)
    }
}

/// Prints the first faults, and how each is made again.
pub(super) fn print_failures(report: &Report) {
    for failure in report.failures.iter().take(PRINTED_MAX) {
        println!("{}: {}\n    {}", failure.scenario, failure.fault, failure.replay);
        println!("    image {}", failure.image.display());
    }
}
