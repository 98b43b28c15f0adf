use std::sync::Arc;

use entracte_model::event::{TimerFired, TimerStarted};
use entracte_model::{EventAttributes, Seq, SourceLocation, WorkflowStatus};

use super::*;
use crate::batch::Batch;
use crate::keys::DueKind;
use crate::memory::MemoryStore;
use crate::rows::{InboxMessage, RunClose};
use crate::store::Persist;

fn run(number: u8) -> RunId {
    RunId::from_bytes([number; RunId::LEN])
}

fn event(id: u64) -> Event {
    let (seq, started_event_id) = (Seq::new(1), EventId::new(1));
    let attributes = if id == 1 {
        EventAttributes::TimerStarted(TimerStarted {
            seq,
            start_to_fire_timeout: std::time::Duration::from_secs(1),
            source: SourceLocation::new("src/x.rs:1"),
        })
    } else {
        EventAttributes::TimerFired(TimerFired { seq, started_event_id })
    };
    Event { id: EventId::new(id), time: Timestamp::from_unix_nanos(id), attributes }
}

async fn store_with(fill: impl FnOnce(&mut Batch)) -> Arc<dyn Store> {
    let store = Arc::new(MemoryStore::new());
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(batch, Persist::Sync).await.unwrap();
    store
}

/// A store with a run of so many events, between two other runs.
async fn history_of(events: u64) -> Arc<dyn Store> {
    store_with(|batch| {
        batch.put_event(run(1), &event(1));
        (1..=events).for_each(|id| batch.put_event(run(2), &event(id)));
        batch.put_event(run(3), &event(1));
    })
    .await
}

#[tokio::test]
async fn histories_are_read_in_full_over_many_pages() {
    for events in [0, 1, 2, 3, 1023, 1024, 1025, 2500] {
        let store = history_of(events).await;
        let history = store.read_history(run(2)).unwrap();
        assert!(history.iter().map(|event| event.id.get()).eq(1..=events), "{events} events");
        let last = store.last_event(run(2)).unwrap();
        assert_eq!(last, history.last().cloned(), "{events} events");
    }
    let store = history_of(5).await;
    let middle = store.read_events(run(2), EventId::new(3), 2).unwrap();
    assert_eq!(middle, [event(3), event(4)]);
    assert_eq!(store.read_events(run(2), EventId::new(6), 2).unwrap(), []);
}

#[tokio::test]
async fn a_missing_event_is_named_with_its_place() {
    let store = store_with(|batch| {
        [1, 2, 4].into_iter().for_each(|id| batch.put_event(run(2), &event(id)));
    })
    .await;
    let error = store.read_history(run(2)).unwrap_err();
    let place = format!("{}0000000000000004", "02".repeat(16));
    assert_eq!(
        error.to_string(),
        format!("corrupt row {place} in the space history: event 3 is missing before event 4")
    );
}

#[tokio::test]
async fn a_damaged_event_is_named_with_its_place() {
    let store = store_with(|batch| {
        batch.put_event(run(2), &event(1));
        let key = HistoryKey { run_id: run(2), event_id: EventId::new(2) };
        batch.put(Space::History, key.encode(), vec![0xff; 20]);
    })
    .await;
    let error = store.read_history(run(2)).unwrap_err();
    assert!(error.to_string().ends_with("event 2 has the unknown type 65535"), "{error}");
    let last = store.last_event(run(2)).unwrap_err();
    assert!(matches!(last, StoreError::CorruptRow { space: Space::History, .. }));
}

#[tokio::test]
async fn damaged_rows_and_keys_are_named_with_their_place() {
    let store = store_with(|batch| {
        batch.put(Space::State, RunKey { run_id: run(1) }.encode(), vec![9]);
        batch.put(Space::Meta, CLOCK_KEY, vec![1, 2]);
        batch.put(Space::State, vec![0x05, 1, 2, 3], "inbox");
    })
    .await;
    let run_row = store.get_run(run(1)).unwrap_err().to_string();
    assert!(run_row.ends_with("a row of the unknown version 9"), "{run_row}");
    let clock = store.clock().unwrap_err().to_string();
    assert!(clock.ends_with("a row of 2 bytes where 8 are expected"), "{clock}");
    let index = store.recovery_index().unwrap_err().to_string();
    assert_eq!(
        index,
        "corrupt row 05010203 in the space state: a key of 4 bytes where 25 are expected"
    );
}

fn run_row(status: WorkflowStatus) -> RunRow {
    RunRow {
        workflow_id: WorkflowId::new("order-42").unwrap(),
        workflow_type: "order".into(),
        request_id: "request".into(),
        first_execution_run_id: run(1),
        continued_execution_run_id: None,
        task_queue: "default".into(),
        attempt: 1,
        parent: None,
        start_time: Timestamp::from_unix_nanos(1),
        status,
        close: (!status.is_open()).then(|| RunClose {
            time: Timestamp::from_unix_nanos(9),
            last_event_id: EventId::new(3),
            new_execution_run_id: None,
        }),
    }
}

