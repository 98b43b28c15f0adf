//! Reports, for people and for machines.

use entracte_model::WorkflowStatus;
use entracte_store::Space;
use serde_json::json;

use super::*;
use crate::verify::verify_keeping;

#[tokio::test]
async fn a_report_counts_what_there_is() {
    let report = look(|_| {}).await;
    let counts = &report.counts;
    assert_eq!(counts.runs[&WorkflowStatus::Completed], 2);
    assert_eq!(counts.runs[&WorkflowStatus::Running], 5);
    assert_eq!((counts.events, counts.workflow_ids), (15, 6));
    assert_eq!((counts.pending_activities, counts.due, counts.inbox), (2, 2, 3));
    assert_eq!(counts.published, 3);
    let store = sound().await;
    let bytes = |space| {
        let rows = store.scan(space, &[], None, usize::MAX).unwrap();
        rows.iter().map(|row| (row.key.len() + row.value.len()) as u64).sum::<u64>()
    };
    assert_eq!(counts.bytes.meta, bytes(Space::Meta));
    assert_eq!(counts.bytes.history, bytes(Space::History));
    assert_eq!(counts.bytes.state, bytes(Space::State));
    assert_eq!(
        report.to_string(),
        format!(
            "7 runs (5 running, 2 completed), 15 events, 6 workflow ids, 2 pending activities, 2 due, 3 in inboxes, 3 published; {} bytes\nno problems",
            counts.bytes.total()
        )
    );
}

#[tokio::test]
async fn problems_that_are_not_kept_are_counted() {
    let store = planted(|batch| (1..6_u8).for_each(|key| batch.put(Space::Meta, [key], ""))).await;
    let report = verify_keeping(&store, 2).unwrap();
    assert_eq!((report.problems.len(), report.problems_dropped), (2, 3));
    assert_eq!(report.problems_total(), 5);
    assert!(!report.is_sound());
    assert!(!verify_keeping(&store, 0).unwrap().is_sound());
    let text = report.to_string();
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "5 problems:",
            "- key 01 in the space meta is of no known kind",
            "- key 02 in the space meta is of no known kind",
            "- and 3 more",
        ]
    );
}

#[tokio::test]
async fn machines_read_a_report() {
    let report = look(|batch| batch.put_clock(time(1))).await;
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["sound"], false);
    assert_eq!(value["problems_dropped"], 0);
    assert_eq!(value["counts"]["runs"], json!({ "running": 5, "completed": 2 }));
    assert_eq!(
        value["problems"],
        json!([{
            "problem": "clock_behind",
            "clock": "1970-01-01T00:00:01.000000000Z",
            "last": "1970-01-01T00:01:15.000000000Z",
            "run_id": ACTIVITY_ENDED,
            "message": report.problems[0].to_string(),
        }])
    );
}

/// Every kind of problem can be told to machines: the tag, the fields and the text.
#[tokio::test]
async fn every_problem_that_can_be_planted_has_a_form_for_machines() {
    let report = look(|batch| {
        batch.put(Space::Meta, "x", "");
        batch.put(Space::Meta, "clock", "");
        batch.put(Space::History, [1, 2], "");
        batch.put(Space::History, [CLOSED.to_bytes().to_vec(), vec![0; 8]].concat(), "");
        batch.put_run(IDLE, &run_row(IDLE, WorkflowStatus::Failed, 1));
        batch.put_event(CLOSED_BEFORE, &events(WAITING)[2]);
    })
    .await;
    for problem in serde_json::to_value(&report).unwrap()["problems"].as_array().unwrap() {
        assert!(problem["problem"].is_string() && problem["message"].is_string(), "{problem}");
    }
    let tags: Vec<_> = report
        .problems
        .iter()
        .map(|problem| serde_json::to_value(problem).unwrap()["problem"].clone())
        .collect();
    assert_eq!(
        tags,
        ["gap", "event", "key", "history", "status", "workflow_id", "row", "unknown_key"]
    );
}
