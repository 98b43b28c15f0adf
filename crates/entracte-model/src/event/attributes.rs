//! What each kind of event tells.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCompleted, ChildWorkflowExecutionFailed,
    ChildWorkflowExecutionStarted, ChildWorkflowExecutionTerminated,
    ChildWorkflowExecutionTimedOut, ContinueAsNewInitiator,
    ExternalWorkflowExecutionCancelRequested, ExternalWorkflowExecutionSignaled,
    HISTORY_FORMAT_VERSION, MarkerRecorded, ParentExecution,
    RequestCancelExternalWorkflowExecutionFailed, RequestCancelExternalWorkflowExecutionInitiated,
    SignalExternalWorkflowExecutionFailed, SignalExternalWorkflowExecutionInitiated,
    StartChildWorkflowExecutionFailed, StartChildWorkflowExecutionInitiated, WorkflowExecution,
    WorkflowExecutionContinuedAsNew,
};
use crate::failure::{Failure, RetryState};
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::limits::PendingLimits;
use crate::options::{ActivityOptions, default_task_queue, is_default_task_queue};
use crate::payload::Payload;
use crate::priority::PriorityOptions;
use crate::retry::RetryPolicy;
use crate::time::{Timestamp, duration_option_serde, duration_serde};

/// What happened, with Temporal's names (semantics, section 24).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "attributes")]
#[non_exhaustive]
pub enum EventAttributes {
    /// The run began: the first event of every history.
    WorkflowExecutionStarted(WorkflowExecutionStarted),
    /// The run returned a result.
    WorkflowExecutionCompleted(WorkflowExecutionCompleted),
    /// The run returned a failure.
    WorkflowExecutionFailed(WorkflowExecutionFailed),
    /// The run returned a cancellation.
    WorkflowExecutionCanceled(WorkflowExecutionCanceled),
    /// The run was ended from outside.
    WorkflowExecutionTerminated(WorkflowExecutionTerminated),
    /// Somebody asked the run to cancel.
    WorkflowExecutionCancelRequested(WorkflowExecutionCancelRequested),
    /// Somebody sent the run a signal.
    WorkflowExecutionSignaled(WorkflowExecutionSignaled),
    /// The run scheduled an activity.
    ActivityTaskScheduled(ActivityTaskScheduled),
    /// The last attempt of an activity started; written late, with the activity's end
    /// (rule RET-19).
    ActivityTaskStarted(ActivityTaskStarted),
    /// An activity returned a result.
    ActivityTaskCompleted(ActivityTaskCompleted),
    /// An activity failed for good.
    ActivityTaskFailed(ActivityTaskFailed),
    /// An activity ran into a timeout for good.
    ActivityTaskTimedOut(ActivityTaskTimedOut),
    /// The run asked an activity to cancel.
    ActivityTaskCancelRequested(ActivityTaskCancelRequested),
    /// An activity was cancelled.
    ActivityTaskCanceled(ActivityTaskCanceled),
    /// The run started a timer.
    TimerStarted(TimerStarted),
    /// A timer fired.
    TimerFired(TimerFired),
    /// The run cancelled a timer.
    TimerCanceled(TimerCanceled),
    /// A local activity of the run ended.
    MarkerRecorded(MarkerRecorded),
    /// The run sends a signal to another workflow.
    SignalExternalWorkflowExecutionInitiated(SignalExternalWorkflowExecutionInitiated),
    /// A signal could not be sent to another workflow.
    SignalExternalWorkflowExecutionFailed(SignalExternalWorkflowExecutionFailed),
    /// A signal has reached another workflow.
    ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled),
    /// The run asks for a child workflow.
    StartChildWorkflowExecutionInitiated(StartChildWorkflowExecutionInitiated),
    /// A child workflow was not started.
    StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed),
    /// A child workflow has started.
    ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted),
    /// A child workflow returned a result.
    ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted),
    /// A child workflow returned a failure.
    ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed),
    /// A child workflow returned a cancellation.
    ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled),
    /// A child workflow ran into a timeout of its own.
    ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut),
    /// A child workflow was ended from outside.
    ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated),
    /// The run asks another workflow, or one of its children, to cancel.
    RequestCancelExternalWorkflowExecutionInitiated(
        RequestCancelExternalWorkflowExecutionInitiated,
    ),
    /// Another workflow was not asked to cancel.
    RequestCancelExternalWorkflowExecutionFailed(RequestCancelExternalWorkflowExecutionFailed),
    /// Another workflow, or a child, knows that it is asked to cancel.
    ExternalWorkflowExecutionCancelRequested(ExternalWorkflowExecutionCancelRequested),
    /// The run ran into a timeout of its own.
    WorkflowExecutionTimedOut(WorkflowExecutionTimedOut),
    /// The run went on in a new one.
    WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew),
}

