//! `load children` and `load nested`: what child workflows cost.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::{Args, ValueEnum};
use entracte::Durability;
use entracte_benches::LoadError;
use entracte_benches::children::{FloorTaken, Taken, TakenHeld, floor, held, nested, quick};

use super::place;

#[derive(Debug, Args)]
pub(super) struct Children {
    /// How many children the parent has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    children: u64,
    /// What a commit survives: `sync`, `interval=50ms` or `os-buffered`.
    #[arg(long, default_value_t = Durability::Sync)]
    durability: Durability,
    /// What is measured [default: both, each in a process of its own].
    #[arg(long)]
    only: Option<Only>,
    /// Where the stores are made, and removed [default: $TMPDIR if that is set, else the current
    /// directory].
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// Children that return at once, and their floor.
    Quick,
    /// Children that are all open at the same time.
    Held,
}

#[derive(Debug, Args)]
pub(super) struct Nested {
    /// How many runs there are below the first one, each the child of the one before.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    levels: u64,
    /// What a commit survives: `sync`, `interval=50ms` or `os-buffered`.
    #[arg(long, default_value_t = Durability::Sync)]
    durability: Durability,
    /// Where the store is made, and removed [default: $TMPDIR if that is set, else the current
    /// directory].
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(super) fn run(children: &Children) -> Result<(), LoadError> {
    let data = place::data(children.data.as_deref())?;
    let Children { children: count, durability, .. } = *children;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match children.only {
        None => {
            println!("{count} children of one parent, durability {durability}");
            place::print_conditions(&data);
            println!("\n{:<44}{:>10}{:>14}", "", "ms", "us/child");
            each_in_its_process()
        }
        Some(Only::Quick) => {
            let directory = place::fresh_directory(&data)?;
            let taken = runtime.block_on(quick(directory.path(), durability, count))?;
            directory.close()?;
            print("return at once: from start to result", taken.done, count);
            print_journal(&taken, count);
            let directory = place::fresh_directory(&data)?;
            let bare = floor(directory.path(), durability, count, taken.journal);
            let FloorTaken { spawned, resident_bytes, committed } = runtime.block_on(bare)?;
            directory.close()?;
            print("  floor: as many linked actors", spawned, count);
            print("  floor: as many commits of as many rows", committed, count);
            print_memory("  floor: a linked actor", resident_bytes, count);
            Ok(())
        }
        Some(Only::Held) => {
            let directory = place::fresh_directory(&data)?;
            let taken = runtime.block_on(held(directory.path(), durability, count))?;
            directory.close()?;
            let TakenHeld { begun, resident_bytes, fallen } = taken;
            print("all open: until all have begun", begun, count);
            print_memory("all open", resident_bytes, count);
            print("all open: until all have fallen with the parent", fallen, count);
            Ok(())
        }
    }
}

pub(super) fn run_nested(load: &Nested) -> Result<(), LoadError> {
    let data = place::data(load.data.as_deref())?;
    let Nested { levels, durability, .. } = *load;
    println!("a chain of {levels} children, durability {durability}");
    place::print_conditions(&data);
    println!("\n{:<44}{:>10}{:>14}", "", "ms", "us/child");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let directory = place::fresh_directory(&data)?;
    let taken = runtime.block_on(nested(directory.path(), durability, levels))?;
    directory.close()?;
    print("one below the other: from start to result", taken.done, levels);
    print_journal(&taken, levels);
    let directory = place::fresh_directory(&data)?;
    let bare = runtime.block_on(floor(directory.path(), durability, levels, taken.journal))?;
    directory.close()?;
    print("  floor: as many linked actors", bare.spawned, levels);
    print("  floor: as many commits of as many rows", bare.committed, levels);
    Ok(())
}

fn print(what: &str, taken: Duration, count: u64) {
    let each = taken.as_secs_f64() * 1e6 / count as f64;
    println!("{what:<44}{:>10}{each:>14.1}", taken.as_millis());
}

fn print_memory(what: &str, bytes: Option<u64>, count: u64) {
    let bytes = bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / count).to_string());
    println!("{what:<44}{:>24} bytes/child", bytes);
}

fn print_journal(Taken { journal, .. }: &Taken, count: u64) {
    let each = |number: u64| number as f64 / count as f64;
    println!(
        "  appends/child {:.2}, events/child {:.2}, commits/child {:.3}",
        each(journal.appends),
        each(journal.events),
        each(journal.commits)
    );
}

/// Measures memory that no other measurement has left behind.
fn each_in_its_process() -> Result<(), LoadError> {
    for only in ["quick", "held"] {
        let mut child = Command::new(std::env::current_exe()?);
        let status = child.args(std::env::args_os().skip(1)).args(["--only", only]).status()?;
        if !status.success() {
            let error = format!("measuring the {only} children failed: {status}");
            return Err(std::io::Error::other(error).into());
        }
    }
    Ok(())
}
