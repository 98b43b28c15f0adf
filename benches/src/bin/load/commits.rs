//! `load commits`: the latency of single commits, on the engine's store and on its floor.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use entracte::store::{FjallOptions, Persist};
use entracte_benches::LoadError;
use entracte_benches::commits::{
    self, CommitFigures, CommitLoad, HEADINGS, STALL, Side, print_summary,
};

use super::place;

#[derive(Debug, Args)]
pub(super) struct Commits {
    /// How many commits each round measures.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    commits: u64,
    /// How many commits are due in a second, whether the ones before have ended or not
    /// [default: a closed loop, the next one when the one before has ended].
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How many rows a batch has, about.
    #[arg(long, default_value_t = 100, value_parser = place::positive)]
    rows: usize,
    /// The bytes of each value.
    #[arg(long, default_value_t = 150)]
    row_bytes: usize,
    /// What a commit survives before it is answered.
    #[arg(long, value_enum, default_value_t = Durability::Sync)]
    durability: Durability,
    /// How many rows are read in a second beside the commits.
    #[arg(long, default_value_t = 0)]
    reads: u32,
    /// What each of the three spaces gathers in memory before it writes a table.
    #[arg(long, default_value_t = FjallOptions::default().memtable_bytes_max)]
    memtable_bytes: u64,
    /// What the journal files may take before tables are written for their sake.
    #[arg(long, default_value_t = FjallOptions::default().journal_bytes_max)]
    journal_bytes: u64,
    /// How many threads write and compact tables.
    #[arg(long, default_value_t = FjallOptions::default().worker_threads)]
    workers: usize,
    /// Where each round makes its fresh directory, and removes it [default: $TMPDIR if that is
    /// set, else the current directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many rounds of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measure the floor only.
    #[arg(long, conflicts_with = "store_only")]
    floor_only: bool,
    /// Measure the store only.
    #[arg(long)]
    store_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// A power loss.
    Sync,
    /// The end of the process.
    Buffer,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) => Err("must be above zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn run(commits: &Commits) -> Result<(), LoadError> {
    let load = CommitLoad {
        commits: commits.commits,
        commits_per_second: commits.rate,
        rows: commits.rows,
        row_bytes: commits.row_bytes,
        persist: match commits.durability {
            Durability::Sync => Persist::Sync,
            Durability::Buffer => Persist::Buffer,
        },
        reads_per_second: commits.reads,
        options: FjallOptions {
            memtable_bytes_max: commits.memtable_bytes,
            journal_bytes_max: commits.journal_bytes,
            worker_threads: commits.workers,
            ..FjallOptions::default()
        },
    };
    load.options.validate()?;
    let data = place::data(commits.data.as_deref())?;
    print_conditions(&load, &data);

    let (mut floor, mut store) = (Vec::new(), Vec::new());
    for _ in 0..commits.rounds {
        if !commits.store_only {
            floor.push(round(Side::Floor, &load, &data)?);
        }
        if !commits.floor_only {
            store.push(round(Side::Store, &load, &data)?);
        }
    }
    println!();
    print_summary(Side::Floor, &floor);
    print_summary(Side::Store, &store);
    Ok(())
}

fn print_conditions(load: &CommitLoad, data: &Path) {
    let order = load.commits_per_second.map_or_else(
        || "one after the other".to_owned(),
        |rate| format!("{rate} in a second, latency from when each was due"),
    );
    println!(
        "{} commits, {order}; about {} rows with values of {} bytes; {:?}; a stall is {} ms",
        load.commits,
        load.rows,
        load.row_bytes,
        load.persist,
        STALL.as_millis(),
    );
    println!("{:?}", load.options);
    place::print_conditions(data);
    println!("\n{HEADINGS}");
}

fn round(side: Side, load: &CommitLoad, data: &Path) -> Result<CommitFigures, LoadError> {
    let directory = place::fresh_directory(data)?;
    let progress = place::progress(side.to_string(), load.commits);
    let figures = commits::round(side, load, directory.path(), &progress);
    progress.finish_and_clear();
    directory.close()?;
    let figures = figures?;
    println!("{side:<9}{figures}");
    Ok(figures)
}
