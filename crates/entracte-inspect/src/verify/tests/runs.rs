//! Runs, their histories and their workflow ids.

use entracte_model::event::{
    TimerFired, WorkflowExecutionCancelRequested, WorkflowExecutionFailed, WorkflowExecutionStarted,
};
use entracte_model::{
    Event, EventAttributes, EventId, Failure, RetryState, RunId, Seq, WorkflowId, WorkflowStatus,
};
use entracte_store::keys::{DueKey, DueKind, HistoryKey, Key, RunKey, WorkflowIdKey};
use entracte_store::rows::{RunRow, WorkflowIdRow};
use entracte_store::{Batch, Space};

use super::*;

fn without_event(run_id: RunId, id: u64) -> impl FnOnce(&mut Batch) {
    let key = HistoryKey { run_id, event_id: EventId::new(id) };
    move |batch| batch.delete(Space::History, key.encode())
}

fn current(run_id: RunId, status: WorkflowStatus) -> WorkflowIdRow {
    let request_id = "request".into();
    WorkflowIdRow { run_id, first_execution_run_id: run_id, request_id, status }
}

#[tokio::test]
async fn every_gap_in_a_history_is_told() {
    let found = problems(|batch| {
        without_event(CLOSED, 1)(batch);
        without_event(CLOSED, 3)(batch);
        without_event(WAITING, 2)(batch);
    })
    .await;
    let gap = |run_id, expected, found| {
        format!("run {run_id}: event {expected} is missing before event {found}")
    };
    assert_eq!(found, [gap(CLOSED, 1, 2), gap(CLOSED, 3, 4), gap(WAITING, 2, 3)]);
}

#[tokio::test]
async fn a_history_that_is_not_sound_is_told() {
    let fired = TimerFired { seq: Seq::new(9), started_event_id: EventId::new(1) };
    let attributes = EventAttributes::TimerFired(fired);
    let event = Event { id: EventId::new(4), time: time(26), attributes };
    let found = problems(|batch| batch.put_event(WAITING, &event)).await;
    assert_eq!(
        found,
        [format!(
            "the events of run {WAITING} are not a history: event 4 (TimerFired) speaks of timer 9, which is not pending"
        )]
    );
}

#[tokio::test]
async fn a_run_without_a_history_is_told() {
    let text = |run_id| format!("run {run_id} has no events, and its start is not in its inbox");
    let all =
        |run_id| move |batch: &mut Batch| (1..=5).for_each(|id| without_event(run_id, id)(batch));
    for run_id in [CLOSED, WAITING, IDLE] {
        assert_eq!(problems(all(run_id)).await, [text(run_id)]);
    }
}

#[tokio::test]
async fn a_status_that_the_history_does_not_tell_is_told() {
    let found = problems(without_event(CLOSED, 5)).await;
    assert_eq!(
        found,
        [format!("run {CLOSED} is completed by its row, and running by its history")]
    );
    let found = problems(|batch| {
        batch.put_run(WAITING, &run_row(WAITING, WorkflowStatus::Failed, 3));
        let row = current(WAITING, WorkflowStatus::Failed);
        batch.put_workflow_id(&started(WAITING).workflow_id, &row);
    })
    .await;
    assert_eq!(found, [format!("run {WAITING} is failed by its row, and running by its history")]);
}

#[tokio::test]
async fn a_row_that_tells_something_else_than_the_history_is_told() {
    let found = problems(|batch| {
        let mut row = run_row(CLOSED, WorkflowStatus::Completed, 4);
        row.workflow_type = "other".into();
        row.task_queue = "gpu".into();
        row.start_time = time(11);
        batch.put_run(CLOSED, &row);
    })
    .await;
    let differs = |field, row, history| {
        format!("run {CLOSED}: the {field} is {row} by its row, and {history} by its history")
    };
    let at = |event| format!("event {event} at 1970-01-01T00:00:15.000000000Z");
    assert_eq!(
        found,
        [
            differs("workflow type", "other".to_owned(), "order".to_owned()),
            differs("task queue", "gpu".to_owned(), "default".to_owned()),
            differs("close", at(4), at(5)),
            differs(
                "start",
                "1970-01-01T00:00:11.000000000Z".to_owned(),
                "1970-01-01T00:00:10.000000000Z".to_owned()
            ),
        ]
    );
}

