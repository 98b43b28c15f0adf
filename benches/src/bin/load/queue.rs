//! `load queue`: what attempts cost that wait in a task queue.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, ValueEnum};
use entracte_benches::LoadError;
use entracte_benches::queue::{QueueLoad, Standing, Waited, measure};

use super::place;

#[derive(Debug, Args)]
pub(super) struct Queue {
    /// How many attempts wait.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    attempts: u64,
    /// How many of them each run has.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    attempts_per_run: u64,
    /// How many slots the queue has.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    slots: u64,
    /// What they wait for [default: both, each in a process of its own].
    #[arg(long)]
    only: Option<Only>,
    /// Where the store is made, and removed [default: $TMPDIR if that is set, else the current
    /// directory].
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// A slot.
    Queue,
    /// The end of a back-off.
    BackOff,
}

pub(super) fn run(queue: &Queue) -> Result<(), LoadError> {
    let data = place::data(queue.data.as_deref())?;
    let Some(only) = queue.only else {
        place::print_conditions(&data);
        println!(
            "\n{:>10} {:>9} {:>10} {:>8} {:>12} {:>16} {:>11}",
            "waits in", "attempts", "of a run", "slots", "filled ms", "bytes/attempt", "attempts/s"
        );
        return each_in_its_process();
    };
    let directory = place::fresh_directory(&data)?;
    let Queue { attempts, attempts_per_run, slots, .. } = *queue;
    let load = QueueLoad { attempts, attempts_per_run, slots };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (standing, name) = match only {
        Only::Queue => (Standing::Queue, "queue"),
        Only::BackOff => (Standing::BackOff, "back-off"),
    };
    let Waited { filled, resident_bytes, drained } =
        runtime.block_on(measure(directory.path(), load, standing))?;
    let figure = |number: Option<u128>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
    let bytes = resident_bytes.map(|bytes| u128::from(bytes / attempts));
    let rate = drained.map(|drained| u128::from(attempts) * 1_000 / drained.as_millis().max(1));
    println!(
        "{name:>10} {attempts:>9} {attempts_per_run:>10} {slots:>8} {:>12} {:>16} {:>11}",
        filled.as_millis(),
        figure(bytes),
        figure(rate),
    );
    directory.close()?;
    Ok(())
}

/// Measures memory that no other measurement has left behind.
fn each_in_its_process() -> Result<(), LoadError> {
    for only in ["queue", "back-off"] {
        let mut child = Command::new(std::env::current_exe()?);
        let status = child.args(std::env::args_os().skip(1)).args(["--only", only]).status()?;
        if !status.success() {
            let error = format!("measuring the {only} failed: {status}");
            return Err(std::io::Error::other(error).into());
        }
    }
    Ok(())
}
