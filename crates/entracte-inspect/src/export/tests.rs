use entracte_model::{EventId, RunId, Seq, WorkflowStatus};
use entracte_store::keys::{HistoryKey, InboxKey, Key, LocalActivityKey, RunKey};
use entracte_store::rows::{InboxMessage, InboxRow, LocalActivityRow, RunRow};
use entracte_store::{Batch, MemoryStore, Persist, Space};
use serde_json::{Value, json};

use super::*;
use crate::verify::tests::{
    ACTIVITY_ENDED, BACKING_OFF, CLOSED, CLOSED_BEFORE, IDLE, NOT_STARTED, WAITING, events,
    planted, run_row, started, time,
};

/// The lines of an export, and its report.
fn exported(store: &dyn Store) -> (Vec<Value>, ExportReport) {
    let mut out = Vec::new();
    let report = export(store, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), report)
}

fn read_events(line: &Value) -> Vec<Event> {
    serde_json::from_value(line["events"].clone()).unwrap()
}

#[tokio::test]
async fn all_runs_and_events_come_back() {
    let (lines, report) = exported(&planted(|_| {}).await);
    let runs = [CLOSED, WAITING, BACKING_OFF, CLOSED_BEFORE, IDLE, NOT_STARTED, ACTIVITY_ENDED];
    assert_eq!(lines.len(), runs.len());
    let mut count = 0;
    for (line, run_id) in lines.iter().zip(runs) {
        assert_eq!(line["run_id"], run_id.to_string());
        assert_eq!(line["workflow_id"], started(run_id).workflow_id.to_string());
        assert_eq!(read_events(line), events(run_id));
        count += events(run_id).len() as u64;
    }
    assert_eq!(report, ExportReport { runs: 7, events: count, problems: 0 });
    assert_eq!(report.to_string(), "7 runs with 15 events; 0 problems");
}

#[tokio::test]
async fn a_line_tells_where_its_run_stands_and_what_is_to_be_done() {
    let (lines, _) = exported(&planted(|_| {}).await);
    let mut closed = lines[0].clone();
    closed.as_object_mut().unwrap().remove("events");
    assert_eq!(
        closed,
        json!({
            "run_id": CLOSED,
            "workflow_id": "order-1",
            "workflow_type": "order",
            "task_queue": "default",
            "status": "completed",
            "start_time": "1970-01-01T00:00:10.000000000Z",
            "close_time": "1970-01-01T00:00:15.000000000Z",
            "request_id": "request",
            "first_execution_run_id": CLOSED,
            "events_unreadable": 0,
            "pending_activities": [],
            "local_activities": [],
            "inbox": [],
            "published": [{
                "name": "status",
                "event_id": 4,
                "time": "1970-01-01T00:00:15.000000000Z",
                "value": {"encoding": "binary/messagepack", "value": "fine"},
            }],
        })
    );
    assert_eq!(
        lines[0]["events"][3]["attributes"]["result"],
        json!({ "encoding": "binary/messagepack", "value": "paid" })
    );
    assert_eq!(lines[2]["pending_activities"][0]["seq"], 1);
    assert_eq!(
        lines[2]["pending_activities"][0]["next_attempt_at"],
        "1970-01-01T00:01:39.000000000Z"
    );
    let key = LocalActivityKey { run_id: IDLE, seq: Seq::new(4) };
    let row = LocalActivityRow {
        event_id: EventId::new(1),
        time: time(50),
        activity_id: "4".into(),
        activity_type: "look-up".into(),
    };
    let (local, _) = exported(&planted(|batch| batch.put_local_activity(key, &row)).await);
    assert_eq!(
        local[4]["local_activities"],
        json!([{
            "seq": 4,
            "event_id": 1,
            "time": "1970-01-01T00:00:50.000000000Z",
            "activity_id": "4",
            "activity_type": "look-up",
        }])
    );
    assert_eq!(lines[1]["inbox"][0]["message"], json!({"CancelRequested": {"reason": "enough"}}));
    let row = RunRow { task_queue: "gpu".into(), ..run_row(IDLE, WorkflowStatus::Running, 1) };
    let (queued, _) = exported(&planted(|batch| batch.put_run(IDLE, &row)).await);
    assert_eq!(queued[4]["task_queue"], "gpu");
    let input = &lines[5]["inbox"][0]["message"]["Start"]["input"][0]["value"];
    assert_eq!(*input, json!(42), "what was acknowledged is there, though it is no event yet");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_behind_everything_that_can() {
    let unknown = RunId::from_bytes([0x33; 16]);
    let store = planted(|batch| {
        let key = HistoryKey { run_id: CLOSED, event_id: EventId::new(2) };
        batch.put(Space::History, key.encode(), [0xff; 20]);
        batch.put(Space::State, RunKey { run_id: WAITING }.encode(), [9]);
        batch.put(Space::Meta, "x", "");
        let message = InboxMessage::CancelRequested { reason: "lost".to_owned(), request_id: None };
        let row = InboxRow { sender: None, received_at: time(70), message };
        batch.put_inbox(InboxKey { run_id: unknown, sequence: 0 }, &row);
    })
    .await;
    let (lines, report) = exported(&store);
    assert_eq!(report, ExportReport { runs: 8, events: 14, problems: 4 });
    let ids: Vec<_> = read_events(&lines[0]).iter().map(|event| event.id.get()).collect();
    assert_eq!(ids, [1, 3, 4, 5]);
    assert_eq!(lines[0]["events_unreadable"], 1);
    assert_eq!(lines[1]["status"], Value::Null);
    assert_eq!(read_events(&lines[1]), events(WAITING));
    assert_eq!(lines[7]["run_id"], unknown.to_string());
    assert_eq!(lines[7]["inbox"][0]["message"]["CancelRequested"]["reason"], "lost");
    let problems: Vec<_> =
        lines[8..].iter().map(|line| line["problem"].as_str().unwrap()).collect();
    assert_eq!(problems, ["event", "row", "left_over", "unknown_key"]);
    assert_eq!(lines[8]["run_id"], CLOSED.to_string());
    assert_eq!(lines[8]["event_id"], 2);
}

#[tokio::test]
async fn a_history_over_many_pages_is_exported_in_order() {
    let mut batch = Batch::new();
    let cancel = events(IDLE)[0].clone();
    for id in 1..=5_000 {
        batch.put_event(IDLE, &Event { id: EventId::new(id), ..cancel.clone() });
    }
    batch.put_run(IDLE, &run_row(IDLE, WorkflowStatus::Running, 1));
    let store = MemoryStore::new();
    store.commit(batch, Persist::Sync).await.unwrap();
    let (lines, report) = exported(&store);
    assert_eq!((report.runs, report.events), (1, 5_000));
    assert!(read_events(&lines[0]).iter().map(|event| event.id.get()).eq(1..=5_000));
}

#[tokio::test]
async fn an_empty_store_is_an_empty_export() {
    let (lines, report) = exported(&MemoryStore::new());
    assert_eq!((lines.len(), report), (0, ExportReport::default()));
}

#[tokio::test]
async fn a_writer_that_fails_ends_the_export() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = export(&planted(|_| {}).await, &mut Full).unwrap_err();
    assert!(
        matches!(&error, ExportError::Write(error) if error.kind() == io::ErrorKind::StorageFull)
    );
    let closed = MemoryStore::new();
    closed.close().await.unwrap();
    let error = export(&closed, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Store(StoreError::Closed)));
}