#[tokio::test]
async fn runs_are_found_by_either_id_and_listed_in_order() {
    let current = WorkflowIdRow {
        run_id: run(2),
        first_execution_run_id: run(1),
        request_id: "request".into(),
        status: WorkflowStatus::Running,
    };
    let (closed, open) = (run_row(WorkflowStatus::Completed), run_row(WorkflowStatus::Running));
    let workflow_id = WorkflowId::new("order-42").unwrap();
    let store = store_with(|batch| {
        batch.put_run(run(1), &closed);
        batch.put_run(run(2), &open);
        batch.put_workflow_id(&workflow_id, &current);
        batch.put_clock(Timestamp::from_unix_nanos(77));
    })
    .await;
    assert_eq!(store.get_run(run(1)).unwrap(), Some(closed.clone()));
    assert_eq!(store.get_run(run(9)).unwrap(), None);
    assert_eq!(store.get_workflow_id(&workflow_id).unwrap(), Some(current));
    assert_eq!(store.get_workflow_id(&WorkflowId::new("order-4").unwrap()).unwrap(), None);
    assert_eq!(store.list_runs(None, 1).unwrap(), [(run(1), closed)]);
    assert_eq!(store.list_runs(Some(run(1)), 9).unwrap(), [(run(2), open)]);
    assert_eq!(store.clock().unwrap(), Some(Timestamp::from_unix_nanos(77)));
    assert_eq!(store.format().unwrap(), None);
}

fn pending(attempt: u32) -> PendingActivityRow {
    PendingActivityRow { attempt, ..PendingActivityRow::new(EventId::new(5), Timestamp::EPOCH) }
}

fn cancel_request() -> InboxRow {
    let message = InboxMessage::CancelRequested { reason: "enough".to_owned(), request_id: None };
    InboxRow { sender: None, received_at: Timestamp::EPOCH, message }
}

fn timer(due: u64, run_id: RunId) -> DueKey {
    let due = Timestamp::from_unix_nanos(due);
    DueKey { due, run_id, kind: DueKind::Timer, seq: Seq::new(1) }
}

fn local_row() -> LocalActivityRow {
    LocalActivityRow {
        event_id: EventId::FIRST,
        time: Timestamp::EPOCH,
        activity_id: "4".into(),
        activity_type: "look-up".into(),
    }
}

#[tokio::test]
async fn what_is_still_to_be_done_is_found_by_run_and_by_time() {
    let activity = |number, seq| PendingActivityKey { run_id: run(number), seq: Seq::new(seq) };
    let local = |number, seq| LocalActivityKey { run_id: run(number), seq: Seq::new(seq) };
    let letter = |number, sequence| InboxKey { run_id: run(number), sequence };
    let store = store_with(|batch| {
        batch.put_pending(activity(1, 10), &pending(1));
        batch.put_pending(activity(1, 9), &pending(2));
        batch.put_pending(activity(2, 1), &pending(3));
        batch.put_local_activity(local(6, 4), &local_row());
        batch.put_inbox(letter(3, 256), &cancel_request());
        batch.put_inbox(letter(3, 1), &cancel_request());
        batch.put_due(timer(300, run(4)));
        batch.put_due(timer(20, run(5)));
    })
    .await;
    assert_eq!(
        store.pending_activities(run(1)).unwrap(),
        [(activity(1, 9), pending(2)), (activity(1, 10), pending(1))]
    );
    assert_eq!(
        store.inbox(run(3)).unwrap(),
        [(letter(3, 1), cancel_request()), (letter(3, 256), cancel_request())]
    );
    assert_eq!(store.inbox(run(1)).unwrap(), []);
    assert_eq!(store.due(Timestamp::from_unix_nanos(299), 9).unwrap(), [timer(20, run(5))]);
    assert_eq!(store.due(Timestamp::MAX, 9).unwrap().len(), 2);
    assert_eq!(store.due(Timestamp::MAX, 1).unwrap(), [timer(20, run(5))]);
    let index = store.recovery_index().unwrap();
    assert_eq!(store.local_activities(run(6)).unwrap(), [(local(6, 4), local_row())]);
    assert_eq!(index.pending, [run(1), run(2), run(6)].into());
    assert_eq!(index.inbox, [run(3)].into());
    assert_eq!(index.due, [timer(20, run(5)), timer(300, run(4))]);
    assert_eq!(index.runs(), (1..=6).map(run).collect());

    let mut done = Batch::new();
    done.delete_pending(activity(1, 10));
    done.delete_pending(activity(1, 9));
    done.delete_pending(activity(2, 1));
    done.delete_local_activity(local(6, 4));
    done.delete_inbox(letter(3, 1));
    done.delete_inbox(letter(3, 256));
    done.delete_due(timer(300, run(4)));
    done.delete_due(timer(20, run(5)));
    store.commit(done, Persist::Sync).await.unwrap();
    assert_eq!(store.recovery_index().unwrap(), RecoveryIndex::default());
}

#[tokio::test]
async fn published_state_is_read_by_name_and_by_run() {
    let key = |number, name: &str| PublishedKey { run_id: run(number), name: name.to_owned() };
    let row = |number| PublishedRow {
        event_id: EventId::new(number),
        time: Timestamp::from_unix_nanos(number),
        value: entracte_model::Payload::encode(&number).unwrap(),
    };
    let store = store_with(|batch| {
        batch.put_published(&key(1, "status"), &row(1));
        batch.put_published(&key(2, "status"), &row(2));
        batch.put_published(&key(2, "count"), &row(3));
        // The last value of a name counts.
        batch.put_published(&key(2, "status"), &row(4));
    })
    .await;
    assert_eq!(store.get_published(&key(2, "status")).unwrap(), Some(row(4)));
    assert_eq!(store.get_published(&key(2, "statu")).unwrap(), None);
    let of_run = [(key(2, "count"), row(3)), (key(2, "status"), row(4))];
    assert_eq!(store.published(run(2)).unwrap(), of_run);
    assert_eq!(
        store.all_published().unwrap(),
        [&[(key(1, "status"), row(1))], &of_run[..]].concat()
    );
    assert_eq!(store.published(run(3)).unwrap(), []);
}
