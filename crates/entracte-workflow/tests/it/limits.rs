//! How many operations may be pending (rules LIM-6 and CHD-18), and how long a history is (LIM-3).

use entracte_model::event::*;
use entracte_model::{EventAttributes, Failure, PendingLimits, Seq};
use entracte_workflow::{Signal, Workflow, WorkflowContext, WorkflowResult, join, join_all};

use crate::rig::*;

const PACK: Workflow<u64, u64> = Workflow::new("pack");
const ITEM: Signal<u64> = Signal::new("item");

/// Asks for so many operations of a kind at once, and tells how the last of them was refused.
async fn many(ctx: WorkflowContext, (kind, count): (String, u64)) -> WorkflowResult<String> {
    let one = async |number: u64| {
        let other = ctx.external_workflow(format!("other-{number}"));
        match kind.as_str() {
            "activity" => ctx.activity(CHARGE, number).await.map(drop),
            "child" => ctx.child(PACK, number).await.map(drop),
            "signal" => other.signal(ITEM, number).await,
            _ => other.cancel("enough").await,
        }
    };
    let mut refused = None;
    let last = async {
        refused = Some(one(count).await.unwrap_err());
    };
    // The others stay pending.
    let others = join_all((1..count).map(&one));
    let (_, ()) = join!(async { std::mem::forget(others_polled(others).await) }, last);
    let refused: Failure = refused.unwrap_or_else(Failure::canceled);
    assert!(!refused.is_retryable(&[]));
    Ok(format!("{}: {refused}", refused.application_type().unwrap_or_default()))
}

/// Polls once, so that everything is asked for.
async fn others_polled<F: Future + Unpin>(mut others: F) -> F {
    std::future::poll_fn(|cx| {
        let _ = std::pin::Pin::new(&mut others).poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    others
}

#[test]
fn lim_6_and_chd_18_the_default_limits_refuse_the_2001st_with_a_typed_error_at_the_call() {
    for (kind, failure) in [
        (
            "activity",
            "PendingActivitiesLimitExceeded: the number of pending activities, 2000, has reached \
             the per-workflow limit of 2000",
        ),
        (
            "child",
            "PendingChildWorkflowsLimitExceeded: the number of pending child workflow \
             executions, 2000, has reached the per-workflow limit of 2000",
        ),
        (
            "signal",
            "PendingSignalsLimitExceeded: the number of pending signals to external workflows, \
             2000, has reached the per-workflow limit of 2000",
        ),
        (
            "cancel",
            "PendingRequestCancelLimitExceeded: the number of pending requests to cancel \
             external workflows, 2000, has reached the per-workflow limit of 2000",
        ),
    ] {
        let mut rig = Rig::new(many);
        let commands = rig.start((kind, 2_001_u64));
        assert_eq!(commands.len(), 2_001, "{kind}");
        assert_eq!(commands[2_000], format!("complete {failure}"));
    }
}

#[test]
fn lim_6_a_run_from_before_there_were_limits_has_none() {
    let EventAttributes::WorkflowExecutionStarted(mut start) = started(&("activity", 2_001)) else {
        panic!("a start")
    };
    start.format_version = 1;
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: (String, u64)| {
        let all = (1..=2_001_u64).map(|number| ctx.activity(CHARGE, number).into_future());
        join_all(all).await;
        Ok(())
    });
    // It is replayed before its next turn.
    assert_eq!(rig.turn(vec![EventAttributes::WorkflowExecutionStarted(start)]).len(), 2_001);
    assert!(rig.complete(1, 0).is_empty());
}

#[test]
fn lim_6_the_limits_of_a_run_are_those_of_its_start_also_on_replay() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut texts = Vec::new();
        let first = ctx.activity(CHARGE, 1).start();
        let second = ctx.activity(CHARGE, 2).start();
        texts.push(ctx.activity(CHARGE, 3).await.unwrap_err().to_string());
        first.await?;
        // One has ended, so that one may be asked for again.
        let third = ctx.activity(CHARGE, 3).start();
        texts.push(ctx.activity(CHARGE, 4).await.unwrap_err().to_string());
        // What vanishes in its own turn does not count.
        drop(third);
        let third = ctx.activity(CHARGE, 5).start();
        second.await?;
        third.await?;
        assert_eq!(texts[0], texts[1]);
        Ok(texts.remove(0))
    });
    let limits = PendingLimits { activities: 2, ..PendingLimits::default() };
    // The rig replays before every turn, which knows the limits from the first event alone.
    let commands = rig.turn(vec![limited(started(&()), limits)]);
    assert_eq!(commands, ["schedule 1 charge", "schedule 2 charge"]);
    assert_eq!(rig.complete(1, 0), ["schedule 4 charge"]);
    assert!(rig.complete(2, 0).is_empty());
    let end =
        "complete the number of pending activities, 2, has reached the per-workflow limit of 2";
    assert_eq!(rig.complete(4, 0), [end]);
}

