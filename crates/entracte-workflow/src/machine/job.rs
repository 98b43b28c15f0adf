//! What happens to a run, as its machine is told.

use std::sync::Arc;
use std::time::Duration;

use entracte_model::{
    EventId, Failure, Headers, Payload, PendingLimits, RunId, Seq, Timestamp, WorkflowId,
};

/// Jobs for a machine, with what holds for all of them.
///
/// Several jobs in one activation are the same as several activations with one job each,
/// their commands joined, with one exception: signals directly behind the start, or behind
/// another signal, are applied together with it before the workflow is polled, so that the
/// workflow sees all of them at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// The run.
    pub run_id: RunId,
    /// The time of the event; what the workflow sees as now.
    pub time: Timestamp,
    /// Whether the run is being rebuilt from its history.
    pub is_replaying: bool,
    /// How many events the history has, the one that brought the jobs included.
    pub history_length: u64,
    /// About how many bytes the history has, that event included.
    pub history_size: u64,
    /// What the run has pending according to its history.
    pub pending: PendingCounts,
    /// What happened, in order.
    pub jobs: Vec<Job>,
}

/// One thing that happened to a run; Temporal's names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Job {
    /// The run begins: the first job of every machine, and of no other.
    InitializeWorkflow(Box<InitializeWorkflow>),
    /// A timer fired. None comes for a timer that was cancelled.
    FireTimer {
        /// The timer.
        seq: Seq,
    },
    /// An activity ended. Late resolutions of activities that nothing waits for are ignored.
    ResolveActivity {
        /// The activity.
        seq: Seq,
        /// How it ended.
        resolution: ActivityResolution,
        /// Whether it is a local activity.
        is_local: bool,
    },
    /// Somebody sent the run a signal; it is kept until the workflow reads it, whatever its
    /// name (rule SIG-1).
    SignalWorkflow {
        /// The durable name of the signal.
        signal_name: Arc<str>,
        /// The arguments.
        input: Vec<Payload>,
        /// What travels along.
        headers: Headers,
        /// The event that tells of it.
        originating_event_id: EventId,
        /// The id of the request that sent it.
        request_id: Arc<str>,
    },
    /// A signal to another workflow has arrived, or why it has not.
    ResolveSignalExternalWorkflow {
        /// The signal's operation.
        seq: Seq,
        /// Why it has not; none if it has.
        failure: Option<Failure>,
    },
    /// A child workflow has started, or will not.
    ResolveChildWorkflowExecutionStart {
        /// The child.
        seq: Seq,
        /// Which.
        resolution: ChildStartResolution,
    },
    /// A child workflow ended. None comes for one that was not started.
    ResolveChildWorkflowExecution {
        /// The child.
        seq: Seq,
        /// How it ended.
        resolution: ChildResolution,
    },
    /// Another workflow knows that it is asked to cancel, or why it is not asked.
    ResolveRequestCancelExternalWorkflow {
        /// The request's operation.
        seq: Seq,
        /// Why it is not asked; none if it is.
        failure: Option<Failure>,
    },
    /// Somebody asked the run to cancel; a second request changes nothing (rule CAN-1).
    CancelWorkflow {
        /// Why, in the words of whoever asked.
        reason: String,
    },
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub struct InitializeWorkflow {
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The durable name of the workflow.
    pub workflow_type: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along.
    pub headers: Headers,
    /// The run's task queue: what its activities and children take over.
    pub task_queue: Arc<str>,
    /// The number of the attempt under the workflow's own retry policy, from 1.
    pub attempt: u32,
    /// The seed of the run's random numbers.
    pub randomness_seed: u64,
    /// The first run of the chain that this run continues.
    pub first_execution_run_id: RunId,
    /// The run before this one in its chain; none of the first.
    pub continued_execution_run_id: Option<RunId>,
    /// Why the run before this one failed, if this one retries it (rule WTO-6).
    pub continued_failure: Option<Failure>,
    /// How many operations the run may have pending.
    pub limits: PendingLimits,
}

/// How many operations a run has pending, of the kinds that are limited (rule LIM-6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingCounts {
    /// Activities that have not ended.
    pub activities: u32,
    /// Child workflows that have not ended.
    pub children: u32,
    /// Signals to other workflows that have not been answered.
    pub external_signals: u32,
    /// Requests to other workflows to cancel that have not been answered, without those to
    /// children.
    pub external_cancels: u32,
}

/// How an activity ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivityResolution {
    /// It returned a result.
    Completed(Payload),
    /// It failed for good; the failure is of the kind `Activity`.
    Failed(Failure),
    /// It was cancelled; the failure is of the kind `Activity`.
    Cancelled(Failure),
    /// It goes on after a durable timer, which the machine starts; of a local activity only
    /// (rule LAC-3).
    Backoff {
        /// The number of the next attempt.
        attempt: u32,
        /// How long the timer takes.
        backoff_duration: Duration,
        /// When the activity was scheduled first.
        original_schedule_time: Timestamp,
        /// Why the last attempt failed.
        last_failure: Option<Failure>,
    },
}

/// What came of the start of a child workflow.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildStartResolution {
    /// It has started.
    Succeeded {
        /// The child's first run.
        run_id: RunId,
    },
    /// It was not started; the failure is of the kind `ChildWorkflow`.
    Failed(Failure),
    /// It was cancelled before it was known to have started; the failure is of the kind
    /// `ChildWorkflow`.
    Cancelled(Failure),
}

/// How a child workflow ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildResolution {
    /// It returned a result.
    Completed(Payload),
    /// It failed, timed out or was terminated; the failure is of the kind `ChildWorkflow`.
    Failed(Failure),
    /// It was cancelled, or is not waited for any more; the failure is of the kind
    /// `ChildWorkflow`.
    Cancelled(Failure),
}
