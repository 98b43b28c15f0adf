//! The kinds of runs, and what each must come to.

use std::time::Duration;

use entracte::EngineBuilder;
use entracte::prelude::*;

const STEP: Activity<u64, u64> =
    Activity::new("step").start_to_close_timeout(Duration::from_secs(30)).retry_policy(QUICK);
const SHAKY: Activity<u64, u64> =
    Activity::new("shaky").start_to_close_timeout(Duration::from_secs(30)).retry_policy(QUICK);
const REFUSE: Activity<u64, u64> =
    Activity::new("refuse").start_to_close_timeout(Duration::from_secs(30)).retry_policy(QUICK);

/// Waits so short that a run is over soon, and long enough to be killed in them.
const QUICK: RetryPolicy =
    RetryPolicy::exponential(Duration::from_millis(5)).maximum_interval(Duration::from_millis(20));

/// All kinds of runs; the number of the run chooses.
pub(crate) const MIXED: Workflow<u64, u64> = Workflow::new("mixed");

async fn step(_ctx: ActivityContext, number: u64) -> ActivityResult<u64> {
    Ok(number + 1)
}

async fn shaky(ctx: ActivityContext, number: u64) -> ActivityResult<u64> {
    // Takes a while, so that it is killed while it runs, and fails at first.
    tokio::time::sleep(Duration::from_millis(number % 7)).await;
    if ctx.attempt() < 2 {
        return Err(Failure::application("Shaky", "the first attempt fails"));
    }
    Ok(number * 2)
}

async fn refuse(_ctx: ActivityContext, number: u64) -> ActivityResult<u64> {
    Err(Failure::non_retryable("Refused", format!("{number} is refused")))
}

async fn mixed(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    match number % 5 {
        0 => {
            let mut sum = number;
            for _ in 0..4 {
                sum = ctx.activity(STEP, sum).await?;
            }
            Ok(sum)
        }
        1 => {
            let calls = (0..8).map(|index| ctx.activity(STEP, number + index));
            Ok(try_join_all(calls).await?.into_iter().sum())
        }
        2 => ctx.activity(SHAKY, number).await,
        3 => {
            ctx.sleep(Duration::from_millis(number % 40)).await;
            ctx.activity(STEP, number).await
        }
        _ => {
            ctx.saga(async |saga| {
                saga.undo(ctx.activity(STEP, number));
                ctx.activity(STEP, number).await?;
                saga.undo(ctx.activity(SHAKY, number));
                ctx.activity(REFUSE, number).await.context("the last step")
            })
            .await
        }
    }
}

/// The name of what the run of a number does.
pub(crate) fn kind(number: u64) -> &'static str {
    ["sequence", "fan-out", "retries", "timer", "saga"][(number % 5) as usize]
}

/// What the run of a number must come to: its result, or the text of its failure.
pub(crate) fn expected(number: u64) -> Result<u64, String> {
    match number % 5 {
        0 => Ok(number + 4),
        1 => Ok((0..8).map(|index| number + index + 1).sum()),
        2 => Ok(number * 2),
        3 => Ok(number + 1),
        _ => Err(format!("the last step: {number} is refused")),
    }
}

/// Registers the workload with an engine.
pub(crate) fn register(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(MIXED, mixed)
        .activity(STEP, step)
        .activity(SHAKY, shaky)
        .activity(REFUSE, refuse)
}

/// The workflow id of a number.
pub(crate) fn workflow_id(number: u64) -> String {
    format!("run-{number}")
}

/// The id of the request that starts a number: the same whoever asks.
pub(crate) fn request_id(number: u64) -> String {
    format!("request-{number}")
}
