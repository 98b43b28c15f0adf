//! What clients ask of a run.

use entracte_model::WorkflowIdConflictPolicy;
use entracte_model::event::WorkflowExecutionStarted;
use entracte_store::rows::WorkflowIdRow;
use entracte_workflow::ScheduledActivity;
use ractor::ActorProcessingErr;

use super::effect::{Answer, Effect, Query};
use super::origin::NewRun;
use super::pending_activity::PendingActivity;
use super::state::RunState;
use crate::description::{
    ParkedDescription, PendingActivityDescription, PendingActivityState, PendingChildDescription,
    PendingTimerDescription, WorkflowDescription,
};
use crate::errors::{RunError, StartWorkflowError};
use crate::messages::{ResultReply, RunCall, StartRequest, StartedRun};

impl RunState {
    pub(super) fn call(&mut self, call: RunCall) -> Result<(), ActorProcessingErr> {
        if self.rows.is_none() {
            // This actor has not read its run yet.
            self.deferred_calls.push(call);
            return Ok(());
        }
        match call {
            RunCall::Start(request) => self.start_again(*request)?,
            RunCall::Result { reply } => self.wait_for_result(reply),
            RunCall::Describe { reply } => {
                if let Some(description) = self.describe() {
                    self.answer(Answer::Describe(reply, Box::new(description)));
                }
            }
            RunCall::Cancel { request, reply } => self.cancel(request, reply)?,
            RunCall::Terminate { reason, reply } => {
                let refusal = self.refusal();
                if refusal.is_none() {
                    self.terminate(reason)?;
                }
                self.answer(Answer::Done(reply, refusal.map_or(Ok(()), Err)));
            }
            RunCall::Signal { signaled, reply } => self.signal(*signaled, reply)?,
            RunCall::AsyncActivity(call) => self.async_activity(*call)?,
            RunCall::ActivityOperation(call) => self.activity_operation(*call),
            RunCall::Query { query, reply } => self.queries.push(Query { name: query, reply }),
        }
        Ok(())
    }

    /// Takes up the calls that came before the run had been read.
    pub(super) fn take_deferred_calls(&mut self) -> Result<(), ActorProcessingErr> {
        for call in std::mem::take(&mut self.deferred_calls) {
            self.call(call)?;
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.after_commit(Effect::Answer(answer));
    }

    /// Why the run cannot be told to end, if it cannot.
    pub(super) fn refusal(&self) -> Option<RunError> {
        if self.is_closed() {
            return Some(RunError::AlreadyClosed { run_id: self.run_id });
        }
        match &self.parked {
            // A history begins with its start, also one that consists of nothing but its end.
            Some(parked) if parked.cause.hides_history() || self.has_lost_start() => {
                let (run_id, cause) = (self.run_id, parked.cause.clone());
                Some(RunError::HistoryUnusable { run_id, cause })
            }
            _ => None,
        }
    }

    fn has_lost_start(&self) -> bool {
        !self.is_resumed && self.history.started.is_none() && self.waiting_start().is_none()
    }

    /// Why nothing can be kept for the run, if that is so: of one whose inbox cannot be read, it
    /// is not known which places in it are free.
    pub(super) fn refusal_of_inputs(&self) -> Option<RunError> {
        let unread = self.parked.as_ref().filter(|_| !self.is_resumed);
        self.refusal().or_else(|| {
            let (run_id, cause) = (self.run_id, unread?.cause.clone());
            Some(RunError::HistoryUnusable { run_id, cause })
        })
    }

    fn wait_for_result(&mut self, reply: ResultReply) {
        match &self.close_event {
            Some(event) => {
                let event = Box::new(event.clone());
                self.answer(Answer::Result(reply, event));
            }
            None => {
                // Whoever stopped waiting must not be kept for as long as the run is open.
                self.result_waiters.retain(|waiter| !waiter.is_closed());
                self.result_waiters.push(reply);
            }
        }
    }

    /// Tells the client that its start made this run.
    pub(super) fn answer_start(&self, new_run: NewRun) {
        let started = self.started_run(&new_run.started);
        if let Some(reply) = new_run.reply {
            Answer::Start(reply, Ok(started)).give();
        }
    }

    fn started_run(&self, started: &WorkflowExecutionStarted) -> StartedRun {
        let first_execution_run_id = started.first_execution_run_id;
        StartedRun { run_id: self.run_id, first_execution_run_id }
    }

    /// A further start of the workflow id, while this run holds it (rules WID-3 to WID-5).
    fn start_again(&mut self, request: StartRequest) -> Result<(), ActorProcessingErr> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let row = rows.workflow_id.clone();
        let existing =
            StartedRun { run_id: row.run_id, first_execution_run_id: row.first_execution_run_id };
        if row.request_id == request.started.request_id {
            self.answer(Answer::Start(request.reply, Ok(started_before(&row))));
        } else if self.is_closed() {
            // The reuse policy is judged by the directory, when this run has left.
            self.restarts.push(request);
        } else {
            match request.conflict_policy {
                WorkflowIdConflictPolicy::UseExisting => {
                    self.answer(Answer::Start(request.reply, Ok(existing)));
                }
                WorkflowIdConflictPolicy::TerminateExisting => {
                    if let Some(RunError::HistoryUnusable { run_id, cause }) = self.refusal() {
                        let error = StartWorkflowError::HistoryUnusable { run_id, cause };
                        self.answer(Answer::Start(request.reply, Err(error)));
                        return Ok(());
                    }
                    let reason = "TerminateIfRunning WorkflowIdReusePolicy".to_owned();
                    self.terminate(reason)?;
                    self.restarts.push(request);
                }
                _ => {
                    let error = StartWorkflowError::AlreadyStarted {
                        workflow_id: request.started.workflow_id,
                        run_id: row.run_id,
                        first_execution_run_id: row.first_execution_run_id,
                        request_id: row.request_id.to_string(),
                        closed: false,
                    };
                    self.answer(Answer::Start(request.reply, Err(error)));
                }
            }
        }
        Ok(())
    }

