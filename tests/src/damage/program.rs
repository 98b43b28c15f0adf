//! The part of the soak program that damages stores.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use rand::SeedableRng;
use rand::seq::index::sample as choose;
use rand_chacha::ChaCha8Rng;

use super::random::random_damage;
use super::runner::{Plan, Setting, check_undamaged, run};
use super::sample::{Commits, Ending, Kind, Sample, commits_until_told, engine_until_told};
use super::sweep::{Sweep, flips, lengths, with_less_room};
use super::tally::Tally;
use super::torn::torn_tails;
use super::{Trouble, probe};

/// How many failures are told.
const FAILURES_TOLD_MAX: usize = 60;

/// Damages stores in every way, and tells what they make of it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is run; everything unless said otherwise.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Which kinds of stores get random damage; all unless said otherwise.
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// How the processes of these stores ended; in all ways unless said otherwise.
    #[arg(long, value_enum)]
    ending: Vec<Ending>,
    /// How many random damages each store gets.
    #[arg(long, default_value_t = 2_000)]
    cases: u64,
    /// How many cases of each sweep are run, chosen at random; all of them unless given.
    #[arg(long)]
    sweep_cases: Option<u64>,
    /// Only the case with this number.
    #[arg(long)]
    only: Option<u64>,
    /// From what all random choices follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many stores are opened at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How long one case may take, in seconds.
    #[arg(long, default_value_t = 120)]
    deadline: u64,
    /// A directory in which the stores are kept before they are damaged, so that cases can be
    /// made again byte for byte.
    #[arg(long)]
    samples: Option<PathBuf>,
    /// A directory in which damaged stores are kept that have failed.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// A directory for scratch files. In memory, if the machine has such a place.
    #[arg(long)]
    scratch: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Any damage to any file.
    Random,
    /// Each bit of the journal of a young store.
    Flips,
    /// Each length of that journal.
    Lengths,
    /// Torn batches that nobody was told of.
    Torn,
}

/// Processes that the program starts for its own ends.
#[derive(Debug, Subcommand)]
pub enum Helper {
    /// Opens the stores whose directories are given on the standard input.
    Probe,
    /// Makes commits, and waits to be killed.
    Commits {
        /// The store's directory.
        #[arg(long)]
        directory: PathBuf,
        /// Which commits.
        #[command(flatten)]
        commits: Commits,
    },
    /// Runs an engine, and waits to be killed.
    Engine {
        /// The engine's directory.
        #[arg(long)]
        directory: PathBuf,
    },
}

impl Helper {
    /// Does what is asked for.
    ///
    /// # Errors
    /// If it cannot be done.
    pub fn run(self) -> Result<(), Trouble> {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        match self {
            Self::Probe => probe::serve(),
            Self::Commits { directory, commits } => {
                runtime()?.block_on(commits_until_told(&directory, &commits))
            }
            Self::Engine { directory } => runtime()?.block_on(engine_until_told(&directory)),
        }
    }
}

impl Arguments {
    /// Damages stores, prints what came of it, and tells whether none has failed.
    ///
    /// # Errors
    /// If the harness itself fails.
    pub fn run(&self) -> Result<bool, Trouble> {
        let scratch = self.scratch.clone().unwrap_or_else(scratch_in_memory);
        let setting = Setting {
            program: std::env::current_exe()?,
            scratch,
            jobs: self.jobs,
            deadline: Duration::from_secs(self.deadline),
            keep: self.keep.clone(),
            is_talkative: true,
        };
        let mut all = Tally::default();
        if self.does(Part::Random) {
            for (kind, ending) in self.samples_wanted() {
                all.merge(self.random(&setting, kind, ending)?);
            }
        }
        for part in [Part::Flips, Part::Lengths] {
            if self.does(part) {
                let wanted =
                    |ending: &Ending| self.ending.is_empty() || self.ending.contains(ending);
                for ending in [Ending::Killed, Ending::Closed, Ending::KilledAtOnce]
                    .into_iter()
                    .filter(wanted)
                {
                    all.merge(self.sweep_young(&setting, part, ending)?);
                }
            }
        }
        if self.does(Part::Torn) {
            let sweep = torn_tails(&setting.program, &setting.scratch)?;
            all.merge(self.sweep(&setting, "torn", &sweep)?);
        }
        println!("\n== everything\n{all}");
        println!("{} cases in all, {} failures", all.cases, all.failures.len());
        Ok(all.failures.is_empty())
    }

