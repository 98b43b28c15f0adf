//! Checks what became of the runs that were acknowledged.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::StoreExt;
use entracte::{Event, EventType};

use super::kinds::{MIXED, expected, register, request_id, workflow_id};
use super::run::acknowledged;
use crate::look::{assert_well_formed, event_types};

/// How long all runs together may take to come to their ends.
const DEADLINE: Duration = Duration::from_secs(60);

/// Opens an engine on a directory, waits until every acknowledged run is closed, and checks
/// that each has closed once, with the right result. Gives their number.
///
/// # Errors
/// Names the first run that is not as it must be.
pub async fn check(data: &Path, acks: &Path) -> Result<usize, Box<dyn Error>> {
    let numbers = acknowledged(acks)?;
    let unique: BTreeSet<u64> = numbers.iter().copied().collect();
    if unique.len() != numbers.len() {
        return Err("a number was acknowledged twice".into());
    }
    let engine = register(Engine::builder(data)).start().await?;
    let checked = tokio::time::timeout(DEADLINE, async {
        for number in &unique {
            check_one(&engine, *number).await?;
        }
        Ok::<_, Box<dyn Error>>(())
    })
    .await;
    match checked {
        Ok(result) => result?,
        Err(_elapsed) => return Err(what_is_open(&engine, &unique).await),
    }
    engine.shutdown().await?;
    Ok(unique.len())
}

async fn check_one(engine: &Engine, number: u64) -> Result<(), Box<dyn Error>> {
    // A repeated start finds the run that was acknowledged, or it was lost.
    let found = engine.workflow_handle(MIXED, workflow_id(number)).await?;
    let again = engine
        .start_workflow(MIXED, number)
        .workflow_id(workflow_id(number))
        .request_id(request_id(number))
        .await?;
    if again.run_id() != found.run_id() {
        return Err(format!("run {number} was started twice").into());
    }
    let result = found.result().await.map_err(|error| error.to_string());
    if result != expected(number) {
        return Err(format!("run {number} came to {result:?}").into());
    }
    check_history(number, &found.history().await?)
}

fn check_history(number: u64, history: &[Event]) -> Result<(), Box<dyn Error>> {
    assert_well_formed(history);
    let types = event_types(history);
    let starts = types.iter().filter(|kind| **kind == EventType::WorkflowExecutionStarted).count();
    let closes = types.iter().filter(|kind| kind.is_close()).count();
    if (starts, closes) != (1, 1) {
        return Err(format!("run {number} has {starts} starts and {closes} closes").into());
    }
    Ok(())
}

async fn what_is_open(engine: &Engine, numbers: &BTreeSet<u64>) -> Box<dyn Error> {
    let mut open = Vec::new();
    for number in numbers {
        if let Ok(run) = engine.workflow_handle(MIXED, workflow_id(*number)).await
            && let Ok(description) = run.describe().await
            && description.status.is_open()
        {
            open.push(format!("{description:?}"));
        }
    }
    open.truncate(3);
    format!("runs are still open after {DEADLINE:?}: {open:#?}").into()
}

/// The rows of the three indexes from which an engine takes its work up again; none is left
/// behind when all runs are closed.
///
/// # Errors
/// If the store cannot be opened or read.
pub async fn left_behind(data: &Path) -> Result<usize, Box<dyn Error>> {
    use entracte::store::{FjallOptions, FjallStore, Store};
    let store = FjallStore::open(data, FjallOptions::default()).await?;
    let index = store.recovery_index()?;
    store.close().await?;
    Ok(index.inbox.len() + index.pending.len() + index.due.len())
}
