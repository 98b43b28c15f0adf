//! Signals: events in, exact commands out.

use entracte_model::{EventAttributes, EventId, EventType, Failure};
use entracte_workflow::{
    HistoryError, ReplayError, Signal, TurnFailure, WorkflowContext, join, replay, select,
};

use crate::rig::*;

const ADD: Signal<u64> = Signal::new("add");
const STOP: Signal<String> = Signal::new("stop");

fn types(rig: &Rig) -> Vec<EventType> {
    rig.events.iter().map(|event| event.attributes.event_type()).collect()
}

/// Adds what it receives until it is told to stop; charges for each.
async fn sum(ctx: WorkflowContext, (): ()) -> Result<u64, Failure> {
    let (mut numbers, mut stops) = (ctx.signals(ADD), ctx.signals(STOP));
    let mut sum = 0;
    loop {
        select! {
            number = numbers.recv() => sum += ctx.activity(CHARGE, number).await?,
            _ = stops.recv() => return Ok(sum),
        }
    }
}

#[test]
fn sig_1_signals_are_kept_from_the_first_event_on_before_anything_asks_for_them() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(SECOND).await;
        let mut numbers = ctx.signals(ADD);
        let (first, second) = (numbers.recv().await, numbers.recv().await);
        Ok(first * 10 + second)
    });
    rig.start(());
    assert!(rig.signal("add", 4).is_empty());
    assert!(rig.signal("add", 2).is_empty());
    assert_eq!(rig.fire(1), ["complete 42"]);
}

#[test]
fn sig_1_a_name_that_nothing_asks_for_is_kept_and_counted() {
    let mut rig = Rig::new(sum);
    rig.start(());
    assert!(rig.signal("unheard-of", 1).is_empty());
    assert!(rig.signal("unheard-of", 2).is_empty());
    let unread = rig.machine.unread_signals();
    assert_eq!((unread.len(), unread[0].count), (1, 2));
    assert_eq!(&*unread[0].signal_name, "unheard-of");
    assert_eq!(rig.signal("stop", "now"), ["complete 0"]);
    // Also when the run has returned.
    assert_eq!(rig.machine.unread_signals(), unread);
}

#[test]
fn sig_2_each_name_is_read_in_the_order_of_the_history() {
    let mut rig = Rig::new(sum);
    rig.start(());
    assert_eq!(rig.signal("add", 7), ["schedule 1 charge"]);
    assert!(rig.signal("add", 8).is_empty());
    assert!(rig.signal("stop", "now").is_empty());
    assert!(rig.signal("add", 9).is_empty());
    // The branch that stands first wins, as in any select.
    assert_eq!(rig.complete(1, 70), ["schedule 2 charge"]);
    assert_eq!(rig.complete(2, 80), ["schedule 3 charge"]);
    assert_eq!(rig.complete(3, 90), ["complete 240"]);
}

#[test]
fn sig_2_receivers_of_one_name_share_one_queue() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let (mut first, mut second) = (ctx.signals(ADD), ctx.signals(ADD));
        let (first, second) = join!(first.recv(), second.recv());
        Ok(first * 10 + second)
    });
    rig.start(());
    assert_eq!(rig.machine.awaited_signals().len(), 2);
    assert!(rig.signal("add", 4).is_empty());
    assert_eq!(rig.signal("add", 2), ["complete 42"]);
}

#[test]
fn a_receiver_that_is_dropped_while_it_waits_loses_nothing() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut numbers = ctx.signals(ADD);
        select! {
            number = numbers.recv() => return Ok(number),
            () = ctx.sleep(SECOND) => {}
        }
        drop(numbers);
        ctx.sleep(SECOND).await;
        Ok(ctx.signals(ADD).recv().await + 1)
    });
    rig.start(());
    assert_eq!(rig.fire(1), ["start timer 2 1s"]);
    assert!(rig.machine.awaited_signals().is_empty());
    assert!(rig.signal("add", 41).is_empty());
    assert_eq!(rig.fire(2), ["complete 42"]);
}

#[test]
fn try_recv_takes_what_is_there_and_does_not_wait() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut numbers = ctx.signals(ADD);
        assert_eq!(numbers.try_recv(), None);
        ctx.sleep(SECOND).await;
        Ok(std::iter::from_fn(|| numbers.try_recv()).sum::<u64>())
    });
    rig.start(());
    rig.signal("add", 40);
    rig.signal("add", 2);
    assert_eq!(rig.fire(1), ["complete 42"]);
}

#[test]
fn a_run_that_waits_for_a_signal_alone_waits_for_something_and_says_where() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| Ok(ctx.signals(ADD).recv().await));
    assert!(rig.start(()).is_empty());
    let awaited = rig.machine.awaited_signals();
    assert_eq!((awaited.len(), &*awaited[0].signal_name), (1, "add"));
    assert!(awaited[0].source.as_str().contains("signals.rs:"), "{awaited:?}");
    assert_eq!(rig.signal("add", 5), ["complete 5"]);
}