    fn describe(&self) -> Option<WorkflowDescription> {
        let rows = self.rows.as_ref()?;
        let history_length = self.history.next_event_id.get() - 1;
        let mut description = WorkflowDescription::of_row(self.run_id, &rows.run, history_length);
        description.cancel_requested = self.history.cancel_requested;
        description.cancel_reason = self.history.cancel_reason.clone();
        description.first_task_time = self.asleep_until();
        description.pending_activities = self
            .activities
            .iter()
            .filter_map(|(seq, activity)| Some((activity, self.history.activities.get(seq)?)))
            .map(|(activity, scheduled)| describe_activity(activity, scheduled))
            .collect();
        for overrunning in self.shared.codes.overrunning() {
            let of_this_run = overrunning.run_id == self.run_id;
            let mut pending = description.pending_activities.iter_mut();
            let same = pending.find(|pending| pending.activity_id == overrunning.activity_id);
            if let Some(pending) = same.filter(|_| of_this_run) {
                pending.overrunning_attempts.push(overrunning.attempt);
            }
        }
        let children = self.history.children.values();
        description.pending_children = children
            .map(|child| PendingChildDescription {
                workflow_id: child.workflow_id.clone(),
                run_id: child.started.map(|(_, run_id)| run_id),
                workflow_type: child.workflow_type.to_string(),
                task_queue: child.options.task_queue.clone(),
                parent_close_policy: child.options.parent_close_policy,
                parent_close_scope: child.options.parent_close_scope,
                source: child.source.clone(),
            })
            .collect();
        let timers = self.history.timers.iter();
        description.pending_timers = timers
            .map(|(seq, timer)| PendingTimerDescription {
                timer_id: seq.to_string(),
                due: timer.due,
                source: timer.source.clone(),
            })
            .collect();
        description.pending_local_activities = self.describe_local();
        description.signals = self.describe_signals();
        description.parked = self.parked.as_ref().map(|parked| ParkedDescription {
            cause: parked.cause.clone(),
            since: parked.since,
            failed_turns: parked.failed_turns,
            next_retry: parked.next_retry,
        });
        Some(description)
    }
}

/// The run that a request has started before: the first of its chain (rule WID-5).
pub(crate) fn started_before(row: &WorkflowIdRow) -> StartedRun {
    let first_execution_run_id = row.first_execution_run_id;
    StartedRun { run_id: first_execution_run_id, first_execution_run_id }
}

fn describe_activity(
    activity: &PendingActivity,
    scheduled: &ScheduledActivity,
) -> PendingActivityDescription {
    let row = activity.row.clone();
    let waits = row.admitted_at.is_none();
    let is_paused = row.pause.is_some();
    let is_due = waits && !is_paused;
    let interval = |ended| row.next_attempt_at.saturating_since(ended);
    PendingActivityDescription {
        activity_id: scheduled.activity_id.to_string(),
        activity_type: scheduled.activity_type.to_string(),
        state: match (row.cancel_requested, is_paused, waits) {
            (true, ..) => PendingActivityState::CancelRequested,
            (false, true, true) => PendingActivityState::Paused,
            (false, true, false) => PendingActivityState::PauseRequested,
            (false, false, true) if activity.is_queued() => PendingActivityState::Queued,
            (false, false, true) => PendingActivityState::Scheduled,
            (false, false, false) => PendingActivityState::Started,
        },
        attempt: row.attempt_number(),
        task_queue: activity.options(scheduled).task_queue.clone(),
        queued_since: activity.is_queued().then_some(row.next_attempt_at),
        paused: row.pause.clone(),
        reset_requested: row.reset.is_some(),
        options: activity.options(scheduled).clone(),
        result_pending: row.result_pending,
        started_time: row.admitted_at,
        next_attempt_time: is_due.then_some(row.next_attempt_at),
        retry_interval: row.last_attempt_ended_at.filter(|_| is_due).map(interval),
        last_failure: row.last_failure,
        last_attempt_ended_time: row.last_attempt_ended_at,
        heartbeat_details: row.heartbeat_details,
        heartbeat_time: row.heartbeat_at,
        overrunning_attempts: Vec::new(),
        expiration_time: activity.timeouts.expiration(activity.scheduled_time),
        source: scheduled.source.clone(),
    }
}
