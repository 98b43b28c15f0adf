//! Many activities of one run at the same time: what each of them takes must not depend on how
//! many there are.

use std::path::Path;
use std::time::{Duration, Instant};

use entracte::prelude::*;

use crate::load::LoadError;

const ITEM: Activity<u64, u64> =
    Activity::new("item").start_to_close_timeout(Duration::from_secs(86_400));
const FAN_OUT: Workflow<u64, u64> = Workflow::new("fan-out");

/// Measures one run with so many activities that return at once; gives the time from its start
/// to its result.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn fan_out(
    directory: &Path,
    durability: Durability,
    items: u64,
) -> Result<Duration, LoadError> {
    let engine = Engine::builder(directory)
        .durability(durability)
        .pending_activities_max(u32::MAX)
        .history_events_max(u64::MAX)
        .workflow(FAN_OUT, |ctx: WorkflowContext, items: u64| async move {
            let results = join_all((0..items).map(|number| ctx.activity(ITEM, number))).await;
            results.into_iter().try_fold(0, |sum, number| Ok(sum + number?))
        })
        .activity(ITEM, |_: ActivityContext, number: u64| async move { Ok(number) })
        .start()
        .await?;
    let begin = Instant::now();
    let result = engine.start_workflow(FAN_OUT, items).await?.result().await?;
    let taken = begin.elapsed();
    if result != items * items.saturating_sub(1) / 2 {
        return Err(LoadError::WrongResult { run: 0, result: result.to_string() });
    }
    engine.shutdown().await?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_items_are_done() {
        let directory = tempfile::tempdir().unwrap();
        let taken = fan_out(directory.path(), Durability::OsBuffered, 50).await.unwrap();
        assert!(taken > Duration::ZERO);
    }
}
