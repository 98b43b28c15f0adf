//! What a run is doing, and what it waits for.

use std::time::Duration;

use entracte_model::{
    ActivityOptions, Failure, ParentClosePolicy, ParentCloseScope, Payload, RunId, SourceLocation,
    Timestamp, WorkflowId, WorkflowStatus,
};
use entracte_store::rows::{ActivityPause, RunRow};
use entracte_workflow::{AwaitedSignal, UnreadSignals};

use crate::errors::ParkCause;

/// What a run is doing, and what it waits for: always answered, also for a parked or closed
/// run, and without running user code.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkflowDescription {
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The durable name of the workflow.
    pub workflow_type: String,
    /// The run's task queue: where its activities run, unless they name another one.
    pub task_queue: String,
    /// Where the run stands.
    pub status: WorkflowStatus,
    /// The number of the attempt under the workflow's own retry policy, from 1.
    pub attempt: u32,
    /// The first run of the chain to which the run belongs; itself if it is that.
    pub first_execution_run_id: RunId,
    /// The run before it in the chain; none of the first.
    pub continued_execution_run_id: Option<RunId>,
    /// The run that follows it in the chain, if it is closed and there is one.
    pub new_execution_run_id: Option<RunId>,
    /// Until when the run sleeps before its first turn, if it does: in the back-off before a
    /// retry, say.
    pub first_task_time: Option<Timestamp>,
    /// When the run started.
    pub start_time: Timestamp,
    /// When the run closed.
    pub close_time: Option<Timestamp>,
    /// How many events its history has.
    pub history_length: u64,
    /// Whether somebody asked the run to cancel.
    pub cancel_requested: bool,
    /// Why, in the words of whoever asked; none if nobody did.
    pub cancel_reason: Option<String>,
    /// The activities that have not come to their end (rule RET-21).
    pub pending_activities: Vec<PendingActivityDescription>,
    /// The child workflows that have not ended.
    pub pending_children: Vec<PendingChildDescription>,
    /// The local activities that the workflow waits for; not known while the run is parked,
    /// unless they were begun before.
    pub pending_local_activities: Vec<PendingLocalActivityDescription>,
    /// The timers that have not fired.
    pub pending_timers: Vec<PendingTimerDescription>,
    /// The signals of the run; nothing of a closed one.
    pub signals: SignalsDescription,
    /// Why the run cannot take turns, if it cannot.
    pub parked: Option<ParkedDescription>,
}

/// An activity that has not come to its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingActivityDescription {
    /// The id of the activity within its run.
    pub activity_id: String,
    /// The durable name of the activity.
    pub activity_type: String,
    /// Whether an attempt runs.
    pub state: PendingActivityState,
    /// The attempt that runs, or the next one; counted from 1, and from the last reset on.
    pub attempt: u32,
    /// The queue that admits the attempts.
    pub task_queue: String,
    /// Since when the attempt waits in the queue, if it does.
    pub queued_since: Option<Timestamp>,
    /// Since when and why it is paused, if it is (rule PAU-2).
    pub paused: Option<ActivityPause>,
    /// Whether it was reset while the attempt ran: the next one is its first again (rule PAU-3).
    pub reset_requested: bool,
    /// Its options in force, which may have been changed since it was scheduled (rule PAU-4).
    pub options: ActivityOptions,
    /// Whether the code of that attempt has returned, and its result comes from elsewhere.
    pub result_pending: bool,
    /// When the attempt that runs started.
    pub started_time: Option<Timestamp>,
    /// When the next attempt starts, if none runs and the activity is not paused.
    pub next_attempt_time: Option<Timestamp>,
    /// How long the back-off before the next attempt is, if none runs and one ran before.
    pub retry_interval: Option<Duration>,
    /// Why the attempt before failed.
    pub last_failure: Option<Failure>,
    /// When the attempt before ended.
    pub last_attempt_ended_time: Option<Timestamp>,
    /// What the last heartbeat that was stored said (rule HB-4).
    pub heartbeat_details: Option<Payload>,
    /// When that heartbeat came.
    pub heartbeat_time: Option<Timestamp>,
    /// The earlier attempts that have ended while their code still runs: that of a blocking
    /// activity cannot be stopped.
    pub overrunning_attempts: Vec<u32>,
    /// When the whole activity times out, with its retries (rule RET-12).
    pub expiration_time: Option<Timestamp>,
    /// Where the workflow issued the activity.
    pub source: SourceLocation,
}