#[tokio::test]
async fn events_without_a_run_are_told() {
    let unknown = RunId::from_bytes([0x33; 16]);
    let event = &events(IDLE)[0];
    let found = problems(|batch| batch.put_event(unknown, event)).await;
    assert_eq!(found, [format!("there are 1 events of run {unknown}, which has no row")]);
    // Its workflow id knew the run, so that two rows speak of one that has none.
    let found =
        problems(|batch| batch.delete(RunKey::SPACE, RunKey { run_id: WAITING }.encode())).await;
    assert_eq!(
        found,
        [
            format!("there are 3 events of run {WAITING}, which has no row"),
            format!(
                "workflow id `order-2` and run {WAITING}: the run that the workflow id's row names has no row"
            ),
        ]
    );
}

/// What is wrong when the row of a workflow id is this one.
async fn claimed(workflow_id: &str, row: &WorkflowIdRow) -> Vec<String> {
    let workflow_id = WorkflowId::new(workflow_id).unwrap();
    problems(|batch| batch.put_workflow_id(&workflow_id, row)).await
}

#[tokio::test]
async fn workflow_ids_that_do_not_fit_their_runs_are_told() {
    let text = |id, run_id, fault: &str| format!("workflow id `{id}` and run {run_id}: {fault}");
    let key = WorkflowIdKey { workflow_id: started(CLOSED).workflow_id };
    let found = problems(|batch| batch.delete(WorkflowIdKey::SPACE, key.encode())).await;
    assert_eq!(found, [text("order-1", CLOSED, "the workflow id has no row")]);

    let unknown = RunId::from_bytes([0x33; 16]);
    let found = claimed("nobody", &current(unknown, WorkflowStatus::Completed)).await;
    let fault = "the run that the workflow id's row names has no row";
    assert_eq!(found, [text("nobody", unknown, fault)]);

    let found = claimed("nobody", &current(CLOSED, WorkflowStatus::Completed)).await;
    let fault = "the run belongs to workflow id `order-1`";
    assert_eq!(found, [text("nobody", CLOSED, fault)]);

    let found = claimed("order-1", &current(CLOSED, WorkflowStatus::Failed)).await;
    let fault = "the status is failed by the workflow id's row, and completed by the run's row";
    assert_eq!(found, [text("order-1", CLOSED, fault)]);

    let found = claimed("again", &current(CLOSED_BEFORE, WorkflowStatus::Completed)).await;
    let fault = format!("the run is open, and the workflow id's row names run {CLOSED_BEFORE}");
    assert_eq!(found, [text("again", IDLE, &fault)]);
}

#[tokio::test]
async fn a_workflow_id_that_names_an_older_run_is_told() {
    let found = problems(|batch| {
        let mut row = run_row(CLOSED_BEFORE, WorkflowStatus::Completed, 2);
        row.start_time = time(51);
        batch.put_run(CLOSED_BEFORE, &row);
    })
    .await;
    let late = "the start is 1970-01-01T00:00:51.000000000Z by its row, and 1970-01-01T00:00:40.000000000Z by its history";
    assert_eq!(
        found,
        [
            format!(
                "workflow id `again` and run {CLOSED_BEFORE}: the run is later than run {IDLE}, which the workflow id's row names"
            ),
            format!("run {CLOSED_BEFORE}: {late}"),
        ]
    );
}

#[tokio::test]
async fn an_open_run_that_was_asked_to_cancel_may_still_wait_for_a_signal() {
    let requested =
        WorkflowExecutionCancelRequested { reason: "enough".to_owned(), request_id: None };
    let attributes = EventAttributes::WorkflowExecutionCancelRequested(requested);
    let event = Event { id: EventId::new(2), time: time(60), attributes };
    let report = look(|batch| batch.put_event(IDLE, &event)).await;
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.counts.runs_awaiting_clients, 1);
}

#[tokio::test]
async fn published_state_of_unknown_runs_and_of_events_that_are_not_there_is_told() {
    let unknown = RunId::from_bytes([0x33; 16]);
    let found = problems(|batch| {
        put_published(IDLE, "status", 2, 50, batch);
        put_published(unknown, "status", 1, 50, batch);
    })
    .await;
    assert_eq!(
        found,
        [
            format!("`status`, published at event 2 of run {IDLE}: the run ends with event 1"),
            format!("`status`, published at event 1 of run {unknown}: the run has no events"),
        ]
    );
}

