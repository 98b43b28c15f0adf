//! What an engine leaves.

use std::collections::BTreeMap;
use std::path::Path;

use entracte::Engine;
use entracte::store::StoreExt;
use entracte_testing::{StoredRun, check_store};

use super::{Fault, close, open};
use crate::power::load::small_store;
use crate::workload::{MIXED, check_one, register, request_id, workflow_id};

/// What was told, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// A start was about to be asked for.
    Begin(u64),
    /// A start was acknowledged.
    Started(u64),
    /// The end of a run was told.
    Ended(u64),
    /// The engine was shut down.
    Closed,
}

fn parse(told: &str) -> Vec<Told> {
    let lines = told.lines().filter_map(|line| line.strip_suffix('.'));
    lines
        .filter_map(|line| {
            let (first, second) = line.split_once(' ').unwrap_or((line, ""));
            match first {
                "begin" => second.parse().ok().map(Told::Begin),
                "end" => second.parse().ok().map(Told::Ended),
                "closed" => Some(Told::Closed),
                number => number.parse().ok().map(Told::Started),
            }
        })
        .collect()
}

/// The runs are there of which it was told, and all go on to their ends.
pub(super) async fn runs(data: &Path, told: &str, is_bound: bool) -> Result<String, Fault> {
    let told = parse(told);
    let found = look("opening", data).await?;
    let bound = check_told(&told, &found, is_bound)?;
    let begun = told.iter().filter_map(|line| match line {
        Told::Begin(number) => Some(*number + 1),
        _ => None,
    });
    let next = begun.max().unwrap_or_default();
    let numbers: Vec<u64> = found.keys().copied().chain(next..next + 3).collect();
    finish(data, &numbers, next).await?;
    let again = look("second opening", data).await?;
    if let Some(open) = again.values().find(|run| run.row.status.is_open()) {
        return Err(Fault::new("new work", format!("{} is open", open.row.workflow_id)));
    }
    if again.len() != numbers.len() {
        let text = format!("{} runs where {} were", again.len(), numbers.len());
        return Err(Fault::new("new work", text));
    }
    Ok(format!("{} runs, {bound} of {} lines hold", found.len(), told.len()))
}

/// Opens the store alone, checks it, and gives its runs by their numbers.
async fn look(doing: &str, data: &Path) -> Result<BTreeMap<u64, StoredRun>, Fault> {
    let store = open(doing, data).await?;
    let runs = check_store(&store).map_err(|error| Fault::new("unsound", error))?;
    let numbered = runs.into_iter().map(|run| {
        let number = run.row.workflow_id.as_str().strip_prefix("run-")?.parse().ok()?;
        Some((number, run))
    });
    let numbered = numbered.collect::<Option<BTreeMap<u64, StoredRun>>>();
    let numbered = numbered.ok_or_else(|| Fault::new("unsound", "a run that nobody started"))?;
    let has_open = numbered.values().any(|run| run.row.status.is_open());
    let index = store.recovery_index().map_err(|error| Fault::new("unsound", error))?;
    if !has_open && !index.runs().is_empty() {
        return Err(Fault::new("unsound", "rows of closed runs are left in the indexes"));
    }
    close(store).await?;
    Ok(numbered)
}

/// Checks what must hold of the lines that were told, and tells how many these are.
///
/// If answers wait for the disk, all of them hold. If not, those up to the last shutdown; and
/// what is there begins at the beginning: if a run is there, all that was told before it was
/// started holds as well.
fn check_told(
    told: &[Told],
    found: &BTreeMap<u64, StoredRun>,
    is_bound: bool,
) -> Result<usize, Fault> {
    let begin = |number: &u64| told.iter().position(|line| *line == Told::Begin(*number));
    let mut causal = 0;
    for number in found.keys() {
        let begun = begin(number);
        causal = causal.max(begun.ok_or_else(|| Fault::new("unsound", "a run before its start"))?);
    }
    let closed = told.iter().rposition(|line| *line == Told::Closed).unwrap_or_default();
    let bound = if is_bound { told.len() } else { causal.max(closed) };
    for (index, line) in told[..bound].iter().enumerate() {
        let holds = match line {
            Told::Begin(_) | Told::Closed => true,
            Told::Started(number) => found.contains_key(number),
            Told::Ended(number) => found.get(number).is_some_and(|run| !run.row.status.is_open()),
        };
        if !holds {
            let kind = if is_bound || index < closed { "lost" } else { "mixture" };
            return Err(Fault::new(kind, format!("{line:?}, line {index}, does not hold")));
        }
    }
    Ok(bound)
}

/// Lets an engine bring all runs to their ends, those from a number on being new.
async fn finish(data: &Path, numbers: &[u64], first_new: u64) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::new("new work", error);
    let engine = register(Engine::builder(data)).store_options(small_store());
    let engine = engine.start().await.map_err(|error| failed(&error))?;
    for number in numbers {
        if *number >= first_new {
            let start = engine.start_workflow(MIXED, *number).workflow_id(workflow_id(*number));
            let started = start.request_id(request_id(*number)).await;
            started.map_err(|error| failed(&error))?;
        }
        let is_there = check_one(&engine, *number, true).await.map_err(|error| failed(&error))?;
        if !is_there {
            return Err(failed(&format!("run {number} is not there")));
        }
    }
    engine.shutdown().await.map_err(|error| failed(&error))
}