/// A local activity that the workflow waits for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingLocalActivityDescription {
    /// The id of the activity within its run.
    pub activity_id: String,
    /// The durable name of the activity.
    pub activity_type: String,
    /// Whether an attempt runs.
    pub state: PendingActivityState,
    /// The attempt that runs, or the next one; counted from 1, and again from there after a
    /// crash (rule LAC-1).
    pub attempt: u32,
    /// When the attempt that runs started.
    pub started_time: Option<Timestamp>,
    /// When the next attempt starts, if none runs: of one with a durable timer, when that fires.
    pub next_attempt_time: Option<Timestamp>,
    /// Why the attempt before failed.
    pub last_failure: Option<Failure>,
    /// When the whole activity times out, with its retries (rule RET-12).
    pub expiration_time: Option<Timestamp>,
    /// Where the workflow issued the activity.
    pub source: SourceLocation,
}

/// Where a pending activity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingActivityState {
    /// It waits for the end of the back-off before its next attempt, or for an engine that does
    /// not shut down.
    Scheduled,
    /// Its next attempt waits in its task queue.
    Queued,
    /// An attempt runs.
    Started,
    /// Its workflow has asked it to cancel.
    CancelRequested,
    /// It is paused, and no attempt runs.
    Paused,
    /// It is paused; the attempt that runs has been told.
    PauseRequested,
}

/// A child workflow that has not ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingChildDescription {
    /// The child's workflow id.
    pub workflow_id: WorkflowId,
    /// The child's first run; none while it is not known to have started.
    pub run_id: Option<RunId>,
    /// The durable name of the child workflow.
    pub workflow_type: String,
    /// The task queue with which the child was started.
    pub task_queue: String,
    /// What becomes of the child when the run closes.
    pub parent_close_policy: ParentClosePolicy,
    /// Whether that is about the run alone, or about its chain.
    pub parent_close_scope: ParentCloseScope,
    /// Where the workflow issued the child.
    pub source: SourceLocation,
}

/// A timer that has not fired.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingTimerDescription {
    /// The id of the timer within its run.
    pub timer_id: String,
    /// When it fires.
    pub due: Timestamp,
    /// Where the workflow started it.
    pub source: SourceLocation,
}

/// The signals of an open run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalsDescription {
    /// How many have become events of the history.
    pub received: u64,
    /// How many are acknowledged and wait for their turn, because the run is parked.
    pub waiting: u64,
    /// The received ones that the workflow has not read, by name; not known while the run is
    /// parked.
    pub unread: Vec<UnreadSignals>,
    /// What the workflow waits for, by name; not known while the run is parked.
    pub awaited: Vec<AwaitedSignal>,
}

/// Why a run cannot take turns.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParkedDescription {
    /// What stands in the way; its text says what to do.
    pub cause: ParkCause,
    /// Since when turns have failed.
    pub since: Timestamp,
    /// How many turns have failed one after the other.
    pub failed_turns: u32,
    /// When the turn is tried again.
    pub next_retry: Timestamp,
}

impl WorkflowDescription {
    pub(crate) fn of_row(run_id: RunId, row: &RunRow, history_length: u64) -> Self {
        Self {
            workflow_id: row.workflow_id.clone(),
            run_id,
            workflow_type: row.workflow_type.to_string(),
            task_queue: row.task_queue.to_string(),
            status: row.status,
            attempt: row.attempt,
            first_execution_run_id: row.first_execution_run_id,
            continued_execution_run_id: row.continued_execution_run_id,
            new_execution_run_id: row.new_execution_run_id(),
            first_task_time: None,
            start_time: row.start_time,
            close_time: row.close.map(|close| close.time),
            history_length,
            cancel_requested: false,
            cancel_reason: None,
            pending_activities: Vec::new(),
            pending_children: Vec::new(),
            pending_local_activities: Vec::new(),
            pending_timers: Vec::new(),
            signals: SignalsDescription::default(),
            parked: None,
        }
    }
}
