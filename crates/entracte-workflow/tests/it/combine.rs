//! `select!`, `join!`, `join_all` and `try_join_all`.

use std::time::Duration;

use entracte_model::Failure;
use entracte_workflow::{WorkflowContext, WorkflowResult, join, join_all, select, try_join_all};

use crate::rig::*;

#[test]
fn tim_7_of_several_that_are_ready_the_first_written_wins() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut won = String::new();
        for _ in 0..8 {
            select! {
                () = std::future::pending() => won.push('0'),
                () = ctx.sleep(Duration::ZERO) => won.push('1'),
                () = ctx.sleep(Duration::ZERO) => won.push('2'),
            }
        }
        Ok(won)
    });
    assert_eq!(rig.start(()), ["complete 11111111"]);
}

#[test]
fn branches_start_in_order_and_losers_are_dropped_before_the_body() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        select! {
            charged = ctx.activity(CHARGE, 1) => charged,
            shipped = ctx.activity(SHIP, 2) => {
                let shipped = shipped?;
                assert_eq!(ctx.activity(CHARGE, 3).await?, 30);
                Ok(shipped)
            }
            () = ctx.sleep(SECOND) => Ok(0),
        }
    });
    assert_eq!(rig.start(()), ["schedule 1 charge", "schedule 2 ship", "start timer 3 1s"]);
    assert_eq!(
        rig.complete(2, 20),
        ["schedule 4 charge", "cancel activity of event 2", "cancel timer 3"]
    );
    assert_eq!(rig.complete(4, 30), ["complete 20"]);
}

#[test]
fn bodies_are_code_of_the_function_around() {
    async fn workflow(ctx: WorkflowContext, which: u64) -> WorkflowResult<u64> {
        let mut rounds = 0;
        loop {
            rounds += 1;
            select! {
                (left, right) = async { (ctx.sleep(Duration::ZERO).await, which) } => {
                    let () = left;
                    match right {
                        1 => return Ok(100),
                        2 => Err(Failure::application("", "question mark"))?,
                        3 => break,
                        _ if rounds < 3 => continue,
                        _ => ctx.sleep(SECOND).await,
                    }
                }
                never = std::future::pending::<u64>() => return Ok(never)
            }
        }
        Ok(rounds)
    }
    for (which, end) in [(1, "complete 100"), (2, "fail: question mark"), (3, "complete 1")] {
        assert_eq!(Rig::new(workflow).start(which), [end]);
    }
    assert_eq!(Rig::new(workflow).start(4), ["start timer 1 1s"]);
}

#[test]
fn eight_branches_of_eight_types_and_one_of_one() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let text = select! {
            _ = std::future::pending::<u8>() => "u8",
            _ = std::future::pending::<u16>() => "u16",
            _ = std::future::pending::<u32>() => { "u32" }
            _ = std::future::pending::<u64>() => { "u64" },
            _ = std::future::pending::<i8>() => "i8",
            _ = std::future::pending::<i16>() => "i16",
            _ = std::future::pending::<i32>() => "i32",
            () = ctx.sleep(Duration::ZERO) => { "sleep" }
        };
        select! { () = ctx.sleep(Duration::ZERO) => Ok(text.to_owned()) }
    });
    assert_eq!(rig.start(()), ["complete sleep"]);
}

#[test]
fn select_borrows_what_goes_on_in_another_round() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let mut charge = ctx.activity(CHARGE, cents).start();
        let mut naps = 0;
        loop {
            select! {
                charged = &mut charge => return Ok(charged? + naps),
                () = ctx.sleep(SECOND) => naps += 1,
            }
        }
    });
    assert_eq!(rig.start(5), ["schedule 1 charge", "start timer 2 1s"]);
    assert_eq!(rig.fire(2), ["start timer 3 1s"]);
    assert_eq!(rig.complete(1, 50), ["cancel timer 3", "complete 51"]);
}

#[test]
fn join_starts_in_order_and_waits_for_all() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let (charged, (), shipped) =
            join!(ctx.activity(CHARGE, cents), ctx.sleep(SECOND), ctx.activity(SHIP, cents),);
        Ok(charged? * 1000 + shipped?)
    });
    assert_eq!(rig.start(5), ["schedule 1 charge", "start timer 2 1s", "schedule 3 ship"]);
    assert!(rig.complete(3, 3).is_empty());
    assert!(rig.complete(1, 1).is_empty());
    assert_eq!(rig.fire(2), ["complete 1003"]);
}

#[test]
fn join_all_gives_outputs_in_the_order_of_its_list() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, count: u64| {
        let calls = (0..count).map(|number| ctx.activity(CHARGE, number));
        let outputs: Result<Vec<u64>, Failure> = join_all(calls).await.into_iter().collect();
        Ok(outputs?.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
    });
    assert_eq!(rig.start(40_u64).len(), 40);
    let mut last = Vec::new();
    for seq in (1..=40).rev() {
        assert!(last.is_empty());
        last = rig.complete(seq, u64::from(seq));
    }
    let expected: Vec<_> = (1..=40).map(|number| number.to_string()).collect();
    assert_eq!(last, [format!("complete {}", expected.join(" "))]);
}

#[test]
fn join_all_of_nothing_is_done_at_once() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        assert!(join_all(Vec::<entracte_workflow::Sleep>::new()).await.is_empty());
        let none = try_join_all((0..0).map(|number| ctx.activity(CHARGE, number))).await?;
        Ok(none.len() as u64)
    });
    assert_eq!(rig.start(()), ["complete 0"]);
}

#[test]
fn try_join_all_stops_at_the_first_failure_and_cancels_the_rest() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let calls = (0..4).map(|number| ctx.activity(CHARGE, number));
        let failure = try_join_all(calls).await.unwrap_err();
        ctx.sleep(SECOND).await;
        Err::<(), _>(failure)
    });
    rig.start(());
    assert!(rig.complete(2, 5).is_empty());
    // What was started goes to the journal in order, then the cancellations by their numbers.
    assert_eq!(
        rig.fail(3, declined()),
        ["start timer 5 1s", "cancel activity of event 2", "cancel activity of event 5"]
    );
    assert_eq!(rig.fire(5), ["fail: card declined"]);
}

#[test]
fn try_join_all_gives_all_outputs() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let outputs = try_join_all((0..2).map(|number| ctx.activity(CHARGE, number))).await?;
        Ok(outputs[0] * 10 + outputs[1])
    });
    rig.start(());
    rig.complete(2, 2);
    assert_eq!(rig.complete(1, 1), ["complete 12"]);
}

#[test]
fn cancellations_come_in_the_order_of_numbers_whatever_the_order_of_drops() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let first = ctx.activity(CHARGE, 1).start();
        let second = ctx.sleep(SECOND);
        let third = ctx.activity(SHIP, 3).start();
        ctx.sleep(SECOND).await;
        drop(third);
        drop(first);
        drop(second);
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(());
    assert_eq!(
        rig.fire(4),
        [
            "start timer 5 1s",
            "cancel activity of event 2",
            "cancel timer 2",
            "cancel activity of event 4"
        ]
    );
}

#[test]
fn acx_2_an_activity_dropped_in_its_own_turn_leaves_no_event() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        drop(ctx.activity(CHARGE, cents).start());
        ctx.activity(SHIP, cents).await
    });
    assert_eq!(rig.start(1), ["schedule 2 ship"]);
}

#[test]
fn what_is_pending_at_the_end_is_cancelled_before_the_terminal_command() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let _charge = ctx.activity(CHARGE, cents).start();
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(1);
    assert_eq!(rig.fire(2), ["cancel activity of event 2", "complete ()"]);
}
