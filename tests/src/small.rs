//! A set of small workflows, one for each way in which runs go on.
//!
//! How each of them ends depends on its input alone: not on attempts that are lost, nor on how
//! long a commit takes or how often the engine is opened again.

use std::time::Duration;

use entracte::prelude::*;
use entracte::workflow::{Registry, replay};
use entracte::{EngineBuilder, StartWorkflowError};
use entracte_testing::{Outcome, StoredRun};

use crate::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};

/// Gives its input back after a while.
pub const WORK: Activity<Work, u64> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(7 * 86_400));
/// Fails until its third attempt, then doubles.
pub const TRY_HARD: Activity<u64, u64> = Activity::new("try-hard")
    .start_to_close_timeout(Duration::from_secs(30))
    .retry_policy(RetryPolicy::exponential(Duration::from_secs(2)));
/// Books a part of a trip, unless it is the car.
pub const BOOK: Activity<String, ()> =
    Activity::new("book").start_to_close_timeout(Duration::from_secs(30));
/// Takes a booking back.
pub const UNBOOK: Activity<String, ()> =
    Activity::new("unbook").start_to_close_timeout(Duration::from_secs(30));

/// Works at several things at once, and adds up.
pub const FAN_OUT: Workflow<u64, u64> = Workflow::new("fan-out");
/// Tries hard.
pub const STUBBORN: Workflow<u64, u64> = Workflow::new("stubborn");
/// Sleeps for a while between two steps.
pub const NAP: Workflow<u64, u64> = Workflow::new("nap");
/// Waits an hour for an activity, then takes one more step without it.
pub const RACE: Workflow<Work, u64> = Workflow::new("race");
/// Plans a trip for which there is no car, and takes everything back.
pub const TRIP: Workflow<(), ()> = Workflow::new("trip");
/// Waits to be cancelled, and takes one more step when it is.
pub const PATIENT: Workflow<u64, u64> = Workflow::new("patient");

/// Stands for a workflow of any name and type, to wait for runs however they end.
pub const ANY: Workflow<(), serde::de::IgnoredAny> = Workflow::new("any");

/// The input of [`WORK`].
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Work {
    /// How long it takes.
    pub seconds: u64,
    /// What it gives back.
    pub result: u64,
}

async fn work(_ctx: ActivityContext, work: Work) -> ActivityResult<u64> {
    tokio::time::sleep(Duration::from_secs(work.seconds)).await;
    Ok(work.result)
}

async fn try_hard(ctx: ActivityContext, number: u64) -> ActivityResult<u64> {
    if ctx.attempt() < 3 {
        return Err(Failure::application("NotYet", "once more"));
    }
    Ok(number * 2)
}

async fn book(_ctx: ActivityContext, part: String) -> ActivityResult<()> {
    if part == "car" {
        return Err(Failure::non_retryable("NoneLeft", "no car left"));
    }
    Ok(())
}

async fn unbook(_ctx: ActivityContext, _part: String) -> ActivityResult<()> {
    Ok(())
}

async fn fan_out(ctx: WorkflowContext, width: u64) -> WorkflowResult<u64> {
    let calls = (0..width).map(|n| ctx.activity(WORK, Work { seconds: n % 3, result: n }));
    let mut sum = 0;
    for result in join_all(calls).await {
        sum += result?;
    }
    Ok(sum)
}

async fn stubborn(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.activity(TRY_HARD, number).await
}

async fn nap(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let number = ctx.activity(ADD_ONE, number).await?;
    ctx.sleep(Duration::from_secs(3_600)).await;
    ctx.activity(ADD_ONE, number).await
}

async fn race(ctx: WorkflowContext, work: Work) -> WorkflowResult<u64> {
    let number = select! {
        result = ctx.activity(WORK, work) => result?,
        () = ctx.sleep(Duration::from_secs(3_600)) => 0,
    };
    ctx.activity(ADD_ONE, number).await
}

async fn trip(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.saga(async |saga| {
        for part in ["flight", "hotel", "car"] {
            saga.undo(ctx.activity(UNBOOK, part.to_owned()));
            ctx.activity(BOOK, part.to_owned())
                .await
                .with_context(|| format!("book the {part}"))?;
        }
        Ok(())
    })
    .await
    .context("plan the trip")
}

async fn patient(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    let waited = ctx.sleep_or_cancelled(Duration::from_secs(20 * 86_400)).await;
    let number = ctx.shield(ctx.activity(ADD_ONE, number)).await?;
    waited?;
    Ok(number)
}

