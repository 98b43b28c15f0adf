//! Durable timers.

use std::time::Duration;

use entracte_model::{EventAttributes, Timestamp};
use entracte_workflow::{WorkflowContext, select};

use crate::rig::*;

#[test]
fn tim_1_a_timer_is_durable_and_as_long_as_it_likes() {
    const YEARS: Duration = Duration::from_secs(100 * 365 * 86_400);
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(YEARS).await;
        Ok(())
    });
    assert_eq!(rig.start(()), ["start timer 1 3153600000s"]);
    let timer = rig.state.timers.values().next().unwrap();
    assert_eq!(timer.due, timer.started_time.saturating_add(YEARS));
    assert_eq!(rig.fire(1), ["complete ()"]);
}

#[test]
fn tim_2_a_zero_timer_is_over_at_once_without_an_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(Duration::ZERO).await;
        ctx.sleep_or_cancelled(Duration::ZERO).await?;
        ctx.sleep(SECOND).await;
        Ok(())
    });
    assert_eq!(rig.start(()), ["start timer 1 1s"]);
}

#[test]
fn tim_3_a_timer_dropped_later_is_cancelled() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        select! {
            charged = ctx.activity(CHARGE, cents) => charged,
            () = ctx.sleep(SECOND) => Ok(0),
        }
    });
    assert_eq!(rig.start(5), ["schedule 1 charge", "start timer 2 1s"]);
    assert_eq!(rig.complete(1, 5), ["cancel timer 2", "complete 5"]);
    assert!(rig.state.timers.is_empty());
}

#[test]
fn tim_3_a_timer_dropped_in_its_own_turn_leaves_no_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        drop(ctx.sleep(SECOND));
        select! {
            () = ctx.sleep(Duration::ZERO) => {}
            () = ctx.sleep(SECOND) => {}
        }
        ctx.sleep(2 * SECOND).await;
        Ok(())
    });
    // The numbers of what vanished are not given again.
    assert_eq!(rig.start(()), ["start timer 3 2s"]);
    assert_eq!(rig.fire(3), ["complete ()"]);
}

#[test]
fn tim_5_what_fires_first_in_the_journal_wins() {
    let race = async |ctx: WorkflowContext, ()| {
        select! {
            () = ctx.sleep(SECOND) => Ok(1_u64),
            () = ctx.sleep(SECOND) => Ok(2),
        }
    };
    let mut rig = Rig::new(race);
    rig.start(());
    assert_eq!(rig.fire(2), ["cancel timer 1", "complete 2"]);
    // Also when both come in one call: each event has a turn of its own.
    let mut rig = Rig::new(race);
    rig.start(());
    let both = [rig.fired(2), rig.fired(1)].concat();
    rig.now = rig.now.saturating_add(SECOND);
    let produced =
        entracte_workflow::turn(&mut rig.machine, &rig.state, run_id(), rig.now, both).unwrap();
    let [fired, cancelled, completed] = &produced[..] else { panic!("{produced:?}") };
    assert!(matches!(fired.attributes, EventAttributes::TimerFired(_)));
    assert_eq!(brief(&cancelled.attributes), "cancel timer 1");
    assert_eq!(brief(&completed.attributes), "complete 2");
}

#[test]
fn tim_9_now_is_the_time_of_the_event_and_stays_within_a_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let begin = ctx.now();
        ctx.sleep(Duration::ZERO).await;
        assert_eq!(begin, ctx.now());
        ctx.sleep(SECOND).await;
        Ok(ctx.now().saturating_since(begin).as_secs())
    });
    rig.start(());
    rig.now = rig.now.saturating_add(9 * SECOND);
    assert_eq!(rig.fire(1), ["complete 10"]);
}

#[test]
fn time_does_not_go_back_when_the_clock_does() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(());
    let before = rig.state.last_time;
    rig.now = Timestamp::EPOCH;
    rig.fire(1);
    assert_eq!(rig.state.last_time, before);
}
