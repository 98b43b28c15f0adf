//! `load opening`: how long a store takes to open, by how much its journals hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use entracte::store::FjallOptions;
use entracte_benches::LoadError;
use entracte_benches::opening::{Opening, measure};

use super::place;

const MIB: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Openings {
    /// How much the journals hold, in MiB; several are measured one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 128])]
    journal_mib: Vec<u64>,
    /// How many rows a batch has, about.
    #[arg(long, default_value_t = 100, value_parser = place::positive)]
    rows: usize,
    /// The bytes of each value.
    #[arg(long, default_value_t = 150)]
    row_bytes: usize,
    /// Where each store is made, and removed [default: $TMPDIR if that is set, else the current
    /// directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How often each store is opened.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(super) fn run(openings: &Openings) -> Result<(), LoadError> {
    let data = place::data(openings.data.as_deref())?;
    println!("{:?}", FjallOptions::default());
    place::print_conditions(&data);
    println!("\nmedian and highest of {} openings, in ms", openings.rounds);
    println!(
        "{:>11} {:>9} {:>15} {:>15} {:>15} {:>9}",
        "journal MiB", "commits", "read files", "look", "open", "RSS MiB"
    );
    for mib in &openings.journal_mib {
        one(openings, &data, *mib)?;
    }
    Ok(())
}

fn one(openings: &Openings, data: &Path, mib: u64) -> Result<(), LoadError> {
    let directory = place::fresh_directory(data)?;
    let (rows, bytes, rounds) = (openings.rows, openings.row_bytes, openings.rounds);
    let Opening { journal_bytes, commits, read, look, open, resident_bytes } =
        measure(directory.path(), mib * MIB, (rows, bytes), rounds)?;
    println!(
        "{:>11} {commits:>9} {} {} {} {:>9}",
        journal_bytes / MIB,
        figure(read),
        figure(look),
        figure(open),
        resident_bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / MIB).to_string()),
    );
    directory.close()?;
    Ok(())
}

fn figure(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let millis = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64) * 1e3;
    format!("{:>7.1} {:>7.1}", millis(times.get(times.len() / 2)), millis(times.last()))
}