#[test]
fn lim_6_what_a_workflow_does_not_wait_for_any_more_counts_until_it_has_ended() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let dropped = ctx.activity(CHARGE, 1).start();
        ctx.sleep(SECOND).await;
        drop(dropped);
        assert!(ctx.activity(CHARGE, 2).await.unwrap_err().application_type().is_some());
        ctx.sleep(SECOND).await;
        ctx.activity(CHARGE, 3).await
    });
    let limits = PendingLimits { activities: 1, ..PendingLimits::default() };
    rig.turn(vec![limited(started(&()), limits)]);
    assert_eq!(rig.fire(2), ["start timer 3 1s", "cancel activity of event 2"]);
    assert!(rig.activity_cancelled(1).is_empty());
    assert_eq!(rig.fire(3), ["schedule 4 charge"]);
}

#[test]
fn lim_6_an_answered_request_makes_room_in_the_turn_of_its_answer() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.external_workflow("first").cancel("enough").await?;
        ctx.external_workflow("second").cancel("enough").await
    });
    let limits = PendingLimits { external_cancels: 1, ..PendingLimits::default() };
    rig.turn(vec![limited(started(&()), limits)]);
    let initiated_event_id = *rig.state.sent_cancels.keys().next().unwrap();
    let seq = Seq::new(1);
    let known = ExternalWorkflowExecutionCancelRequested { seq, initiated_event_id };
    let known = EventAttributes::ExternalWorkflowExecutionCancelRequested(known);
    assert_eq!(rig.turn(vec![known]), ["cancel 2 second"]);
}

#[test]
fn lim_3_a_long_history_suggests_a_new_run() {
    async fn counts(ctx: WorkflowContext, (): ()) -> WorkflowResult<String> {
        let mut items = ctx.signals::<(u64, String)>(Signal::new("item"));
        let mut before = ctx.history_size();
        while !ctx.continue_as_new_suggested() {
            items.recv().await;
            assert!(ctx.history_size() > before);
            before = ctx.history_size();
        }
        Ok(format!("{} events, {} MiB", ctx.history_length(), ctx.history_size() >> 20))
    }
    let end = |text: &str| {
        let mut rig = Rig::new(counts);
        rig.start(());
        let text = text.to_owned();
        let signals = (0..5_000_u64).map(|number| signaled("item", (number, text.clone())));
        rig.turn(signals.collect());
        let end = brief(&rig.events.last().unwrap().attributes);
        entracte_workflow::replay(rig.workflow, run_id(), &rig.events).unwrap();
        assert!(rig.state.history_size > 0);
        end
    };
    assert_eq!(end(""), "complete 4096 events, 0 MiB");
    let end = end(&"x".repeat(4_096));
    assert!(end.starts_with("complete 99") && end.ends_with(" events, 4 MiB"), "{end}");
}