/// Registers the small workflows and their activities with an engine.
pub fn small_workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(THREE_STEPS, three_steps)
        .workflow(FAN_OUT, fan_out)
        .workflow(STUBBORN, stubborn)
        .workflow(NAP, nap)
        .workflow(RACE, race)
        .workflow(TRIP, trip)
        .workflow(PATIENT, patient)
        .activity(ADD_ONE, add_one)
        .activity(WORK, work)
        .activity(TRY_HARD, try_hard)
        .activity(BOOK, book)
        .activity(UNBOOK, unbook)
}

/// The small workflows alone, to replay their histories.
#[must_use]
pub fn small_registry() -> Registry {
    let mut registry = Registry::new();
    registry.workflow(THREE_STEPS, three_steps);
    registry.workflow(FAN_OUT, fan_out);
    registry.workflow(STUBBORN, stubborn);
    registry.workflow(NAP, nap);
    registry.workflow(RACE, race);
    registry.workflow(TRIP, trip);
    registry.workflow(PATIENT, patient);
    registry
}

/// Starts a workflow under its workflow id, which is its request id as well: whoever does not
/// know whether that succeeded does it again.
///
/// # Errors
/// As the start's.
pub async fn start<I, O>(
    engine: &Engine,
    workflow: Workflow<I, O>,
    input: I,
    id: &str,
) -> Result<WorkflowHandle<O>, StartWorkflowError>
where
    I: serde::Serialize + Send + Sync + 'static,
    O: Send + 'static,
{
    engine.start_workflow(workflow, input).workflow_id(id).request_id(id).await
}

/// Starts one run of each small workflow, several of those whose ends differ, and cancels the
/// one that waits for it. The ids begin with a prefix.
///
/// # Errors
/// Those of the starts.
pub async fn start_all(engine: &Engine, prefix: &str) -> Result<(), Box<dyn std::error::Error>> {
    let id = |name: &str| format!("{prefix}{name}");
    // Run ids begin with the millisecond of their start, and are random behind it: a pause lets
    // the order of the run ids be that of the starts.
    let pause = || tokio::time::sleep(Duration::from_millis(2));
    let patient = start(engine, PATIENT, 1, &id("patient")).await?;
    pause().await;
    start(engine, THREE_STEPS, 10, &id("three-steps")).await?;
    pause().await;
    start(engine, FAN_OUT, 5, &id("fan-out")).await?;
    pause().await;
    start(engine, STUBBORN, 21, &id("stubborn")).await?;
    pause().await;
    start(engine, NAP, 30, &id("nap")).await?;
    pause().await;
    start(engine, RACE, Work { seconds: 5, result: 7 }, &id("race-work")).await?;
    pause().await;
    start(engine, RACE, Work { seconds: 86_400, result: 7 }, &id("race-timer")).await?;
    pause().await;
    start(engine, TRIP, (), &id("trip")).await?;
    pause().await;
    patient.cancel("waited enough").request_id("waited enough").await?;
    Ok(())
}

/// How the runs of [`start_all`] end, in the words of [`ending`].
pub const ENDINGS: [(&str, &str); 8] = [
    ("fan-out", "10"),
    ("nap", "32"),
    ("patient", "canceled: "),
    ("race-timer", "1"),
    ("race-work", "8"),
    ("stubborn", "42"),
    ("three-steps", "13"),
    ("trip", "failed: plan the trip: book the car: no car left"),
];

/// Puts an outcome of a small workflow into words.
#[must_use]
pub fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed(result) => result
            .decode::<u64>()
            .map_or_else(|error| error.to_string(), |number| number.to_string()),
        other => other.to_string(),
    }
}

/// Checks that each run of [`start_all`] ended once, as it should.
///
/// # Panics
/// If it did not.
pub fn assert_endings(runs: &[StoredRun], prefix: &str) {
    for (name, expected) in ENDINGS {
        let is_wanted =
            |run: &&StoredRun| run.row.workflow_id.as_str() == format!("{prefix}{name}");
        let wanted: Vec<_> = runs.iter().filter(is_wanted).collect();
        let [run] = wanted.as_slice() else { panic!("{prefix}{name} has the runs {wanted:#?}") };
        let last = run.history.last().and_then(|last| Outcome::of(&last.attributes));
        let found = last.as_ref().map(ending).unwrap_or_default();
        assert!(found.starts_with(expected), "{prefix}{name}: {found}");
    }
}

/// Checks that the code of the small workflows does again what the histories say.
///
/// # Panics
/// If it does not.
pub fn assert_replayable(runs: &[StoredRun]) {
    let registry = small_registry();
    for StoredRun { run_id, row, history, .. } in runs {
        let Some(workflow) = registry.find_workflow(&row.workflow_type) else {
            panic!("{} is no small workflow", row.workflow_type)
        };
        if let Err(error) = replay(workflow, *run_id, history) {
            panic!("{}: {error}: {history:#?}", row.workflow_id)
        }
    }
}
