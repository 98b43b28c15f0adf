//! One run: its row, its history and what is to be done for it, held against each other.

use entracte_model::{EventId, RunId, Timestamp, WorkflowStatus};
use entracte_store::StoreExt;
use entracte_store::keys::{Key, PublishedKey};
use entracte_store::rows::{PublishedRow, RunRow};
use entracte_workflow::HistoryState;

use super::Verifier;
use super::history::{self, Told};
use super::operations::Operations;
use super::problem::{ChainFault, Problem, WorkflowIdFault};
use super::rows::hex;
use super::walk::{RunRowFound, Walk};

impl Verifier<'_> {
    pub(super) fn check_run(&mut self, run_id: RunId, walk: &mut Walk<'_>) {
        let found = walk.run_row(run_id, self.sink);
        let told = history::check(run_id, walk, self.sink);
        let operations = Operations::read(run_id, walk, self.sink);
        // A run that has a row and no events is told by itself.
        let is_judged = told.events > 0 || matches!(found, RunRowFound::Missing);
        self.check_published(run_id, &told, is_judged, walk);
        if let Some((_, last)) = told.times {
            self.note_time(last, run_id);
        }
        match found {
            RunRowFound::Read(row) => {
                *self.counts.runs.entry(row.status).or_default() += 1;
                self.note_time(row.close.map_or(row.start_time, |close| close.time), run_id);
                self.check_known(run_id, &row, &told, &operations);
            }
            RunRowFound::Missing if told.events == 0 => {
                operations.report_left_over(None, self.sink);
            }
            RunRowFound::Missing => {
                (self.sink)(Problem::EventsWithoutRun { run_id, events: told.events });
                self.check_operations(None, &told, &operations, None);
            }
            RunRowFound::Unreadable => self.check_operations(None, &told, &operations, None),
        }
    }

    fn check_known(&mut self, run_id: RunId, row: &RunRow, told: &Told, operations: &Operations) {
        self.check_claim(run_id, row);
        self.check_chain(run_id, row);
        self.check_task_queue(run_id, row);
        if told.events == 0 && told.state.is_some() {
            let may_have_start = operations.has_start || operations.inbox_is_broken;
            if !row.status.is_open() || !may_have_start {
                (self.sink)(Problem::NoHistory { run_id });
                return;
            }
        }
        if let Some(state) = &told.state {
            let by_history = state.closed.unwrap_or(WorkflowStatus::Running);
            if by_history != row.status {
                let problem = Problem::Status { run_id, row: row.status, history: by_history };
                (self.sink)(problem);
                return;
            }
            self.check_row(run_id, row, told, state);
        }
        self.check_operations(Some(row.status), told, operations, Some(row.start_time));
    }

    /// What the run has published, each at an event that it has.
    fn check_published(
        &mut self,
        run_id: RunId,
        told: &Told,
        is_judged: bool,
        walk: &mut Walk<'_>,
    ) {
        while let Some((key, row)) = walk.published.next_of(run_id, self.sink) {
            match PublishedRow::from_bytes(&row.value) {
                Ok(row) => {
                    self.note_time(row.time, run_id);
                    let (event_id, events) = (row.event_id, told.events);
                    // Events that cannot be read are told by themselves.
                    if event_id.get() > events && is_judged && told.state.is_some() {
                        let name = key.name;
                        (self.sink)(Problem::Published { run_id, name, event_id, events });
                    }
                }
                Err(error) => {
                    let (space, key) = (PublishedKey::SPACE, hex(&row.key));
                    (self.sink)(Problem::Row { space, key, error });
                }
            }
        }
    }

    /// What is to be done for a run, by its row's status or else by its history's.
    fn check_operations(
        &mut self,
        status: Option<WorkflowStatus>,
        told: &Told,
        operations: &Operations,
        start: Option<Timestamp>,
    ) {
        let Some(status) = status.or_else(|| told.status()) else { return };
        if !status.is_open() {
            operations.report_left_over(Some(status), self.sink);
            return;
        }
        let Some(state) = &told.state else { return };
        operations.check(state, start.unwrap_or(state.start_time), self.sink);
        let waits = !state.activities.is_empty()
            || !state.timers.is_empty()
            || !state.sent_signals.is_empty()
            || !state.children.is_empty()
            || !state.sent_cancels.is_empty();
        if waits || !operations.is_empty() || state.started.is_none() {
            return;
        }
        // Also of one that was asked to cancel: a wait for a signal is not ended by that.
        self.counts.runs_awaiting_clients += 1;
    }

    /// What the run's row repeats of its history.
    fn check_row(&mut self, run_id: RunId, row: &RunRow, told: &Told, state: &HistoryState) {
        let sink = &mut *self.sink;
        let mut compare = |field, row: String, history: String| {
            if row != history {
                sink(Problem::RunRow { run_id, field, row, history });
            }
        };
        if let Some(started) = &state.started {
            compare("workflow id", row.workflow_id.to_string(), started.workflow_id.to_string());
            compare(
                "workflow type",
                row.workflow_type.to_string(),
                started.workflow_type.to_string(),
            );
            compare("task queue", row.task_queue.to_string(), started.task_queue.to_string());
            compare("request id", row.request_id.to_string(), started.request_id.to_string());
            compare(
                "first run",
                row.first_execution_run_id.to_string(),
                started.first_execution_run_id.to_string(),
            );
            let run = |run: Option<RunId>| run.map_or("none".to_owned(), |run| run.to_string());
            compare(
                "run before it",
                run(row.continued_execution_run_id),
                run(started.continued_execution_run_id),
            );
            compare("attempt", row.attempt.to_string(), started.attempt.to_string());
            compare(
                "run behind it",
                run(row.new_execution_run_id()),
                run(state.new_execution_run_id),
            );
        }
        let close = row.close.map(|close| (close.last_event_id, close.time));
        let last = (EventId::new(told.events), state.last_time);
        let closed = state.closed.map(|_| last);
        let show = |close: Option<(EventId, Timestamp)>| match close {
            Some((event_id, time)) => format!("event {event_id} at {}", exactly(time)),
            None => "none".to_owned(),
        };
        compare("close", show(close), show(closed));
        // A start whose first turn fails is acknowledged before it becomes an event.
        if let Some((first, _)) = told.times
            && row.start_time > first
        {
            compare("start", exactly(row.start_time), exactly(first));
        }
    }

    /// The runs before and behind it in its chain know of it.
    fn check_chain(&mut self, run_id: RunId, row: &RunRow) {
        let is_other = |other: &RunRow| {
            let first = (&other.workflow_id, other.first_execution_run_id);
            first != (&row.workflow_id, row.first_execution_run_id)
        };
        let mut found = Vec::new();
        // Rows that cannot be read are told where they stand.
        if let Some(next) = row.new_execution_run_id()
            && let Ok(next_row) = self.store.get_run(next)
        {
            let fault = match next_row {
                None => Some(ChainFault::Missing),
                Some(next) if is_other(&next) => Some(ChainFault::Differs),
                Some(next) if next.continued_execution_run_id != Some(run_id) => {
                    Some(ChainFault::NotFollowing)
                }
                Some(_) => None,
            };
            found.extend(fault.map(|fault| (next, fault)));
        }
        if let Some(before) = row.continued_execution_run_id
            && let Ok(before_row) = self.store.get_run(before)
            && before_row.is_none_or(|it| it.new_execution_run_id() != Some(run_id))
        {
            found.push((before, ChainFault::NotFollowed));
        }
        for (other, fault) in found {
            (self.sink)(Problem::Chain { run_id, other, fault });
        }
    }

    /// The row of the run's workflow id names its latest run, the only one that may be open.
    fn check_claim(&mut self, run_id: RunId, row: &RunRow) {
        // Rows that cannot be read are told where they stand.
        let Ok(current) = self.store.get_workflow_id(&row.workflow_id) else { return };
        let fault = match current {
            None => WorkflowIdFault::NoRow,
            Some(current) if current.run_id == run_id => return,
            Some(current) if row.status.is_open() => {
                WorkflowIdFault::OpenBeside { current: current.run_id }
            }
            Some(current) => match self.store.get_run(current.run_id) {
                Ok(Some(other)) if other.start_time < row.start_time => {
                    WorkflowIdFault::LaterThan { current: current.run_id }
                }
                _ => return,
            },
        };
        let workflow_id = row.workflow_id.clone();
        (self.sink)(Problem::WorkflowId { workflow_id, run_id, fault });
    }
}

/// A time with all its nanoseconds: what differs must not look the same.
fn exactly(time: Timestamp) -> String {
    humantime::format_rfc3339_nanos(time.into()).to_string()
}
