//! Child workflows: what each of many costs, and each level of a deep chain.
//!
//! The floor of a child is a linked actor, and commits of as many rows to the same store: bare
//! ractor and bare fjall, one after the other, without anything that knows what a child is.

mod floor;

use std::path::Path;
use std::time::{Duration, Instant};

use entracte::prelude::*;
use tokio::time::sleep;

pub use self::floor::{FloorTaken, floor};
use crate::commits::resident_bytes;
use crate::figures::JournalFigures;
use crate::load::LoadError;

const QUICK: Workflow<u64, u64> = Workflow::new("quick");
const HELD: Workflow<u64, u64> = Workflow::new("held");
const QUICK_PARENT: Workflow<u64, u64> = Workflow::new("quick-parent");
const HELD_PARENT: Workflow<u64, u64> = Workflow::new("held-parent");
const NESTED: Workflow<u64, u64> = Workflow::new("nested");
const LET_GO: Signal<()> = Signal::new("let-go");

/// What a number of runs has taken.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// From the start of the first one until the result of the last one.
    pub done: Duration,
    /// What the journal has written for them.
    pub journal: JournalFigures,
}

/// What a number of children has taken that are all open at the same time.
#[derive(Debug, Clone, Copy)]
pub struct TakenHeld {
    /// From the start of their parent until all of them had begun.
    pub begun: Duration,
    /// How much more memory the process had then than before, if the operating system tells.
    pub resident_bytes: Option<u64>,
    /// From when their parent was terminated until all of them had ended with it.
    pub fallen: Duration,
}

async fn start(directory: &Path, durability: Durability) -> Result<Engine, LoadError> {
    let all = |ctx: WorkflowContext, workflow: Workflow<u64, u64>, children: u64| async move {
        let calls = (0..children).map(|number| ctx.child(workflow, number).into_future());
        let results = join_all(calls).await;
        results.into_iter().try_fold(0, |sum, number| Ok(sum + number?))
    };
    let builder = Engine::builder(directory)
        .durability(durability)
        .pending_children_max(u32::MAX)
        .open_children_max(usize::MAX)
        .workflow(QUICK, |_: WorkflowContext, number: u64| async move { Ok(number) })
        .workflow(HELD, |ctx: WorkflowContext, number: u64| async move {
            ctx.signals(LET_GO).recv().await;
            Ok(number)
        })
        .workflow(QUICK_PARENT, move |ctx, children| all(ctx, QUICK, children))
        .workflow(HELD_PARENT, move |ctx, children| all(ctx, HELD, children))
        .workflow(NESTED, |ctx: WorkflowContext, levels: u64| async move {
            match levels {
                0 => Ok(0),
                _ => Ok(1 + ctx.child(NESTED, levels - 1).await?),
            }
        });
    Ok(builder.start().await?)
}

fn journal(engine: &Engine) -> JournalFigures {
    let stats = engine.journal_stats();
    JournalFigures {
        appends: stats.appends,
        commits: stats.commits,
        syncs: stats.syncs,
        events: stats.events,
    }
}

async fn run_to_result(
    engine: Engine,
    workflow: Workflow<u64, u64>,
    input: u64,
    expected: u64,
) -> Result<Taken, LoadError> {
    let before = journal(&engine);
    let begin = Instant::now();
    let run = engine.start_workflow(workflow, input).await?;
    let result = run.result().await?;
    let done = begin.elapsed();
    if result != expected {
        return Err(LoadError::WrongResult { run: 0, result: result.to_string() });
    }
    let journal = journal(&engine).since(before);
    engine.shutdown().await?;
    Ok(Taken { done, journal })
}

/// Measures one parent with so many children that return at once.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn quick(
    directory: &Path,
    durability: Durability,
    children: u64,
) -> Result<Taken, LoadError> {
    let engine = start(directory, durability).await?;
    run_to_result(engine, QUICK_PARENT, children, children * children.saturating_sub(1) / 2).await
}

/// Measures a chain of so many runs below the first one, each of which waits for the next.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn nested(
    directory: &Path,
    durability: Durability,
    levels: u64,
) -> Result<Taken, LoadError> {
    let engine = start(directory, durability).await?;
    run_to_result(engine, NESTED, levels, levels).await
}

/// Measures one parent with so many children that are all open, and fall with it.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn held(
    directory: &Path,
    durability: Durability,
    children: u64,
) -> Result<TakenHeld, LoadError> {
    let engine = start(directory, durability).await?;
    let before = resident_bytes();
    let begin = Instant::now();
    let run = engine.start_workflow(HELD_PARENT, children).await?;
    // Each child has told its parent that it has started.
    let events = 1 + 3 * children;
    until(async || engine.journal_stats().events >= events).await;
    let begun = begin.elapsed();
    // What was on its way is through.
    sleep(Duration::from_secs(1)).await;
    let resident_bytes =
        resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    let begin = Instant::now();
    run.terminate("measured").await?;
    let events = events + 1 + children;
    until(async || engine.journal_stats().events >= events).await;
    let fallen = begin.elapsed();
    engine.shutdown().await?;
    Ok(TakenHeld { begun, resident_bytes, fallen })
}

async fn until(condition: impl AsyncFn() -> bool) {
    while !condition().await {
        sleep(Duration::from_millis(2)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_children_are_measured() {
        let directory = || tempfile::tempdir().unwrap();
        let durability = Durability::OsBuffered;
        let taken = quick(directory().path(), durability, 20).await.unwrap();
        // Three events of the parent and two of its own for each, and those of the parent.
        assert_eq!(taken.journal.events, 20 * 5 + 2);
        let taken = nested(directory().path(), durability, 10).await.unwrap();
        assert_eq!(taken.journal.events, 10 * 5 + 2);
        held(directory().path(), durability, 20).await.unwrap();
        let floor = floor(directory().path(), durability, 20, taken.journal).await.unwrap();
        assert!(floor.committed > Duration::ZERO);
    }
}
