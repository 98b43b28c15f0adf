//! Starts runs until it is killed.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use entracte::prelude::*;
use entracte::store::FjallOptions;
use tokio::task::JoinSet;

use super::kinds::{MIXED, kind, register, request_id, workflow_id};

/// An error that a task can hand on.
type TaskError = Box<dyn Error + Send + Sync>;

/// How a workload runs.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What the engine's answers survive.
    pub durability: Durability,
    /// How many runs are open at the same time.
    pub in_flight: usize,
    /// How many runs are started before it ends by itself.
    pub starts: u64,
    /// How the store is run.
    pub store: FjallOptions,
}

/// The numbers that were acknowledged, in the order of their acknowledgement.
pub(super) fn acknowledged(path: &Path) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut numbers = Vec::new();
    if path.exists() {
        for line in BufReader::new(File::open(path)?).lines() {
            // A line that was cut by the kill has not told anybody anything.
            let line = line?;
            let number = line.strip_suffix('.').and_then(|line| line.split(' ').next());
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
    }
    Ok(numbers)
}

/// Opens an engine on a directory and starts runs, with so many in flight, until the process
/// is killed or as many as wanted were started. Each acknowledged start is a line in a file;
/// other lines tell what is about to be started, which runs have ended, and the shutdown.
///
/// # Errors
/// If the engine cannot be opened, a start is refused, or a run has no end.
pub async fn run(data: &Path, acks: &Path, load: Load) -> Result<(), TaskError> {
    let before = acknowledged(acks).map_err(|error| error.to_string())?;
    let file = Arc::new(OpenOptions::new().create(true).append(true).open(acks)?);
    let engine = register(Engine::builder(data)).durability(load.durability);
    let engine = engine.store_options(load.store).start().await?;
    println!("ready");
    // Those that a killed process had started without hearing of it are started once more: the
    // same request finds the same run.
    let mut number = before.iter().max().map_or(0, |last| last + 1);
    let end = number.saturating_add(load.starts);
    let mut runs = JoinSet::new();
    while number < end || !runs.is_empty() {
        if number < end && runs.len() < load.in_flight {
            runs.spawn(run_one(engine.clone(), Arc::clone(&file), number));
            number += 1;
        } else if let Some(ended) = runs.join_next().await {
            ended??;
        }
    }
    engine.shutdown().await?;
    tell(&file, "closed")?;
    Ok(())
}

/// Writes a line with one write, which begins a line of its own: whatever a kill has cut off
/// before it, and wherever one cuts this off, the lines around it can be read.
fn tell(acks: &File, line: &str) -> std::io::Result<()> {
    let mut acks = acks;
    acks.write_all(format!("\n{line}.").as_bytes())
}

/// Starts one run, writes down that it was acknowledged, and waits for its end.
async fn run_one(engine: Engine, acks: Arc<File>, number: u64) -> Result<(), TaskError> {
    tell(&acks, &format!("begin {number}"))?;
    let run = engine
        .start_workflow(MIXED, number)
        .workflow_id(workflow_id(number))
        .request_id(request_id(number))
        .await?;
    tell(&acks, &format!("{number} {}", kind(number)))?;
    match run.result().await {
        // Whether that is the right end is checked by a process that lives longer.
        Ok(_) | Err(WorkflowError::Failed { .. }) => Ok(tell(&acks, &format!("end {number}"))?),
        Err(error) => Err(error.into()),
    }
}