/// Makes two runs of one workflow id a chain.
fn chain(batch: &mut Batch) {
    let (before, behind) = (CLOSED_BEFORE, IDLE);
    let failed = WorkflowExecutionFailed {
        failure: Failure::application("E", "e"),
        retry_state: RetryState::InProgress,
        new_execution_run_id: Some(behind),
    };
    let mut close = events(before).pop().unwrap();
    close.attributes = EventAttributes::WorkflowExecutionFailed(failed);
    batch.put_event(before, &close);
    let mut row = run_row(before, WorkflowStatus::Failed, 2);
    row.close.as_mut().unwrap().new_execution_run_id = Some(behind);
    batch.put_run(before, &row);
    let started = WorkflowExecutionStarted {
        first_execution_run_id: before,
        continued_execution_run_id: Some(before),
        attempt: 2,
        ..started(behind)
    };
    let mut start = events(behind).remove(0);
    start.attributes = EventAttributes::WorkflowExecutionStarted(started);
    batch.put_event(behind, &start);
    batch.put_run(behind, &second(before));
    let current = WorkflowIdRow {
        first_execution_run_id: before,
        ..current(behind, WorkflowStatus::Running)
    };
    batch.put_workflow_id(&row.workflow_id, &current);
}

/// The row of the second run of the chain, which follows a run.
fn second(before: RunId) -> RunRow {
    RunRow {
        first_execution_run_id: CLOSED_BEFORE,
        continued_execution_run_id: Some(before),
        attempt: 2,
        ..run_row(IDLE, WorkflowStatus::Running, 1)
    }
}

#[tokio::test]
async fn runs_of_a_chain_fit_each_other() {
    assert_eq!(problems(chain).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_is_missing_behind_another_one_is_told() {
    let found = problems(|batch| {
        chain(batch);
        let gone = RunKey { run_id: IDLE }.encode();
        batch.delete(Space::State, gone);
    })
    .await;
    let text = format!(
        "run {CLOSED_BEFORE} and run {IDLE} of one chain: the latter follows the former, and is \
         missing"
    );
    assert!(found.contains(&text), "{found:#?}");
}

#[tokio::test]
async fn runs_of_a_chain_that_do_not_know_each_other_are_told() {
    let found = problems(|batch| {
        chain(batch);
        batch.put_run(IDLE, &second(CLOSED));
    })
    .await;
    let pair = |run: RunId, other: RunId, text: &str| {
        format!("run {run} and run {other} of one chain: {text}")
    };
    let expected = [
        pair(
            CLOSED_BEFORE,
            IDLE,
            "the former goes on in the latter, which does not say that it follows it",
        ),
        pair(
            IDLE,
            CLOSED,
            "the former says that it follows the latter, which does not go on in it",
        ),
        format!(
            "run {IDLE}: the run before it is {CLOSED} by its row, and {CLOSED_BEFORE} by its history"
        ),
    ];
    assert_eq!(found, expected);
    let found = problems(|batch| {
        chain(batch);
        let other = RunRow { first_execution_run_id: CLOSED, ..second(CLOSED_BEFORE) };
        batch.put_run(IDLE, &other);
    })
    .await;
    let differs = "they have different workflow ids or first runs";
    assert_eq!(found[0], pair(CLOSED_BEFORE, IDLE, differs), "{found:#?}");
}

#[tokio::test]
async fn cnt_2_a_run_of_another_queue_than_the_run_before_it_has_given_it_is_told() {
    let started_on = |queue: &str| WorkflowExecutionStarted {
        first_execution_run_id: CLOSED_BEFORE,
        continued_execution_run_id: Some(CLOSED_BEFORE),
        attempt: 2,
        task_queue: queue.into(),
        ..started(IDLE)
    };
    let found = problems(|batch| {
        chain(batch);
        let mut start = events(IDLE).remove(0);
        start.attributes = EventAttributes::WorkflowExecutionStarted(started_on("gpu"));
        batch.put_event(IDLE, &start);
        batch.put_run(IDLE, &RunRow { task_queue: "gpu".into(), ..second(CLOSED_BEFORE) });
    })
    .await;
    let text =
        format!("run {IDLE} has the task queue gpu, and was given default by run {CLOSED_BEFORE}");
    assert_eq!(found, [text]);
}

/// The row of a run's first turn is left over once that is taken.
#[tokio::test]
async fn a_first_turn_that_is_due_after_it_was_taken_is_told() {
    let due =
        DueKey { due: time(99), run_id: IDLE, kind: DueKind::FirstWorkflowTask, seq: Seq::new(0) };
    let found = problems(|batch| batch.put_due(due)).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("the row of the run's first turn"), "{found:?}");
}
