//! Many operations in one run: at most so many at a time, in order, and linear in their number.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use entracte_model::event::*;
use entracte_model::{EventAttributes, EventId, Failure, Payload, PendingLimits, Seq, Timestamp};
use entracte_workflow::{
    HistoryState, Machine, WorkflowContext, WorkflowResult, for_each_concurrent, join_all,
    map_concurrent, replay, try_for_each_concurrent, try_map_concurrent, turn,
};

use crate::rig::*;

#[test]
fn inputs_are_taken_in_order_and_no_more_run_than_allowed() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, limit: usize| {
        for_each_concurrent(0..5_u64, limit, async |number| {
            let charged = ctx.activity(CHARGE, number).await;
            if charged.is_err() {
                let _ = ctx.activity(REFUND, number).await;
            }
        })
        .await;
        Ok(())
    });
    assert_eq!(rig.start(2), ["schedule 1 charge", "schedule 2 charge"]);
    assert_eq!(rig.complete(2, 0), ["schedule 3 charge"]);
    // What follows within an input is its own affair.
    assert_eq!(rig.fail(1, declined()), ["schedule 4 refund"]);
    assert_eq!(rig.complete(3, 0), ["schedule 5 charge"]);
    assert_eq!(rig.complete(4, ""), ["schedule 6 charge"]);
    assert!(rig.complete(6, 0).is_empty());
    assert_eq!(rig.complete(5, 0), ["complete ()"]);
}

#[test]
fn a_limit_of_zero_counts_as_one_and_no_inputs_are_over_at_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, count: u64| {
        let sum = map_concurrent(0..count, 0, |number| ctx.activity(CHARGE, number)).await;
        sum.into_iter().sum::<WorkflowResult<u64>>()
    });
    assert_eq!(rig.start(2), ["schedule 1 charge"]);
    assert_eq!(rig.complete(1, 1), ["schedule 2 charge"]);
    assert_eq!(rig.complete(2, 10), ["complete 11"]);
    let mut rig = Rig::new(async |ctx: WorkflowContext, count: u64| {
        let none = map_concurrent(0..count, 3, |number| ctx.activity(CHARGE, number)).await;
        Ok(none.len() as u64)
    });
    assert_eq!(rig.start(0), ["complete 0"]);
}

#[test]
fn outputs_come_in_the_order_of_the_inputs() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let charged = try_map_concurrent(1..=4_u64, 3, |number| ctx.activity(CHARGE, number));
        Ok(format!("{:?}", charged.await?))
    });
    rig.start(());
    assert_eq!(rig.complete(3, 30), ["schedule 4 charge"]);
    assert!(rig.complete(4, 40).is_empty());
    assert!(rig.complete(1, 10).is_empty());
    assert_eq!(rig.complete(2, 20), ["complete [10, 20, 30, 40]"]);
}

#[test]
fn the_first_failure_drops_the_others_and_starts_no_more() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let all = try_for_each_concurrent(1..=9_u64, 3, async |number| {
            ctx.activity(CHARGE, number).await.map(drop)
        });
        all.await
    });
    rig.start(());
    assert_eq!(
        rig.fail(2, declined()),
        ["cancel activity of event 2", "cancel activity of event 4", "fail: card declined"]
    );
}

#[test]
fn can_2_a_cancelled_run_ends_what_runs_and_every_further_input_at_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let all = map_concurrent(0..10_000_u64, 2, |number| ctx.activity(CHARGE, number)).await;
        Ok(all.iter().filter(|one| one.as_ref().is_err_and(Failure::is_canceled)).count() as u64)
    });
    rig.start(());
    assert_eq!(
        rig.cancel(),
        ["cancel activity of event 2", "cancel activity of event 3", "complete 10000"]
    );
}

#[test]
fn can_3_what_is_moved_into_a_shield_is_shielded() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut all = Box::pin(map_concurrent(0..4_u64, 2, |number| ctx.activity(CHARGE, number)));
        entracte_workflow::select! {
            _ = &mut all => Ok(0),
            () = ctx.sleep(SECOND) => {
                Ok(ctx.shield(all).await.iter().filter(|one| one.is_ok()).count() as u64)
            }
        }
    });
    rig.start(());
    assert!(rig.fire(1).is_empty());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.complete(2, 1), ["schedule 4 charge"]);
    assert_eq!(rig.complete(3, 1), ["schedule 5 charge"]);
    assert!(rig.complete(4, 1).is_empty());
    assert_eq!(rig.complete(5, 1), ["complete 4"]);
}

/// Counts how often it is polled.
struct Counted<F>(Pin<Box<F>>, Arc<AtomicU64>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(cx)
    }
}

/// Charges so many times, all at once or so many at a time; counts the polls.
async fn charges(
    ctx: WorkflowContext,
    plan: (u64, usize),
    polls: Arc<AtomicU64>,
) -> WorkflowResult<u64> {
    let (count, limit) = plan;
    let charge =
        |number| Counted(Box::pin(ctx.activity(CHARGE, number).start()), Arc::clone(&polls));
    let charged = match limit {
        0 => join_all((0..count).map(charge)).await,
        limit => map_concurrent(0..count, limit, charge).await,
    };
    charged.into_iter().sum()
}

/// Completes all that is pending, oldest or newest first, until the run is over; gives how many
/// turns that took.
fn play(
    machine: &mut Machine,
    plan: (u64, usize),
    newest_first: bool,
) -> (u64, Vec<entracte_model::Event>) {
    let (mut state, mut events, mut turns) = (HistoryState::new(), Vec::new(), 0);
    let limits = PendingLimits { activities: u32::MAX, ..PendingLimits::default() };
    let mut external = vec![limited(started(&plan), limits)];
    loop {
        let produced = turn(machine, &state, run_id(), Timestamp::EPOCH, external).unwrap();
        turns += 1;
        for event in &produced {
            state.apply(event).unwrap();
        }
        events.extend(produced);
        if state.closed.is_some() {
            return (turns, events);
        }
        let (seq, activity) = match newest_first {
            true => state.activities.last_key_value().unwrap(),
            false => state.activities.first_key_value().unwrap(),
        };
        external = completed(*seq, activity.scheduled_event_id, state.next_event_id);
    }
}

fn completed(
    seq: Seq,
    scheduled_event_id: EventId,
    started_event_id: EventId,
) -> Vec<EventAttributes> {
    let started_time = Timestamp::EPOCH;
    let start =
        ActivityTaskStarted { scheduled_event_id, attempt: 1, started_time, last_failure: None };
    let result = Payload::encode(&u64::from(seq.get())).unwrap();
    let end = ActivityTaskCompleted { scheduled_event_id, started_event_id, result };
    vec![EventAttributes::ActivityTaskStarted(start), EventAttributes::ActivityTaskCompleted(end)]
}

#[test]
fn ten_thousand_operations_take_one_turn_and_two_polls_each() {
    const COUNT: u64 = 10_000;
    for (limit, newest_first) in [(0, false), (0, true), (20, false), (20, true), (5_000, true)] {
        let polls = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&polls);
        let workflow = erase(move |ctx: WorkflowContext, plan: (u64, usize)| {
            charges(ctx, plan, Arc::clone(&counts))
        });
        let mut machine = Machine::new(Arc::clone(&workflow));
        let (turns, events) = play(&mut machine, (COUNT, limit), newest_first);
        assert_eq!(turns, COUNT + 1);
        // One poll finds an activity pending, and one finds its end.
        assert_eq!(polls.load(Ordering::Relaxed), 2 * COUNT, "limit {limit}");
        replay(workflow, run_id(), &events).unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 4 * COUNT, "limit {limit}");
    }
}
