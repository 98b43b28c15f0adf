//! `load cancel`: how long a running activity takes to learn of its cancellation.

use std::path::{Path, PathBuf};

use clap::Args;
use entracte::Durability;
use entracte_benches::LoadError;
use entracte_benches::cancel::{self, CancelLoad, Measured};
use hdrhistogram::Histogram;

use super::place;

#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// How many cancellations each round measures, one after the other.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    cancellations: u64,
    /// How many runs there are in the chain from the one that is cancelled to the one whose
    /// activity is told: each is the child of the one before.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    depth: u32,
    /// What an answer survives: `sync`, `interval=50ms` or `os-buffered`.
    #[arg(long, default_value_t = Durability::Sync)]
    durability: Durability,
    /// Where each round makes its fresh directory, and removes it [default: $TMPDIR if that is
    /// set, else the current directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many rounds of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(super) fn run(cancel: &Cancel) -> Result<(), LoadError> {
    let Cancel { cancellations, depth, durability, .. } = *cancel;
    let load = CancelLoad { cancellations, depth, durability };
    let measured = Measured::all(depth);
    let data = place::data(cancel.data.as_deref())?;
    println!(
        "{cancellations} cancellations one after the other, {depth} runs deep, durability \
         {durability}"
    );
    place::print_conditions(&data);
    println!("\n{:<26}{:>9}{:>9}{:>9}", "", "p50 ms", "p99 ms", "max ms");
    // The rounds take turns; what they have measured is one distribution of each.
    let mut all: Vec<Option<Histogram<u64>>> = vec![None; measured.len()];
    for _ in 0..cancel.rounds {
        for (measured, all) in measured.iter().zip(&mut all) {
            let round = round(*measured, &load, &data)?;
            match all {
                Some(all) => *all += round,
                None => *all = Some(round),
            }
        }
    }
    println!("\nall rounds together");
    for (measured, all) in measured.iter().zip(&all) {
        if let Some(all) = all {
            print(*measured, all);
        }
    }
    Ok(())
}

/// Measures in a directory and on a runtime of its own, so that nothing of the round before
/// goes on beside it.
fn round(measured: Measured, load: &CancelLoad, data: &Path) -> Result<Histogram<u64>, LoadError> {
    let directory = place::fresh_directory(data)?;
    let progress = place::progress(measured.to_string(), load.cancellations);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(cancel::round(measured, load, directory.path(), &progress));
    drop(runtime);
    progress.finish_and_clear();
    directory.close()?;
    let figures = figures?;
    print(measured, &figures);
    Ok(figures)
}

fn print(measured: Measured, figures: &Histogram<u64>) {
    let millis = |nanos: u64| std::time::Duration::from_nanos(nanos).as_secs_f64() * 1e3;
    println!(
        "{measured:<26}{:>9.3}{:>9.3}{:>9.3}",
        millis(figures.value_at_quantile(0.5)),
        millis(figures.value_at_quantile(0.99)),
        millis(figures.max()),
    );
}