/// A place in source code, as `path/file.rs:line`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceLocation(Arc<str>);

impl SourceLocation {
    /// Takes over a text of the form `path/file.rs:line`.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The place as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&std::panic::Location<'_>> for SourceLocation {
    fn from(location: &std::panic::Location<'_>) -> Self {
        Self(format!("{}:{}", location.file(), location.line()).into())
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionStarted {
    /// The version of the history format in which the run is written.
    pub format_version: u16,
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The durable name of the workflow.
    pub workflow_type: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The id of the request that started the run (rule WID-5).
    pub request_id: Arc<str>,
    /// The first run of the chain that this run continues; its own id if it is the first.
    pub first_execution_run_id: RunId,
    /// The number of the attempt under the workflow's own retry policy, from 1.
    pub attempt: u32,
    /// The seed of the run's random numbers (rule DET-3).
    pub randomness_seed: u64,
    /// The run's task queue: where its activities run, unless they name another one.
    #[serde(default = "default_task_queue", skip_serializing_if = "is_default_task_queue")]
    pub task_queue: Arc<str>,
    /// What the run's activities inherit (rule PRI-1).
    #[serde(default, skip_serializing_if = "PriorityOptions::is_empty")]
    pub priority: PriorityOptions,
    /// The workflow that started the run as its child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentExecution>,
    /// The topmost workflow above the run; none if it has no parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<WorkflowExecution>,
    /// How long the whole chain may take, with its retries (rule WTO-1). Default none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub execution_timeout: Option<Duration>,
    /// When the whole chain times out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_expiration: Option<Timestamp>,
    /// How long this run may take (rule WTO-1). Default none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub run_timeout: Option<Duration>,
    /// How the run is retried if it fails; without a policy it is not (rule RET-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// The run before this one in its chain; none of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_execution_run_id: Option<RunId>,
    /// Why this run follows the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<ContinueAsNewInitiator>,
    /// Why the run before it failed, if this one retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_failure: Option<Failure>,
    /// How long the run sleeps before its first turn. Default not at all.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "duration_option_serde")]
    pub first_workflow_task_backoff: Option<Duration>,
    /// How many operations the run may have pending (rule LIM-6).
    #[serde(default, skip_serializing_if = "PendingLimits::is_default")]
    pub limits: PendingLimits,
    /// The nearest earlier run of the chain that has left children behind whose parent close
    /// policy is about the chain. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_children_run_id: Option<RunId>,
}

impl WorkflowExecutionStarted {
    /// How many operations the run may have pending: what a run from before there were limits
    /// has asked for stays granted.
    #[must_use]
    pub fn pending_limits(&self) -> PendingLimits {
        if self.format_version < 2 { PendingLimits::UNLIMITED } else { self.limits }
    }

    /// Begins the first run of a chain, with defaults for everything else.
    #[must_use]
    pub fn new(
        run_id: RunId,
        workflow_id: WorkflowId,
        workflow_type: impl Into<Arc<str>>,
        input: Vec<Payload>,
        request_id: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            format_version: HISTORY_FORMAT_VERSION,
            workflow_id,
            workflow_type: workflow_type.into(),
            input,
            headers: Headers::new(),
            request_id: request_id.into(),
            first_execution_run_id: run_id,
            attempt: 1,
            randomness_seed: run_id.randomness_seed(),
            task_queue: default_task_queue(),
            priority: PriorityOptions::default(),
            parent: None,
            root: None,
            execution_timeout: None,
            execution_expiration: None,
            run_timeout: None,
            retry_policy: None,
            continued_execution_run_id: None,
            initiator: None,
            continued_failure: None,
            first_workflow_task_backoff: None,
            limits: PendingLimits::default(),
            chain_children_run_id: None,
        }
    }
}

/// The run returned a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionCompleted {
    /// The result.
    pub result: Payload,
}

