//! Checks what became of the runs that were acknowledged.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::StoreExt;
use entracte::{Event, EventType, RunError};

use super::kinds::{MIXED, expected, register, request_id, workflow_id};
use super::run::acknowledged;
use crate::look::{assert_well_formed, event_types};

/// How long all runs together may take to come to their ends.
const DEADLINE: Duration = Duration::from_secs(60);
/// How many runs beyond the last acknowledged one may have been started at most.
const UNACKNOWLEDGED_MAX: u64 = 1_000;
/// How many violations are named.
const NAMED_MAX: usize = 5;

/// What a check has found to be in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Runs whose start was acknowledged.
    pub acknowledged: usize,
    /// Runs that were started, but whose client was killed before it heard of it.
    pub unacknowledged: usize,
}

/// Opens an engine on a directory, waits until every run is closed, and checks that every
/// acknowledged one is there, and that each has closed once, with the right result.
///
/// # Errors
/// Names the first runs that are not as they must be.
pub async fn check(data: &Path, acks: &Path) -> Result<Checked, Box<dyn Error>> {
    let numbers = acknowledged(acks)?;
    let unique: BTreeSet<u64> = numbers.iter().copied().collect();
    if unique.len() != numbers.len() {
        return Err("a number was acknowledged twice".into());
    }
    let engine = register(Engine::builder(data)).start().await?;
    let end = unique.last().map_or(0, |last| last + 1) + UNACKNOWLEDGED_MAX;
    let (mut checked, mut violations) = (Checked::default(), Vec::new());
    let all = tokio::time::timeout(DEADLINE, async {
        for number in 0..end {
            let is_acknowledged = unique.contains(&number);
            match check_one(&engine, number, is_acknowledged).await {
                Ok(false) => {}
                Ok(true) if is_acknowledged => checked.acknowledged += 1,
                Ok(true) => checked.unacknowledged += 1,
                Err(violation) => violations.push(violation.to_string()),
            }
        }
    });
    if all.await.is_err() {
        violations.push(what_is_open(&engine, end).await);
    }
    engine.shutdown().await?;
    if violations.is_empty() {
        return Ok(checked);
    }
    let count = violations.len();
    violations.truncate(NAMED_MAX);
    Err(format!("{count} violations, the first of which are:\n{}", violations.join("\n")).into())
}

/// Checks the run of a number, and tells whether there is one.
pub(crate) async fn check_one(
    engine: &Engine,
    number: u64,
    is_acknowledged: bool,
) -> Result<bool, Box<dyn Error>> {
    let found = match engine.workflow_handle(MIXED, workflow_id(number)).await {
        Err(RunError::NotFound(_)) if !is_acknowledged => return Ok(false),
        found => found?,
    };
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
        return Err(format!("run {number} came to {result:?}, not {:?}", expected(number)).into());
    }
    check_history(number, &found.history().await?)?;
    Ok(true)
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

/// What the first runs wait for that should have come to their ends long ago.
async fn what_is_open(engine: &Engine, end: u64) -> String {
    let mut open = Vec::new();
    for number in 0..end {
        if let Ok(run) = engine.workflow_handle(MIXED, workflow_id(number)).await
            && let Ok(description) = run.describe().await
            && description.status.is_open()
        {
            open.push(format!("{description:?}"));
        }
    }
    let count = open.len();
    open.truncate(NAMED_MAX);
    format!("{count} runs are open after {DEADLINE:?}: {open:#?}")
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
