//! Child workflows (rules CHD-*), as their parents see them.

use entracte_model::event::*;
use entracte_model::{
    ChildWorkflowCancellationType as CancellationType, EventAttributes, EventId, Failure, Payload,
    RunId, Seq,
};
use entracte_workflow::{Activity, Workflow, WorkflowContext};

use crate::rig::*;

const SHIP: Workflow<u64, u64> = Workflow::new("ship");
const ONE: Activity<(), ()> = Activity::new("one").start_to_close_timeout(SECOND);

fn child_run() -> RunId {
    RunId::from_bytes([9; RunId::LEN])
}

fn initiated(rig: &Rig, seq: u32) -> (Seq, EventId) {
    let seq = Seq::new(seq);
    (seq, rig.state.children[&seq].initiated_event_id)
}

fn started(rig: &Rig, seq: u32) -> Vec<EventAttributes> {
    let (seq, initiated_event_id) = initiated(rig, seq);
    vec![EventAttributes::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
        seq,
        initiated_event_id,
        run_id: child_run(),
    })]
}

fn completed(rig: &Rig, seq: u32, result: u64) -> Vec<EventAttributes> {
    let (seq, initiated_event_id) = initiated(rig, seq);
    vec![EventAttributes::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
        seq,
        initiated_event_id,
        run_id: child_run(),
        result: Payload::encode(&result).unwrap(),
    })]
}

#[test]
fn chd_2_a_child_starts_and_completes_in_two_steps() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let child = ctx.child(SHIP, 7).workflow_id("ship-7").start().await?;
        assert_eq!(child.workflow_id().as_str(), "ship-7");
        assert_eq!(child.first_execution_run_id(), child_run());
        ctx.activity(ONE, ()).await?;
        child.result().await
    });
    assert_eq!(rig.start(()), ["start child 1 ship as ship-7"]);
    assert_eq!(rig.turn(started(&rig, 1)), ["schedule 2 one"]);
    assert!(rig.turn(completed(&rig, 1, 8)).is_empty());
    assert_eq!(rig.complete(2, ()), ["complete 8"]);
}

#[test]
fn chd_1_the_default_id_is_the_run_and_the_number() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| ctx.child(SHIP, 7).await);
    assert_eq!(rig.start(()), [format!("start child 1 ship as {}_1", run_id())]);
    assert!(rig.turn(started(&rig, 1)).is_empty());
    assert_eq!(rig.turn(completed(&rig, 1, 8)), ["complete 8"]);
}

#[test]
fn chd_3_a_taken_id_fails_both_futures_with_the_childs_wrapper() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let failure = ctx.child(SHIP, 7).workflow_id("taken").start().await.unwrap_err();
        let second = ctx.child(SHIP, 7).workflow_id("taken").await.unwrap_err();
        assert_eq!(failure.to_string(), second.to_string());
        Ok(failure.to_string())
    });
    let failed = |rig: &Rig, seq| {
        let (seq, initiated_event_id) = initiated(rig, seq);
        let cause = StartChildFailedCause::WorkflowAlreadyExists;
        let failed = StartChildWorkflowExecutionFailed { seq, initiated_event_id, cause };
        vec![EventAttributes::StartChildWorkflowExecutionFailed(failed)]
    };
    rig.start(());
    assert_eq!(rig.turn(failed(&rig, 1)), ["start child 2 ship as taken"]);
    let complete = "complete child workflow execution already started";
    assert_eq!(rig.turn(failed(&rig, 2)), [complete]);
}

#[test]
fn chd_3_the_same_id_twice_in_one_turn_leaves_one_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let first = ctx.child(SHIP, 1).workflow_id("one").start();
        let second = ctx.child(SHIP, 2).workflow_id("one").start().await.unwrap_err();
        assert!(second.to_string().contains("already started"), "{second}");
        first.await?.result().await
    });
    assert_eq!(rig.start(()), ["start child 1 ship as one"]);
}

fn cancelling(cancellation_type: CancellationType) -> Rig {
    Rig::new(move |ctx: WorkflowContext, ()| async move {
        let child =
            ctx.child(SHIP, 7).workflow_id("c").cancellation_type(cancellation_type).start();
        match child.await?.result().await {
            Ok(result) => Ok(format!("result {result}")),
            Err(failure) if failure.is_canceled() => Ok("cancelled".to_owned()),
            Err(failure) => Err(failure),
        }
    })
}