#[test]
fn a_signal_of_the_wrong_type_fails_the_turn_and_is_named() {
    let wrong = |receive: fn(&WorkflowContext) -> Option<u64>| {
        let mut rig = Rig::new(move |ctx: WorkflowContext, ()| async move {
            ctx.sleep(SECOND).await;
            if let Some(number) = receive(&ctx) {
                return Ok(number);
            }
            Ok(ctx.signals(ADD).recv().await)
        });
        rig.start(());
        rig.signal("add", "seven");
        let failure = rig.try_turn(rig.fired(1)).unwrap_err();
        let TurnFailure::SignalUndecodable { signal_name, event_id, .. } = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!((signal_name.as_str(), event_id.get()), ("add", 3));
        let text = failure.to_string();
        for part in ["signal `add` of event 3", "u64", "it is kept", "recv_checked"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        assert!(matches!(rig.try_turn(rig.fired(1)), Err(TurnFailure::Dead(_))));
    };
    wrong(|_| None);
    // What the code makes of it does not matter.
    wrong(|ctx| Some(ctx.signals(ADD).try_recv().unwrap_or(7)));
}

#[test]
fn recv_checked_takes_a_signal_of_the_wrong_type_and_says_what_is_wrong() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut numbers = ctx.signals(ADD);
        let error = numbers.recv_checked().await.unwrap_err();
        let number = numbers.recv_checked().await.unwrap();
        Ok(format!("{number}, after {error}"))
    });
    rig.start(());
    rig.signal("add", "seven");
    let [completed] = rig.signal("add", 7).try_into().unwrap();
    assert!(completed.starts_with("complete 7, after a payload of 6 bytes is not a `u64`"));
}

#[test]
fn can_3_recv_or_cancelled_ends_when_the_run_is_asked_to_cancel() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let mut numbers = ctx.signals(ADD);
        let first = numbers.recv_or_cancelled().await?;
        let error = numbers.recv_or_cancelled().await.unwrap_err();
        // What is there can still be read, and a shield keeps the wait.
        let more: u64 = std::iter::from_fn(|| numbers.try_recv()).sum();
        let last = ctx.shield(numbers.recv_or_cancelled()).await?;
        assert_eq!(numbers.recv_or_cancelled().await, Err(Failure::canceled()));
        Err::<(), _>(error.context(format!("{first} {more} {last}")))
    });
    rig.start(());
    assert!(rig.signal("add", 1).is_empty());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.signal("add", 2), ["cancelled: 1 0 2: canceled"]);
}

#[test]
fn a_wait_for_a_signal_is_not_ended_by_a_cancellation() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        let number = ctx.signals(ADD).recv().await;
        assert!(ctx.is_cancelled());
        Ok(number)
    });
    rig.start(());
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.signal("add", 3), ["complete 3"]);
}

#[test]
fn signals_taken_up_together_are_all_there_when_the_first_is_read() {
    let workflow = async |ctx: WorkflowContext, ()| {
        let mut numbers = ctx.signals(ADD);
        let mut sum = numbers.recv().await;
        while let Some(number) = numbers.try_recv() {
            sum += number;
        }
        Ok(sum)
    };
    let mut rig = Rig::new(workflow);
    rig.start(());
    let together = vec![
        signaled("add", 1),
        with_previous(signaled("add", 2)),
        with_previous(signaled("add", 3)),
    ];
    assert_eq!(rig.turn(together), ["complete 6"]);
    assert_eq!(replay(rig.workflow, run_id(), &rig.events).unwrap().state, rig.state);

    // One after the other, the first one ends the run.
    let mut alone = Rig::new(workflow);
    alone.start(());
    assert_eq!(alone.signal("add", 1), ["complete 1"]);

    // With the start, they are there at the first poll.
    let mut at_once = Rig::new(workflow);
    let together =
        vec![started(&()), with_previous(signaled("add", 1)), with_previous(signaled("add", 2))];
    assert_eq!(at_once.turn(together), ["complete 3"]);
    let signaled = EventType::WorkflowExecutionSignaled;
    assert_eq!(types(&at_once)[1..3], [signaled, signaled]);
    assert_eq!(replay(at_once.workflow, run_id(), &at_once.events).unwrap().state, at_once.state);
}

#[test]
fn sig_3_a_history_with_a_request_twice_is_refused() {
    let mut rig = Rig::new(sum);
    rig.start(());
    rig.signal("unheard-of", 1);
    let mut again = rig.events[1].clone();
    again.id = EventId::new(3);
    let error = rig.state.clone().apply(&again).unwrap_err();
    assert_eq!(error.to_string(), "event 3 is a second signal of the request `unheard-of-1`");
    assert_eq!(rig.state.signals.len(), 1);
}

#[test]
fn a_history_with_a_signal_joined_to_anything_else_is_refused() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(());
    let mut joined = rig.events[1].clone();
    (joined.id, joined.attributes) = (EventId::new(3), with_previous(signaled("add", 1)));
    rig.events.push(joined);
    let error = replay(rig.workflow, run_id(), &rig.events).unwrap_err();
    let expected = HistoryError::JoinedSignal { event_id: EventId::new(3) };
    assert_eq!(error, ReplayError::History(expected));
}

#[test]
fn names_that_cannot_be_fail_the_turn() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        Ok(ctx.signals(Signal::<u64>::new("")).recv().await)
    });
    let failure = rig.try_turn(vec![started(&())]).unwrap_err();
    assert!(matches!(failure, TurnFailure::InvalidName { what: "signal", .. }), "{failure:?}");
}

#[test]
fn a_signal_after_the_end_is_an_error_of_the_history() {
    let mut rig = Rig::new(sum);
    rig.start(());
    rig.signal("stop", "now");
    assert!(rig.state.closed.is_some());
    let mut late = rig.events[1].clone();
    (late.id, late.attributes) = (rig.state.next_event_id, signaled("add", 1));
    assert!(matches!(rig.state.apply(&late), Err(HistoryError::AfterClose { .. })));
    let EventAttributes::WorkflowExecutionSignaled(late) = late.attributes else { panic!() };
    assert!(!rig.state.signals.contains(&late.request_id));
}
