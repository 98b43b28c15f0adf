//! `load sequence`: a load on the engine and on its floor, by turns.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use entracte::Durability;
use entracte_benches::engine_load::EngineTarget;
use entracte_benches::figures::{self, HEADINGS};
use entracte_benches::floor::Floor;
use entracte_benches::{Load, LoadError, Round, drive};
use indicatif::ProgressBar;

use super::place;

#[derive(Debug, Args)]
pub(super) struct Sequence {
    /// How many runs each round measures.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// How many runs are open at the same time, at most.
    #[arg(long, default_value_t = 100, value_parser = place::positive)]
    in_flight: usize,
    /// What an answer survives: `sync`, `interval=50ms` or `os-buffered`.
    #[arg(long, default_value_t = Durability::Sync)]
    durability: Durability,
    /// The bytes of the argument and the result of a run and of each activity.
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Where each round makes its fresh directory, and removes it [default: $TMPDIR if that is
    /// set, else the current directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many rounds of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure the floor only.
    #[arg(long, conflicts_with = "engine_only")]
    floor_only: bool,
    /// Measure the engine only.
    #[arg(long)]
    engine_only: bool,
}

/// What a round is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Floor,
    Engine,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Floor => "floor",
            Self::Engine => "engine",
        })
    }
}

pub(super) fn run(sequence: &Sequence) -> Result<(), LoadError> {
    let load = Load {
        runs: sequence.runs,
        in_flight: sequence.in_flight,
        durability: sequence.durability,
        payload: Load::payload_of(sequence.payload),
    };
    let data = place::data(sequence.data.as_deref())?;
    print_conditions(&load, &data);

    let (mut floor, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..sequence.rounds {
        if !sequence.engine_only {
            floor.push(round(Side::Floor, &load, &data)?);
        }
        if !sequence.floor_only {
            engine.push(round(Side::Engine, &load, &data)?);
        }
    }
    print_medians(&floor, &engine);
    Ok(())
}

fn print_conditions(load: &Load, data: &Path) {
    println!(
        "{} runs of 3 activities, {} in flight, payloads of {} bytes, durability {}",
        load.runs,
        load.in_flight,
        load.payload.len(),
        load.durability,
    );
    place::print_conditions(data);
    println!("\n{HEADINGS}");
}

/// Drives one round in a directory and on a runtime of its own, so that nothing of the round
/// before goes on beside it.
fn round(side: Side, load: &Load, data: &Path) -> Result<Round, LoadError> {
    let directory = place::fresh_directory(data)?;
    let progress = place::progress(side.to_string(), load.runs);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let round = runtime.block_on(async {
        match side {
            Side::Floor => on_floor(directory.path(), load, &progress).await,
            Side::Engine => on_engine(directory.path(), load, &progress).await,
        }
    });
    drop(runtime);
    progress.finish_and_clear();
    directory.close()?;
    let round = round?;
    println!("{side:<10}{round}");
    Ok(round)
}

async fn on_floor(
    directory: &Path,
    load: &Load,
    progress: &ProgressBar,
) -> Result<Round, LoadError> {
    let floor = Floor::start(directory, load).await?;
    let round = drive::round(&floor.target(), load, progress).await?;
    floor.stop().await?;
    Ok(round)
}

async fn on_engine(
    directory: &Path,
    load: &Load,
    progress: &ProgressBar,
) -> Result<Round, LoadError> {
    let target = EngineTarget::start(directory, load).await?;
    let round = drive::round(&target, load, progress).await?;
    target.stop().await?;
    Ok(round)
}

fn print_medians(floor: &[Round], engine: &[Round]) {
    println!();
    for (side, rounds) in [(Side::Floor, floor), (Side::Engine, engine)] {
        let middle = |figure: fn(&Round) -> f64| figures::median(rounds.iter().map(figure));
        if let (Some(rate), Some(cpu)) =
            (middle(Round::runs_per_second), middle(Round::cpu_seconds_per_1000_runs))
        {
            println!("{side:<10}median {rate:.0} runs/s, {cpu:.3} CPU s per 1,000 runs");
        }
    }
    if let (Some(rate), Some(cpu)) = (
        figures::ratio(engine, floor, Round::runs_per_second),
        figures::ratio(engine, floor, Round::cpu_seconds_per_1000_runs),
    ) {
        println!("engine/floor: {rate:.2} of its rate, {cpu:.2} times its CPU");
    }
}
