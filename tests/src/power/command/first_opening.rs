//! `soak first-opening`.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::power_cut::print_failures;
use crate::power::campaign::{Cuts, Report};
use crate::power::event::Recording;
use crate::power::first_opening::Kill;
use crate::power::rig::Rig;
use crate::power::scenario::{FIRST_OPENING, Left};

/// What a run of first openings is asked for.
#[derive(Debug, Clone, Args)]
pub struct FirstOpeningArguments {
    /// How often the power is cut after each thing that happens.
    #[arg(long, default_value_t = 8)]
    times: usize,
    /// How many directories are killed over and over, beside those that are killed once, at
    /// each system call.
    #[arg(long, default_value_t = 100)]
    chains: usize,
    /// How often the power of the next opening is cut, for each thing that happens in the first
    /// one, at which that is killed.
    #[arg(long, default_value_t = 4)]
    again: usize,
    /// What chance does.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where recordings and scratch files are kept.
    #[arg(long, default_value = "target/tmp/first-opening")]
    scratch: PathBuf,
    /// Where images are written; by default in memory.
    #[arg(long)]
    images_in: Option<PathBuf>,
    /// Kills only here, one after the other: `write:3,fsync:1`.
    #[arg(long, value_delimiter = ',')]
    kill: Vec<String>,
}

impl FirstOpeningArguments {
    /// Kills first openings and cuts their power; tells whether nothing was wrong.
    ///
    /// # Errors
    /// If something cannot be recorded or judged.
    pub async fn run(self) -> Result<bool, Box<dyn Error>> {
        let rig = Rig::new(std::env::current_exe()?, &self.scratch, self.images_in.as_deref())?;
        let kills = rig.first_opening();
        let (mut killed, mut hits, mut faults) = (0, 0, 0);
        for chain in self.chains(&kills.calls()?)? {
            let names: Vec<String> = chain.iter().map(ToString::to_string).collect();
            let result = kills.kill(&chain).await?;
            killed += 1;
            hits += result.hits;
            if let Err(fault) = result.outcome {
                faults += 1;
                println!("{fault}\n    first-opening --kill {}", names.join(","));
            }
            if killed % 100 == 0 {
                println!("{killed} directories, {hits} kills, {faults} faults");
            }
        }
        println!("{killed} directories, {hits} kills, {faults} faults");
        if !self.kill.is_empty() {
            return Ok(faults == 0);
        }
        let campaign = rig.campaign(rig.record(&FIRST_OPENING)?, FIRST_OPENING.work, "");
        let report = campaign.run(Cuts::Everywhere(self.times), self.seed).await?;
        println!("power cuts of the first opening\n{report}");
        print_failures(&report);
        let again = self.cut_after_kills(&rig, &campaign.recording).await?;
        println!("power cuts of the opening after one that was killed\n{again}");
        print_failures(&again);
        Ok(faults == 0 && report.failures.is_empty() && again.failures.is_empty())
    }

    /// Kills the first opening at each thing that happens, and cuts the power of the next one:
    /// what the first one had not synced may be lost then.
    async fn cut_after_kills(
        &self,
        rig: &Rig,
        recording: &Recording,
    ) -> Result<Report, Box<dyn Error>> {
        let mut report = Report::default();
        for place in 1..=recording.events.len() {
            let left = Left::ByKill(recording.killed_at(place));
            let campaign = rig.go_on(&FIRST_OPENING, &left, &format!("-killed-{place}"))?;
            let seed = self.seed.wrapping_add(place as u64);
            report.add(campaign.run(Cuts::Sample(self.again), seed).await?);
        }
        Ok(report)
    }

    /// Where each directory is killed: one at each call, and others over and over.
    fn chains(&self, calls: &[Kill]) -> Result<Vec<Vec<Kill>>, Box<dyn Error>> {
        if !self.kill.is_empty() {
            let kills = self.kill.iter().map(|text| {
                let (call, number) = text.split_once(':').ok_or("use `call:number`")?;
                Ok(Kill { call: call.to_owned(), number: number.parse()? })
            });
            return Ok(vec![kills.collect::<Result<_, Box<dyn Error>>>()?]);
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut chains: Vec<Vec<Kill>> = calls.iter().map(|kill| vec![kill.clone()]).collect();
        for _ in 0..self.chains {
            let count = random.random_range(2..=4);
            chains.push(calls.choose_multiple(&mut random, count).cloned().collect());
        }
        Ok(chains)
    }
}
