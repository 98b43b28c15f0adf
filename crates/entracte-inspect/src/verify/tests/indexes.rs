//! What is to be done for runs, and the clock.

use entracte_model::event::{
    LocalActivityMarker, LocalActivityOutcome, Marker, MarkerRecorded,
    SignalExternalWorkflowExecutionInitiated,
};
use entracte_model::{
    Event, EventAttributes, EventId, Headers, RunId, Seq, SourceLocation, WorkflowId,
};
use entracte_store::keys::{
    CLOCK_KEY, DueKey, DueKind, HistoryKey, InboxKey, Key, LocalActivityKey, PendingActivityKey,
};
use entracte_store::rows::{
    ActivityPause, ActivityReset, InboxMessage, InboxRow, LocalActivityRow, PendingActivityRow,
};
use entracte_store::{Batch, Space};

use super::*;

const UNKNOWN: RunId = RunId::from_bytes([0x33; 16]);

fn due(run_id: RunId, kind: DueKind, seq: u32, due: u64) -> DueKey {
    DueKey { due: time(due), run_id, kind, seq: Seq::new(seq) }
}

fn pending(run_id: RunId, seq: u32) -> PendingActivityKey {
    PendingActivityKey { run_id, seq: Seq::new(seq) }
}

fn pending_row(scheduled_event_id: u64) -> PendingActivityRow {
    PendingActivityRow {
        admitted_at: Some(time(70)),
        ..PendingActivityRow::new(EventId::new(scheduled_event_id), time(70))
    }
}

#[tokio::test]
async fn rows_that_are_left_over_from_closed_and_unknown_runs_are_told() {
    let cancel = InboxMessage::CancelRequested { reason: "late".to_owned(), request_id: None };
    let row = InboxRow { sender: None, received_at: time(70), message: cancel };
    for (run_id, known) in [(CLOSED, "completed"), (UNKNOWN, "unknown")] {
        let found = problems(|batch| {
            batch.put_inbox(InboxKey { run_id, sequence: 3 }, &row);
            batch.put_pending(pending(run_id, 1), &pending_row(2));
            batch.put_due(due(run_id, DueKind::Timer, 2, 80));
            batch.put_due(due(run_id, DueKind::ActivityRetry, 1, 81));
        })
        .await;
        let left = |row| format!("{row} is left over from run {run_id}, which is {known}");
        assert_eq!(
            found,
            [
                left("row 3 of the inbox"),
                left("the row of pending activity 1"),
                left("the row of timer 2, due at 1970-01-01T00:01:20.000Z,"),
                left("the row of the next attempt of activity 1, due at 1970-01-01T00:01:21.000Z,"),
            ]
        );
    }
}

