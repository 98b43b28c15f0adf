//! A sound store with runs in every state.

use std::time::Duration;

use entracte_model::event::{
    ActivityTaskCompleted, ActivityTaskScheduled, ActivityTaskStarted, TimerStarted,
    WorkflowExecutionCompleted, WorkflowExecutionStarted,
};
use entracte_model::{
    ActivityOptions, Event, EventAttributes, EventId, Headers, Payload, RunId, Seq, SourceLocation,
    Timestamp, WorkflowId, WorkflowStatus,
};
use entracte_store::keys::{DueKey, DueKind, InboxKey, PendingActivityKey, PublishedKey};
use entracte_store::rows::{
    ActivityClosed, ActivityOutcome, InboxMessage, InboxRow, PendingActivityRow, PublishedRow,
    RunClose, RunRow, WorkflowIdRow,
};
use entracte_store::{Batch, MemoryStore, Persist, Store};

const fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

/// Scheduled an activity, got its result, completed.
pub(crate) const CLOSED: RunId = run(1);
/// Waits for an activity that runs and for a timer, and for the turn of a cancellation.
pub(crate) const WAITING: RunId = run(2);
/// Waits for the next attempt of an activity.
pub(crate) const BACKING_OFF: RunId = run(3);
/// Completed; its workflow id was used again.
pub(crate) const CLOSED_BEFORE: RunId = run(4);
/// Waits for its cancellation and nothing else.
pub(crate) const IDLE: RunId = run(5);
/// Parked before its first turn.
pub(crate) const NOT_STARTED: RunId = run(6);
/// Parked, with the end of its activity in the inbox.
pub(crate) const ACTIVITY_ENDED: RunId = run(7);

/// A time, in seconds.
pub(crate) fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1_000)
}

fn workflow_id(run_id: RunId) -> WorkflowId {
    let name = match run_id {
        CLOSED_BEFORE | IDLE => "again".to_owned(),
        other => format!("order-{}", other.to_bytes()[0]),
    };
    WorkflowId::new(name).unwrap()
}

/// The start of a run.
pub(crate) fn started(run_id: RunId) -> WorkflowExecutionStarted {
    let input = vec![Payload::encode(&42).unwrap()];
    WorkflowExecutionStarted::new(run_id, workflow_id(run_id), "order", input, "request")
}

/// The row of a run that starts at second 10 times its number and closes five seconds later.
pub(crate) fn run_row(run_id: RunId, status: WorkflowStatus, events: u64) -> RunRow {
    let start = 10 * u64::from(run_id.to_bytes()[0]);
    let close = RunClose {
        time: time(start + 5),
        last_event_id: EventId::new(events),
        new_execution_run_id: None,
    };
    RunRow {
        workflow_id: workflow_id(run_id),
        workflow_type: "order".into(),
        request_id: "request".into(),
        first_execution_run_id: run_id,
        continued_execution_run_id: None,
        task_queue: "default".into(),
        attempt: 1,
        parent: None,
        start_time: time(start),
        status,
        close: (!status.is_open()).then_some(close),
    }
}

fn scheduled(seq: u32) -> EventAttributes {
    EventAttributes::ActivityTaskScheduled(ActivityTaskScheduled {
        seq: Seq::new(seq),
        activity_id: seq.to_string().into(),
        activity_type: "charge".into(),
        input: Vec::new(),
        headers: Headers::new(),
        options: ActivityOptions::default(),
        source: SourceLocation::new("src/order.rs:7"),
    })
}

/// The events of a run of the fixture.
pub(crate) fn events(run_id: RunId) -> Vec<Event> {
    use EventAttributes as A;
    let mut attributes = vec![A::WorkflowExecutionStarted(started(run_id))];
    match run_id {
        CLOSED => attributes.extend([
            scheduled(1),
            A::ActivityTaskStarted(ActivityTaskStarted {
                scheduled_event_id: EventId::new(2),
                attempt: 1,
                started_time: time(10),
                last_failure: None,
            }),
            A::ActivityTaskCompleted(ActivityTaskCompleted {
                scheduled_event_id: EventId::new(2),
                started_event_id: EventId::new(3),
                result: Payload::encode("paid").unwrap(),
            }),
            completed(),
        ]),
        WAITING => attributes.extend([
            scheduled(1),
            A::TimerStarted(TimerStarted {
                seq: Seq::new(2),
                start_to_fire_timeout: Duration::from_secs(60),
                source: SourceLocation::new("src/order.rs:8"),
            }),
        ]),
        BACKING_OFF | ACTIVITY_ENDED => attributes.push(scheduled(1)),
        CLOSED_BEFORE => attributes.push(completed()),
        NOT_STARTED => attributes.clear(),
        _ => {}
    }
    let start = 10 * u64::from(run_id.to_bytes()[0]);
    let last = attributes.len();
    let place = |(index, attributes): (usize, A)| {
        let offset = if index + 1 == last && index > 0 { 5 } else { 0 };
        Event { id: EventId::new(index as u64 + 1), time: time(start + offset), attributes }
    };
    attributes.into_iter().enumerate().map(place).collect()
}