#[test]
fn chd_12_try_cancel_asks_and_goes_on_at_once() {
    let mut rig = cancelling(CancellationType::TryCancel);
    rig.start(());
    rig.turn(started(&rig, 1));
    assert_eq!(rig.cancel(), ["cancel child 1", "complete cancelled"]);
}

#[test]
fn chd_12_abandon_asks_nothing_and_goes_on_at_once() {
    let mut rig = cancelling(CancellationType::Abandon);
    rig.start(());
    rig.turn(started(&rig, 1));
    assert_eq!(rig.cancel(), ["complete cancelled"]);
}

#[test]
fn chd_12_wait_cancellation_completed_waits_for_the_end_which_may_be_a_result() {
    let mut rig = cancelling(CancellationType::WaitCancellationCompleted);
    rig.start(());
    rig.turn(started(&rig, 1));
    assert_eq!(rig.cancel(), ["cancel child 1"]);
    assert!(rig.turn(told(&rig)).is_empty());
    assert_eq!(rig.turn(completed(&rig, 1, 8)), ["complete result 8"]);
}

#[test]
fn chd_12_wait_cancellation_requested_waits_until_the_child_knows() {
    let mut rig = cancelling(CancellationType::WaitCancellationRequested);
    rig.start(());
    rig.turn(started(&rig, 1));
    assert_eq!(rig.cancel(), ["cancel child 1"]);
    assert_eq!(rig.turn(told(&rig)), ["complete cancelled"]);
}

fn told(rig: &Rig) -> Vec<EventAttributes> {
    let (initiated_event_id, sent) = rig.state.sent_cancels.first_key_value().unwrap();
    let (seq, initiated_event_id) = (sent.initiated.seq, *initiated_event_id);
    let told = ExternalWorkflowExecutionCancelRequested { seq, initiated_event_id };
    vec![EventAttributes::ExternalWorkflowExecutionCancelRequested(told)]
}

#[test]
fn chd_14_a_child_that_has_not_started_is_cancelled_too() {
    let mut rig = cancelling(CancellationType::TryCancel);
    rig.start(());
    let failure = "cancel child 1";
    let commands = rig.cancel();
    assert_eq!(commands[0], failure);
    assert!(commands[1].starts_with("cancelled: "), "{commands:?}");
}

#[test]
fn chd_13_a_child_of_a_cancelled_run_is_not_issued() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.cancelled().await;
        let started = ctx.child(SHIP, 7).start().await.map(drop);
        assert!(started.unwrap_err().is_canceled());
        ctx.shield(ctx.child(SHIP, 7).workflow_id("shielded")).await
    });
    rig.start(());
    assert_eq!(rig.cancel(), ["start child 1 ship as shielded"]);
}

#[test]
fn dropping_a_handle_stops_the_waiting_and_a_cancellation_still_reaches_the_child() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        drop(ctx.child(SHIP, 7).workflow_id("c").start().await?);
        ctx.activity(ONE, ()).await
    });
    rig.start(());
    assert_eq!(rig.turn(started(&rig, 1)), ["schedule 2 one"]);
    let commands = rig.cancel();
    assert_eq!(commands[0], "cancel child 1", "{commands:?}");
}

#[test]
fn a_dropped_child_alone_is_nothing_to_wait_for() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        drop(ctx.child(SHIP, 7).workflow_id("c").start());
        std::future::pending::<Result<u64, Failure>>().await
    });
    assert!(rig.try_turn(vec![crate::rig::started(&())]).is_err());
}

#[test]
fn can_8_another_workflow_is_asked_to_cancel() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.external_workflow("other").cancel("enough").await?;
        let failure = ctx.external_workflow("gone").cancel("enough").await.unwrap_err();
        Ok(failure.application_type().unwrap_or_default().to_owned())
    });
    assert_eq!(rig.start(()), ["cancel 1 other"]);
    assert_eq!(rig.turn(told(&rig)), ["cancel 2 gone"]);
    let (initiated_event_id, _) = rig.state.sent_cancels.first_key_value().unwrap();
    let failed = RequestCancelExternalWorkflowExecutionFailed {
        seq: Seq::new(2),
        initiated_event_id: *initiated_event_id,
        cause: CancelExternalFailedCause::ExternalWorkflowExecutionNotFound,
    };
    let failed = EventAttributes::RequestCancelExternalWorkflowExecutionFailed(failed);
    assert_eq!(rig.turn(vec![failed]), ["complete ExternalWorkflowNotFound"]);
}