#[tokio::test]
async fn rows_of_pending_activities_that_contradict_themselves_are_told() {
    let waits = PendingActivityRow { admitted_at: None, ..pending_row(2) };
    let reset = Some(ActivityReset::default());
    for (row, fault) in [
        (
            PendingActivityRow { result_pending: true, ..waits.clone() },
            "the result is pending of an attempt that has not been admitted",
        ),
        (
            PendingActivityRow { reset, ..waits },
            "it was reset while an attempt ran, but none is admitted",
        ),
        (
            PendingActivityRow { attempts_reset: 1, ..pending_row(2) },
            "more of its attempts were reset than there were",
        ),
    ] {
        let found = problems(|batch| batch.put_pending(pending(WAITING, 1), &row)).await;
        let text = format!("run {WAITING}: the row of pending activity 1 says that {fault}");
        assert_eq!(found, [text]);
    }
    // Whatever an operator can do to it is in order.
    let operated = PendingActivityRow {
        attempt: 3,
        attempts_reset: 2,
        result_pending: true,
        reset,
        pause: Some(ActivityPause { since: time(70), reason: "mending".to_owned() }),
        ..pending_row(2)
    };
    let found = problems(|batch| batch.put_pending(pending(WAITING, 1), &operated)).await;
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn rows_of_operations_that_the_history_does_not_know_are_told() {
    let text = |run_id: RunId, row: &str| {
        format!("run {run_id}: {row} fits nothing that is pending by its history")
    };
    let found = problems(|batch| batch.put_pending(pending(WAITING, 9), &pending_row(2))).await;
    assert_eq!(found, [text(WAITING, "the row of pending activity 9")]);
    let found = problems(|batch| batch.put_pending(pending(WAITING, 1), &pending_row(1))).await;
    assert_eq!(found, [text(WAITING, "the row of pending activity 1")]);
    let at = "due at 1970-01-01T00:01:20.000Z,";
    let found = problems(|batch| batch.put_due(due(WAITING, DueKind::Timer, 2, 80))).await;
    assert_eq!(found, [text(WAITING, &format!("the row of timer 2, {at}"))]);
    for run_id in [WAITING, BACKING_OFF, IDLE] {
        let plant = |batch: &mut Batch| batch.put_due(due(run_id, DueKind::ActivityRetry, 1, 80));
        let row = format!("the row of the next attempt of activity 1, {at}");
        assert_eq!(problems(plant).await, [text(run_id, &row)]);
    }
    let event_id = EventId::new(2);
    let key = HistoryKey { run_id: ACTIVITY_ENDED, event_id }.encode();
    let found = problems(|batch| batch.delete(Space::History, key)).await;
    assert_eq!(found, [text(ACTIVITY_ENDED, "row 0 of the inbox")]);
}

#[tokio::test]
async fn operations_of_the_history_without_a_row_are_told() {
    let key = pending(WAITING, 1).encode();
    let found = problems(|batch| batch.delete(PendingActivityKey::SPACE, key)).await;
    assert_eq!(found, [format!("run {WAITING}: the row of pending activity 1 is missing")]);

    let key = InboxKey { run_id: ACTIVITY_ENDED, sequence: 0 }.encode();
    let found = problems(|batch| batch.delete(InboxKey::SPACE, key)).await;
    assert_eq!(found, [format!("run {ACTIVITY_ENDED}: the row of pending activity 1 is missing")]);

    let key = due(WAITING, DueKind::Timer, 2, 85).encode();
    let found = problems(|batch| batch.delete(DueKey::SPACE, key)).await;
    let row = "the row of timer 2, due at 1970-01-01T00:01:25.000Z,";
    assert_eq!(found, [format!("run {WAITING}: {row} is missing")]);
}

#[tokio::test]
async fn lac_1_the_rows_of_local_activities_are_held_against_the_history() {
    let key = |run_id, seq| LocalActivityKey { run_id, seq: Seq::new(seq) };
    let row = |event_id| LocalActivityRow {
        event_id: EventId::new(event_id),
        time: time(60),
        activity_id: "1".into(),
        activity_type: "look-up".into(),
    };
    let sound = look(|batch| batch.put_local_activity(key(IDLE, 1), &row(1))).await;
    assert!(sound.is_sound(), "{sound}");
    let counts = &sound.counts;
    assert_eq!((counts.pending_activities, counts.local_activities), (3, 1));
    assert_eq!(counts.runs_awaiting_clients, 0);
    assert!(sound.to_string().contains("3 pending activities (1 local), "), "{sound}");
    let left = problems(|batch| batch.put_local_activity(key(CLOSED, 7), &row(1))).await;
    let text = "the row of local activity 7";
    assert_eq!(left, [format!("{text} is left over from run {CLOSED}, which is completed")]);
    let unknown =
        |run_id| format!("run {run_id}: {text} fits nothing that is pending by its history");
    let early = problems(|batch| batch.put_local_activity(key(IDLE, 7), &row(2))).await;
    assert_eq!(early, [unknown(IDLE)]);
    let marker = Marker::LocalActivity(LocalActivityMarker {
        seq: Seq::new(7),
        activity_id: "7".into(),
        activity_type: "look-up".into(),
        attempt: 1,
        outcome: LocalActivityOutcome::Canceled { details: None },
        source: SourceLocation::new("src/order.rs:9"),
    });
    let attributes = EventAttributes::MarkerRecorded(MarkerRecorded { marker });
    let ended = problems(|batch| {
        batch.put_event(IDLE, &Event { id: EventId::new(2), time: time(60), attributes });
        batch.put_local_activity(key(IDLE, 7), &row(1));
    })
    .await;
    assert_eq!(ended, [unknown(IDLE)]);
    let timer = problems(|batch| batch.put_local_activity(key(WAITING, 2), &row(1))).await;
    let text = "the row of local activity 2 fits nothing that is pending by its history";
    assert_eq!(timer, [format!("run {WAITING}: {text}")]);
    let broken = problems(|batch| batch.put(Space::State, key(IDLE, 1).encode(), [9])).await;
    assert!(broken[0].ends_with("a row of the unknown version 9"), "{broken:?}");
}

#[tokio::test]
async fn the_next_attempt_of_an_activity_needs_no_row_of_its_own() {
    let key = due(BACKING_OFF, DueKind::ActivityRetry, 1, 99).encode();
    assert!(look(|batch| batch.delete(DueKey::SPACE, key)).await.is_sound());
}

#[tokio::test]
async fn a_clock_that_is_behind_or_missing_is_told() {
    let late = "1970-01-01T00:01:15.000Z";
    let found = problems(|batch| batch.put_clock(time(74))).await;
    let clock = "the clock stands at 1970-01-01T00:01:14.000Z";
    assert_eq!(found, [format!("{clock}, and run {ACTIVITY_ENDED} goes up to {late}")]);
    let found = problems(|batch| batch.delete(Space::Meta, CLOCK_KEY)).await;
    let text = format!("the clock's row is missing; run {ACTIVITY_ENDED} goes up to {late}");
    assert_eq!(found, [text]);
}

#[tokio::test]
async fn a_signal_on_its_way_to_another_workflow_has_a_row() {
    let initiated = SignalExternalWorkflowExecutionInitiated {
        seq: Seq::new(1),
        workflow_id: WorkflowId::new("other").unwrap(),
        run_id: None,
        child_seq: None,
        signal_name: "go".into(),
        input: Vec::new(),
        headers: Headers::new(),
        source: SourceLocation::new("src/order.rs:9"),
    };
    let event = Event {
        id: EventId::new(2),
        time: time(60),
        attributes: EventAttributes::SignalExternalWorkflowExecutionInitiated(initiated),
    };
    let row = |seconds| due(IDLE, DueKind::ExternalSignal, 1, seconds);
    let sound = look(|batch| {
        batch.put_event(IDLE, &event);
        batch.put_due(row(60));
    })
    .await;
    assert!(sound.is_sound(), "{sound}");
    assert_eq!(sound.counts.runs_awaiting_clients, 0);
    let text = |what: &str, time: &str| {
        format!("run {IDLE}: the row of signal 1, sent at 1970-01-01T00:01:0{time}.000Z, {what}")
    };
    let unknown = "fits nothing that is pending by its history";
    let found = problems(|batch| {
        batch.put_event(IDLE, &event);
        batch.put_due(row(61));
    })
    .await;
    assert_eq!(found, [text(unknown, "1"), text("is missing", "0")]);
}
