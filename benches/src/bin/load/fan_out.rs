//! `load fan-out`: many activities of one run at the same time.

use std::path::PathBuf;

use clap::Args;
use entracte::Durability;
use entracte_benches::LoadError;
use entracte_benches::fan_out::fan_out;

use super::place;

#[derive(Debug, Args)]
pub(super) struct FanOut {
    /// How many activities the run has; each is a run of its own.
    #[arg(long, value_delimiter = ',', default_value = "1000,5000,10000")]
    items: Vec<u64>,
    /// What a commit survives: `sync`, `interval=50ms` or `os-buffered`.
    #[arg(long, default_value_t = Durability::Sync)]
    durability: Durability,
    /// Where the stores are made, and removed [default: $TMPDIR if that is set, else the current
    /// directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many rounds of each.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(super) fn run(load: &FanOut) -> Result<(), LoadError> {
    let data = place::data(load.data.as_deref())?;
    println!("activities of one run, all at the same time, durability {}", load.durability);
    place::print_conditions(&data);
    println!("\n{:>10} {:>10} {:>12}", "items", "ms", "us/item");
    for _ in 0..load.rounds {
        for items in load.items.iter().map(|items| (*items).max(1)) {
            let directory = place::fresh_directory(&data)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let taken = runtime.block_on(fan_out(directory.path(), load.durability, items))?;
            drop(runtime);
            directory.close()?;
            let each = taken.as_secs_f64() * 1e6 / items as f64;
            println!("{items:>10} {:>10} {each:>12.1}", taken.as_millis());
        }
    }
    Ok(())
}