fn completed() -> EventAttributes {
    let result = Payload::null();
    EventAttributes::WorkflowExecutionCompleted(WorkflowExecutionCompleted { result })
}

fn put_run(run_id: RunId, status: WorkflowStatus, batch: &mut Batch) {
    let events = events(run_id);
    events.iter().for_each(|event| batch.put_event(run_id, event));
    let row = run_row(run_id, status, events.len() as u64);
    batch.put_run(run_id, &row);
    let current = WorkflowIdRow {
        run_id,
        first_execution_run_id: run_id,
        request_id: "request".into(),
        status,
    };
    batch.put_workflow_id(&row.workflow_id, &current);
}

fn pending(admitted_at: Option<Timestamp>, next_attempt_at: Timestamp) -> PendingActivityRow {
    PendingActivityRow {
        attempt: 2,
        admitted_at,
        ..PendingActivityRow::new(EventId::new(2), next_attempt_at)
    }
}

/// A sound store with runs in every state.
pub(crate) async fn sound() -> MemoryStore {
    let mut batch = Batch::new();
    for run_id in [CLOSED, CLOSED_BEFORE] {
        put_run(run_id, WorkflowStatus::Completed, &mut batch);
    }
    for run_id in [WAITING, BACKING_OFF, IDLE, NOT_STARTED, ACTIVITY_ENDED] {
        put_run(run_id, WorkflowStatus::Running, &mut batch);
    }
    let seq = Seq::new(1);
    let running = pending(Some(time(25)), time(25));
    batch.put_pending(PendingActivityKey { run_id: WAITING, seq }, &running);
    let (seq_timer, due) = (Seq::new(2), time(85));
    batch.put_due(DueKey { due, run_id: WAITING, kind: DueKind::Timer, seq: seq_timer });
    put_inbox(
        WAITING,
        InboxMessage::CancelRequested { reason: "enough".into(), request_id: None },
        &mut batch,
    );

    let due = time(99);
    batch.put_pending(PendingActivityKey { run_id: BACKING_OFF, seq }, &pending(None, due));
    batch.put_due(DueKey { due, run_id: BACKING_OFF, kind: DueKind::ActivityRetry, seq });

    put_inbox(NOT_STARTED, InboxMessage::Start(Box::new(started(NOT_STARTED))), &mut batch);
    let closed = ActivityClosed {
        seq,
        scheduled_event_id: EventId::new(2),
        attempt: 1,
        started_at: Some(time(75)),
        last_failure: None,
        outcome: ActivityOutcome::Completed { result: Payload::null() },
    };
    put_inbox(ACTIVITY_ENDED, InboxMessage::ActivityClosed(closed), &mut batch);
    put_published(CLOSED, "status", 4, 15, &mut batch);
    put_published(IDLE, "rounds", 1, 50, &mut batch);
    put_published(IDLE, "status", 1, 50, &mut batch);
    batch.put_clock(time(75));
    batch.put_format(1);

    let store = MemoryStore::new();
    store.commit(batch, Persist::Sync).await.unwrap();
    store
}

fn put_inbox(run_id: RunId, message: InboxMessage, batch: &mut Batch) {
    let row = InboxRow { sender: None, received_at: time(70), message };
    batch.put_inbox(InboxKey { run_id, sequence: 0 }, &row);
}

pub(crate) fn put_published(
    run_id: RunId,
    name: &str,
    event_id: u64,
    seconds: u64,
    batch: &mut Batch,
) {
    let key = PublishedKey { run_id, name: name.to_owned() };
    let (event_id, time) = (EventId::new(event_id), time(seconds));
    let value = Payload::encode("fine").unwrap();
    batch.put_published(&key, &PublishedRow { event_id, time, value });
}