/// The run returned a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionFailed {
    /// The failure.
    pub failure: Failure,
    /// Why there is no further run; in progress if there is one.
    pub retry_state: RetryState,
    /// The run that retries this one, if there is one (rule WTO-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_execution_run_id: Option<RunId>,
}

/// The run ran into a timeout of its own (rule WTO-4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionTimedOut {
    /// Why there is no further run; in progress if there is one.
    pub retry_state: RetryState,
    /// The run that retries this one, if there is one (rule WTO-2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_execution_run_id: Option<RunId>,
}

/// The run returned a cancellation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionCanceled {
    /// What it returned; its chain holds a cancellation (rule FAIL-6).
    pub failure: Failure,
}

/// The run was ended from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionTerminated {
    /// Why, in the words of whoever ended it.
    pub reason: String,
}

/// Somebody asked the run to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionCancelRequested {
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// The id of the client's request, by which it is known again when it is repeated; none if
    /// another run has asked, or the close of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
}

/// Somebody sent the run a signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowExecutionSignaled {
    /// The durable name of the signal.
    pub signal_name: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The id of the request that sent it; no two signals of a run have the same (rule SIG-3).
    pub request_id: Arc<str>,
    /// Whether it was taken up together with the event before it, a signal or the run's start:
    /// the workflow was not polled between the two. So it is when a signal had been
    /// acknowledged, and waited, before the event in front of it got its turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_previous: bool,
}

/// The run scheduled an activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskScheduled {
    /// The operation's number.
    pub seq: Seq,
    /// The id of the activity; the number in decimal unless the workflow chose one.
    pub activity_id: Arc<str>,
    /// The durable name of the activity.
    pub activity_type: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// How it is run.
    pub options: ActivityOptions,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// The last attempt of an activity started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskStarted {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When the attempt really started, which is before the event was written (rule RET-19).
    pub started_time: Timestamp,
    /// Why the attempt before it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
}

/// An activity returned a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskCompleted {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The event that tells its last attempt's start.
    pub started_event_id: EventId,
    /// The result.
    pub result: Payload,
}

/// An activity failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskFailed {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The event that tells its last attempt's start.
    pub started_event_id: EventId,
    /// The failure of the last attempt.
    pub failure: Failure,
    /// Why there is no further attempt.
    pub retry_state: RetryState,
}

/// An activity ran into a timeout for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskTimedOut {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The event that tells its last attempt's start; zero if none started.
    pub started_event_id: EventId,
    /// The timeout, with the failure of an earlier attempt as its cause (rule RET-15).
    pub failure: Failure,
    /// Why there is no further attempt.
    pub retry_state: RetryState,
}

/// The run asked an activity to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskCancelRequested {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
}

/// An activity was cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityTaskCanceled {
    /// The event that scheduled the activity.
    pub scheduled_event_id: EventId,
    /// The event that tells its last attempt's start; zero if none started.
    pub started_event_id: EventId,
    /// What the cancelled attempt had to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Payload>,
}

/// The run started a timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerStarted {
    /// The operation's number; the timer's id is the number in decimal.
    pub seq: Seq,
    /// How long after this event the timer fires.
    #[serde(with = "duration_serde")]
    pub start_to_fire_timeout: Duration,
    /// Where the workflow started it.
    pub source: SourceLocation,
}

/// A timer fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerFired {
    /// The operation's number.
    pub seq: Seq,
    /// The event that started the timer.
    pub started_event_id: EventId,
}

/// The run cancelled a timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerCanceled {
    /// The operation's number.
    pub seq: Seq,
    /// The event that started the timer.
    pub started_event_id: EventId,
}

impl EventAttributes {
    /// The run in which a run that ended like this goes on, if there is one.
    #[must_use]
    pub fn new_execution_run_id(&self) -> Option<RunId> {
        match self {
            Self::WorkflowExecutionFailed(it) => it.new_execution_run_id,
            Self::WorkflowExecutionTimedOut(it) => it.new_execution_run_id,
            Self::WorkflowExecutionContinuedAsNew(it) => Some(it.new_execution_run_id),
            _ => None,
        }
    }
}
