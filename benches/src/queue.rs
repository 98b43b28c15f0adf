//! Attempts that wait: what each of them costs in memory, and how fast they leave their queue.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use entracte::TaskQueueDescription;
use entracte::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::commits::resident_bytes;
use crate::load::LoadError;

const QUEUE: &str = "measured";
const HOLD: Activity<(), ()> =
    Activity::new("hold").start_to_close_timeout(Duration::from_secs(86_400)).task_queue(QUEUE);
const STEP: Activity<u64, u64> =
    Activity::new("step").start_to_close_timeout(Duration::from_secs(86_400)).task_queue(QUEUE);
const FAIL: Activity<u64, u64> = Activity::new("fail")
    .start_to_close_timeout(Duration::from_secs(86_400))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(86_400)));
const HOLDERS: Workflow<u64, ()> = Workflow::new("holders");
const STEPS: Workflow<u64, u64> = Workflow::new("steps");
const FAILURES: Workflow<u64, u64> = Workflow::new("failures");

/// What the attempts wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A slot of their queue.
    Queue,
    /// The end of a back-off, to compare with.
    BackOff,
}

/// How many attempts wait, and for how many slots.
#[derive(Debug, Clone, Copy)]
pub struct QueueLoad {
    /// How many attempts wait.
    pub attempts: u64,
    /// How many of them each run has.
    pub attempts_per_run: u64,
    /// How many slots the queue has.
    pub slots: u64,
}

/// What the attempts that waited have taken.
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    /// How long it took until all of them waited.
    pub filled: Duration,
    /// How much more memory the process had when they waited than before, if the operating
    /// system tells.
    pub resident_bytes: Option<u64>,
    /// How long it took until all were done, from when the slots were free; none of back-offs.
    pub drained: Option<Duration>,
}

/// Lets so many attempts wait, and the queued ones run.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn measure(
    directory: &Path,
    load: QueueLoad,
    standing: Standing,
) -> Result<Waited, LoadError> {
    let gate = Arc::new(Semaphore::new(0));
    let failed = Arc::new(AtomicU64::new(0));
    let engine = start(directory, load, &gate, &failed).await?;
    engine.start_workflow(HOLDERS, load.slots).await?;
    until(|| queue(&engine).slots_in_use as u64 == load.slots).await;
    let before = resident_bytes();
    let begun = Instant::now();
    let workflow = match standing {
        Standing::Queue => STEPS,
        Standing::BackOff => FAILURES,
    };
    for _ in 0..load.attempts / load.attempts_per_run {
        engine.start_workflow(workflow, load.attempts_per_run).await?;
    }
    let waiting = || match standing {
        Standing::Queue => queue(&engine).waiting_total() as u64,
        Standing::BackOff => failed.load(Ordering::Relaxed),
    };
    let attempts = load.attempts / load.attempts_per_run * load.attempts_per_run;
    until(|| waiting() == attempts).await;
    let filled = begun.elapsed();
    // What was on its way is through.
    sleep(Duration::from_secs(1)).await;
    let resident_bytes =
        resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    let freed = Instant::now();
    gate.add_permits(usize::try_from(load.slots).unwrap_or(usize::MAX));
    let drained = match standing {
        Standing::Queue => {
            until(|| queue(&engine).waiting_total() + queue(&engine).slots_in_use == 0).await;
            Some(freed.elapsed())
        }
        Standing::BackOff => None,
    };
    engine.shutdown().await?;
    Ok(Waited { filled, resident_bytes, drained })
}

async fn start(
    directory: &Path,
    load: QueueLoad,
    gate: &Arc<Semaphore>,
    failed: &Arc<AtomicU64>,
) -> Result<Engine, LoadError> {
    let (gate, failed) = (Arc::clone(gate), Arc::clone(failed));
    let slots = usize::try_from(load.slots).unwrap_or(usize::MAX);
    let engine = Engine::builder(directory)
        .durability(Durability::OsBuffered)
        .pending_activities_max(u32::MAX)
        .task_queue(QUEUE, TaskQueueOptions::new().slots(slots))
        .workflow(HOLDERS, |ctx: WorkflowContext, slots: u64| async move {
            join_all((0..slots).map(|_| ctx.activity(HOLD, ()))).await;
            Ok(())
        })
        .workflow(STEPS, |ctx: WorkflowContext, attempts: u64| async move {
            join_all((0..attempts).map(|n| ctx.activity(STEP, n))).await;
            Ok(attempts)
        })
        .workflow(FAILURES, |ctx: WorkflowContext, attempts: u64| async move {
            join_all((0..attempts).map(|n| ctx.activity(FAIL, n))).await;
            Ok(attempts)
        })
        .activity(HOLD, move |_: ActivityContext, ()| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                Ok(())
            }
        })
        .activity(STEP, |_: ActivityContext, number: u64| async move { Ok(number) })
        .activity(FAIL, move |_: ActivityContext, _: u64| {
            failed.fetch_add(1, Ordering::Relaxed);
            async { Err(Failure::application("NotYet", "later")) }
        })
        .start()
        .await?;
    Ok(engine)
}

fn queue(engine: &Engine) -> TaskQueueDescription {
    #[expect(clippy::expect_used, reason = "a queue with options is always listed")]
    engine.task_queues().into_iter().find(|it| it.name == QUEUE).expect("the queue is listed")
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_attempts_wait_and_all_get_done() {
        let directory = tempfile::tempdir().unwrap();
        let load = QueueLoad { attempts: 100, attempts_per_run: 10, slots: 3 };
        let waited = measure(directory.path(), load, Standing::Queue).await.unwrap();
        assert!(waited.drained.is_some());
        let directory = tempfile::tempdir().unwrap();
        let waited = measure(directory.path(), load, Standing::BackOff).await.unwrap();
        assert!(waited.drained.is_none());
    }
}
