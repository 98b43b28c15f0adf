//! Histories that newer code no longer follows: both sides, with their source lines.

use entracte_model::{EventId, Failure, ResultExt};
use entracte_workflow::{
    Mismatch, ReplayError, TurnFailure, WorkflowContext, WorkflowResult, replay, select,
};

use crate::rig::*;

/// The line of the first call in [`charge`].
const CHARGE_LINE: u32 = line!() + 2;
async fn charge(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    ctx.activity(CHARGE, cents).await
}

const REFUND_LINE: u32 = line!() + 2;
async fn refund(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    ctx.activity(REFUND, cents).await.map(|text| text.len() as u64)
}

const NAP_LINE: u32 = line!() + 2;
async fn nap(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    ctx.sleep(SECOND).await;
    Ok(cents)
}

async fn nothing(_: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    Ok(cents)
}

async fn fails(_: WorkflowContext, _: u64) -> WorkflowResult<u64> {
    Err(declined())
}

const SECOND_LINE: u32 = line!() + 3;
async fn twice(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    let charge = ctx.activity(CHARGE, cents).start();
    let ship = ctx.activity(SHIP, cents).start();
    Ok(charge.await? + ship.await?)
}

async fn later(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    drop(ctx.sleep(SECOND));
    ctx.activity(CHARGE, cents).await
}

async fn waits(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    ctx.activity(CHARGE, cents).await.context("never read")?;
    ctx.cancelled().await;
    Ok(1)
}

async fn keeps(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    let timer = ctx.sleep(SECOND);
    ctx.activity(CHARGE, cents).await?;
    timer.await;
    Ok(1)
}

const RACE_LINE: u32 = line!() + 3;
async fn races(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    select! {
        () = ctx.sleep(SECOND) => Ok(0),
        charged = ctx.activity(CHARGE, cents) => {
            charged?;
            ctx.cancelled().await;
            Ok(1)
        }
    }
}

fn mismatch<F, Fut>(rig: &Rig, code: F) -> Mismatch
where
    F: Fn(WorkflowContext, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    match replay(erase(code), run_id(), &rig.events) {
        Err(ReplayError::Turn(TurnFailure::Nondeterminism(mismatch))) => *mismatch,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the code follows the history"),
    }
}

fn started_rig<F, Fut>(code: F) -> Rig
where
    F: Fn(WorkflowContext, u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    let mut rig = Rig::new(code);
    rig.start(5);
    rig
}

#[track_caller]
fn check(mismatch: &Mismatch, event_id: u64, recorded: &str, produced: &str) {
    assert_eq!(mismatch.event_id, EventId::new(event_id));
    assert_eq!(mismatch.recorded, recorded);
    assert_eq!(mismatch.produced, produced);
}

fn charge_text() -> String {
    format!("`charge` (id 1, {}:{CHARGE_LINE})", file!())
}

#[test]
fn det_1_another_name() {
    let mismatch = mismatch(&started_rig(charge), refund);
    let file = file!();
    assert_eq!(
        mismatch.to_string(),
        format!(
            "[TMPRL1100] history event 2 is ActivityTaskScheduled `charge` (id 1, \
             {file}:{CHARGE_LINE}), but the code now schedules activity `refund` (id 1, \
             {file}:{REFUND_LINE}); restore the code that wrote this history and give the \
             changed workflow a name of its own, or terminate the run"
        )
    );
}

#[test]
fn det_1_another_kind() {
    let file = file!();
    check(
        &mismatch(&started_rig(charge), nap),
        2,
        &format!("ActivityTaskScheduled {}", charge_text()),
        &format!("starts a timer (id 1, {file}:{NAP_LINE})"),
    );
    check(
        &mismatch(&started_rig(nap), charge),
        2,
        &format!("TimerStarted (id 1, {file}:{NAP_LINE})"),
        &format!("schedules activity {}", charge_text()),
    );
}

#[test]
fn det_1_another_id() {
    let mismatch = mismatch(&started_rig(charge), later);
    assert_eq!(mismatch.recorded, format!("ActivityTaskScheduled {}", charge_text()));
    assert!(mismatch.produced.starts_with("schedules activity `charge` (id 2, "));
}

#[test]
fn det_1_a_command_that_is_missing() {
    check(
        &mismatch(&started_rig(twice), charge),
        3,
        &format!("ActivityTaskScheduled `ship` (id 2, {}:{SECOND_LINE})", file!()),
        "does nothing more in this turn",
    );
}

#[test]
fn det_1_a_command_too_many() {
    let ship = format!("also schedules activity `ship` (id 2, {}:{SECOND_LINE})", file!());
    let mut rig = started_rig(charge);
    check(&mismatch(&rig, twice), 3, "not there, as the history ends before it", &ship);
    rig.complete(1, 3);
    check(&mismatch(&rig, twice), 3, "ActivityTaskStarted, which begins the next turn", &ship);
}

#[test]
fn det_1_another_end() {
    let rig = started_rig(nothing);
    check(
        &mismatch(&rig, fails),
        2,
        "WorkflowExecutionCompleted",
        "fails the workflow (card declined)",
    );
    let rig = started_rig(fails);
    check(
        &mismatch(&rig, nothing),
        2,
        "WorkflowExecutionFailed (card declined)",
        "completes the workflow",
    );
}

#[test]
fn det_1_code_that_goes_on_after_the_recorded_end() {
    let mut rig = started_rig(charge);
    rig.complete(1, 3);
    check(
        &mismatch(&rig, waits),
        5,
        "WorkflowExecutionCompleted",
        "does nothing more in this turn",
    );
    let rig = started_rig(nothing);
    let schedules = format!("schedules activity {}", charge_text());
    check(&mismatch(&rig, charge), 2, "WorkflowExecutionCompleted", &schedules);
}

#[test]
fn det_1_code_that_ends_before_the_recorded_end() {
    let rig = started_rig(charge);
    let recorded = format!("ActivityTaskScheduled {}", charge_text());
    check(&mismatch(&rig, nothing), 2, &recorded, "completes the workflow");
}

#[test]
fn det_1_cancellations_are_compared() {
    let mut rig = started_rig(races);
    rig.complete(2, 3);
    check(
        &mismatch(&rig, keeps),
        6,
        &format!("TimerCanceled (id 1, {}:{RACE_LINE})", file!()),
        "does nothing more in this turn",
    );
    let mut rig = started_rig(keeps);
    rig.complete(2, 3);
    let mismatch = mismatch(&rig, races);
    assert_eq!(mismatch.recorded, "not there, as the history ends before it");
    assert!(mismatch.produced.starts_with("also cancels the timer (id 1, "));
}

#[test]
fn det_1_inputs_timeouts_and_options_may_change() {
    let rig = started_rig(charge);
    let changed = async |ctx: WorkflowContext, cents: u64| {
        ctx.activity(CHARGE, cents + 1).start_to_close_timeout(99 * SECOND).task_queue("slow").await
    };
    replay(erase(changed), run_id(), &rig.events).unwrap();
    let rig = started_rig(nap);
    let longer = async |ctx: WorkflowContext, cents: u64| {
        ctx.sleep(9 * SECOND).await;
        Ok(cents)
    };
    replay(erase(longer), run_id(), &rig.events).unwrap();
}