    fn does(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }

    fn samples_wanted(&self) -> Vec<(Kind, Ending)> {
        let all = |kind: Kind| match kind {
            // An engine's commits are its own, so that a part of them cannot be told apart.
            Kind::Engine => &[Ending::Closed, Ending::Killed][..],
            _ => Ending::value_variants(),
        };
        let kinds = if self.kind.is_empty() { Kind::value_variants() } else { &self.kind };
        let pairs = kinds.iter().flat_map(|kind| all(*kind).iter().map(|ending| (*kind, *ending)));
        pairs.filter(|(_, ending)| self.ending.is_empty() || self.ending.contains(ending)).collect()
    }

    fn sample(
        &self,
        setting: &Setting,
        kind: Kind,
        ending: Ending,
    ) -> Result<Arc<Sample>, Trouble> {
        let kept = self.samples.as_deref();
        let (program, scratch) = (&setting.program, &setting.scratch);
        let sample = Sample::load_or_build(kind, ending, program, scratch, kept)?;
        check_undamaged(setting, &sample)?;
        Ok(sample)
    }

    fn random(&self, setting: &Setting, kind: Kind, ending: Ending) -> Result<Tally, Trouble> {
        let sample = self.sample(setting, kind, ending)?;
        let seed = self.seed;
        let make = |number| random_damage(&sample, seed, number);
        let numbers = self.only.map_or_else(|| (0..self.cases).collect(), |only| vec![only]);
        self.report(
            setting,
            &Plan { name: format!("random:{}", sample.name), numbers, make: &make },
        )
    }

    fn sweep_young(&self, setting: &Setting, part: Part, ending: Ending) -> Result<Tally, Trouble> {
        let sample = self.sample(setting, Kind::Young, ending)?;
        let sample = with_less_room(&sample)?;
        let (name, sweep) = match part {
            Part::Flips => ("flips", flips(&sample)?),
            _ => ("lengths", lengths(&sample)?),
        };
        self.sweep(setting, &format!("{name}:{}", sample.name), &sweep)
    }

    fn sweep(&self, setting: &Setting, name: &str, sweep: &Sweep) -> Result<Tally, Trouble> {
        let numbers = match (self.only, self.sweep_cases) {
            (Some(only), _) => vec![only],
            (None, Some(cases)) => some_of(sweep.count, cases, self.seed),
            (None, None) => (0..sweep.count).collect(),
        };
        let name = name.to_owned();
        self.report(setting, &Plan { name, numbers, make: &*sweep.make })
    }

    fn report(&self, setting: &Setting, plan: &Plan<'_>) -> Result<Tally, Trouble> {
        let start = Instant::now();
        let tally = run(setting, plan)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("\n== {}, seed {}: {} cases in {seconds:.0} s", plan.name, self.seed, tally.cases);
        println!("{tally}");
        for failure in tally.failures.iter().take(FAILURES_TOLD_MAX) {
            let detail: String = failure.detail.chars().take(400).collect();
            println!("{} {} — {}\n    {detail}", failure.verdict, failure.place, failure.label);
        }
        Ok(tally)
    }
}

/// Some of so many numbers, in their order.
#[must_use]
pub fn some_of(count: u64, wanted: u64, seed: u64) -> Vec<u64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (count, wanted) = (count as usize, wanted.min(count) as usize);
    let mut numbers: Vec<u64> =
        choose(&mut random, count, wanted).into_iter().map(|number| number as u64).collect();
    numbers.sort_unstable();
    numbers
}

/// A directory in memory, because what is tested here does not depend on the disk.
#[must_use]
pub fn scratch_in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() }
}
