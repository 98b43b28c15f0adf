//! Signals to other workflows (rule SIG-9).

use entracte_model::event::*;
use entracte_model::{EventAttributes, EventId, Failure, Seq};
use entracte_workflow::{
    HistoryError, OutstandingKind, ReplayError, Signal, TurnFailure, WorkflowContext, join, replay,
    select,
};

use crate::rig::*;

const READY: Signal<u64> = Signal::new("ready");

fn arrived(rig: &Rig, seq: u32) -> Vec<EventAttributes> {
    let seq = Seq::new(seq);
    let initiated_event_id = rig.state.sent_signals[&seq].initiated_event_id;
    vec![EventAttributes::ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled {
        seq,
        initiated_event_id,
    })]
}

fn failed(rig: &Rig, seq: u32, cause: SignalExternalFailedCause) -> Vec<EventAttributes> {
    let seq = Seq::new(seq);
    let initiated_event_id = rig.state.sent_signals[&seq].initiated_event_id;
    vec![EventAttributes::SignalExternalWorkflowExecutionFailed(
        SignalExternalWorkflowExecutionFailed { seq, initiated_event_id, cause },
    )]
}

#[test]
fn sig_9_a_signal_to_another_workflow_is_sent_and_answered() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let other = ctx.external_workflow("other");
        // Nothing happens before it is awaited.
        let unsent = other.signal(READY, 0);
        other.signal(READY, 7).await?;
        drop(unsent);
        Ok(1)
    });
    assert_eq!(rig.start(()), ["signal 1 ready to other"]);
    let sent = &rig.state.sent_signals[&Seq::new(1)].initiated;
    assert_eq!(sent.input[0].decode::<u64>(), Ok(7));
    let outstanding = rig.machine.outstanding();
    assert_eq!(outstanding[0].kind, OutstandingKind::ExternalSignal);
    assert_eq!(rig.turn(arrived(&rig, 1)), ["complete 1"]);
    assert!(rig.state.sent_signals.is_empty());
}

#[test]
fn sig_9_a_signal_that_cannot_be_sent_is_a_failure_that_names_the_workflow() {
    use SignalExternalFailedCause::{NotFound, SignalCountLimitExceeded};
    for (cause, kind) in [
        (NotFound, "ExternalWorkflowNotFound"),
        (SignalCountLimitExceeded, "SignalCountLimitExceeded"),
    ] {
        let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
            let failure = ctx.external_workflow("other").signal(READY, 7).await.unwrap_err();
            assert!(failure.to_string().contains("`other`"), "{failure}");
            assert!(!failure.is_retryable(&[]));
            Ok(failure.application_type().unwrap_or_default().to_owned())
        });
        rig.start(());
        assert_eq!(rig.turn(failed(&rig, 1, cause)), [format!("complete {kind}")]);
    }
}

#[test]
fn sig_9_what_cannot_be_sent_at_all_leaves_no_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let nowhere = ctx.external_workflow("").signal(READY, 7).await.unwrap_err();
        let unwritable: Signal<std::collections::BTreeMap<(), Unwritable>> = Signal::new("no");
        let value = [((), Unwritable)].into();
        let other = ctx.external_workflow("other");
        let unwritten = other.signal(unwritable, value).await.unwrap_err();
        let types = [nowhere, unwritten]
            .map(|failure| failure.application_type().unwrap_or_default().to_owned());
        Ok(types.join(" "))
    });
    assert_eq!(rig.start(()), ["complete InvalidWorkflowId EncodeError"]);
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[test]
fn sig_9_what_was_sent_is_not_taken_back() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let other = ctx.external_workflow("other");
        select! {
            sent = other.signal(READY, 7) => sent?,
            () = ctx.sleep(SECOND) => {}
        }
        ctx.sleep(SECOND).await;
        Ok(2)
    });
    assert_eq!(rig.start(()), ["start timer 1 1s", "signal 2 ready to other"]);
    // Dropped in a later turn: nothing is recorded, and the answer is no news to anyone.
    assert_eq!(rig.fire(1), ["start timer 3 1s"]);
    assert!(rig.turn(arrived(&rig, 2)).is_empty());
    assert_eq!(rig.fire(3), ["complete 2"]);
}

#[test]
fn sig_9_a_signal_dropped_in_the_turn_that_sends_it_vanishes() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        select! {
            sent = ctx.external_workflow("other").signal(READY, 7) => sent?,
            () = std::future::ready(()) => {}
        }
        Ok(3)
    });
    assert_eq!(rig.start(()), ["complete 3"]);
}

#[test]
fn can_3_a_cancelled_run_sends_only_what_is_shielded() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let other = ctx.external_workflow("other");
        let (first, ()) = join!(other.signal(READY, 1), ctx.sleep(SECOND));
        first?;
        let unsent = other.signal(READY, 2).await.unwrap_err();
        assert_eq!(unsent.message(), "Signal was cancelled before being sent");
        ctx.shield(other.signal(READY, 3)).await?;
        Ok(4)
    });
    rig.start(());
    // What is on its way is not ended by the cancellation.
    assert_eq!(rig.cancel(), ["cancel timer 1"]);
    assert_eq!(rig.turn(arrived(&rig, 2)), ["signal 3 ready to other"]);
    assert_eq!(rig.turn(arrived(&rig, 3)), ["complete 4"]);
}

#[test]
fn det_1_the_workflow_and_the_name_of_a_sent_signal_are_compared() {
    async fn sends(ctx: WorkflowContext, to: &str, signal: Signal<u64>) -> Result<u64, Failure> {
        ctx.external_workflow(to).signal(signal, 1).await?;
        Ok(1)
    }
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| sends(ctx, "other", READY).await);
    rig.start(());
    for changed in [
        erase(async |ctx: WorkflowContext, ()| sends(ctx, "another", READY).await),
        erase(async |ctx: WorkflowContext, ()| sends(ctx, "other", Signal::new("steady")).await),
    ] {
        let error = replay(changed, run_id(), &rig.events).unwrap_err();
        let ReplayError::Turn(TurnFailure::Nondeterminism(mismatch)) = error else {
            panic!("{error:?}")
        };
        assert!(mismatch.recorded.contains("`ready` to workflow `other`"), "{mismatch}");
        assert!(mismatch.produced.starts_with("sends signal"), "{mismatch}");
    }
}

#[test]
fn an_answer_to_a_signal_that_was_not_sent_is_an_error_of_the_history() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.external_workflow("other").signal(READY, 1).await?;
        Ok(())
    });
    rig.start(());
    let mut answer = arrived(&rig, 1);
    if let EventAttributes::ExternalWorkflowExecutionSignaled(end) = &mut answer[0] {
        end.initiated_event_id = EventId::new(1);
    }
    let event = entracte_model::Event {
        id: rig.state.next_event_id,
        time: rig.state.last_time,
        attributes: answer.remove(0),
    };
    let error = rig.state.apply(&event).unwrap_err();
    assert!(matches!(error, HistoryError::UnknownSentSignal { .. }), "{error:?}");
}
