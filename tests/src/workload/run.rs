//! Starts runs until it is killed.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use entracte::prelude::*;
use tokio::task::JoinSet;

use super::kinds::{MIXED, register, request_id, workflow_id};

/// The numbers that were acknowledged, in the order of their acknowledgement.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn acknowledged(path: &Path) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut numbers = Vec::new();
    if path.exists() {
        for line in BufReader::new(File::open(path)?).lines() {
            // A line that was cut by the kill has not told anybody anything.
            numbers.extend(line?.strip_suffix('.').and_then(|number| number.parse::<u64>().ok()));
        }
    }
    Ok(numbers)
}

/// Opens an engine on a directory and starts runs, with so many in flight, until the process
/// is killed or `starts` runs were started. Each acknowledged start is a line in a file.
///
/// # Errors
/// If the engine cannot be opened, a start is refused, or a run comes to a wrong end.
pub async fn run(
    data: &Path,
    acks: &Path,
    in_flight: usize,
    starts: u64,
) -> Result<(), Box<dyn Error>> {
    let before = acknowledged(acks)?;
    let mut file = OpenOptions::new().create(true).append(true).open(acks)?;
    let engine = register(Engine::builder(data)).start().await?;
    println!("ready");
    let mut number = before.iter().max().map_or(0, |last| last + 1);
    let end = number.saturating_add(starts);
    let mut results = JoinSet::new();
    while number < end || !results.is_empty() {
        if number < end && results.len() < in_flight {
            let run = engine
                .start_workflow(MIXED, number)
                .workflow_id(workflow_id(number))
                .request_id(request_id(number))
                .await?;
            // One write: a line is there as a whole or, cut by the kill, without its end.
            file.write_all(format!("{number}.\n").as_bytes())?;
            number += 1;
            results.spawn(async move { run.result().await });
        } else if let Some(result) = results.join_next().await {
            match result? {
                Ok(_) | Err(WorkflowError::Failed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    engine.shutdown().await?;
    Ok(())
}
