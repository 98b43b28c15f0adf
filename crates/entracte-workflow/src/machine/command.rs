//! What a run decides, as its machine tells.

use std::sync::Arc;
use std::time::Duration;

use entracte_model::{
    ActivityOptions, ChildWorkflowOptions, Failure, Headers, LocalActivityOptions, Payload,
    RetryPolicy, Seq, SourceLocation, Timestamp, WorkflowId,
};

/// One decision of a run; Temporal's names.
///
/// Numbers are given in the order of issue from 1 and never repeat within a run, whatever the
/// kind of operation. The last four end the run: one of them comes last, and nothing after.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Schedules an activity; a [`Job::ResolveActivity`](crate::Job::ResolveActivity) answers.
    ScheduleActivity {
        /// The operation's number.
        seq: Seq,
        /// The id of the activity: the number in decimal.
        activity_id: Arc<str>,
        /// The durable name of the activity.
        activity_type: Arc<str>,
        /// The arguments.
        input: Vec<Payload>,
        /// What travels along.
        headers: Headers,
        /// How it is run; valid.
        options: ActivityOptions,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
    /// Requests the cancellation of an activity that was scheduled in an earlier turn.
    RequestCancelActivity {
        /// The activity.
        seq: Seq,
    },
    /// Runs an activity beside the workflow, without an event of its own until it ends; a
    /// [`Job::ResolveActivity`](crate::Job::ResolveActivity) that is local answers.
    ScheduleLocalActivity {
        /// The operation's number.
        seq: Seq,
        /// The id of the activity: the number under which it was scheduled first, in decimal.
        activity_id: Arc<str>,
        /// The durable name of the activity.
        activity_type: Arc<str>,
        /// The arguments.
        input: Vec<Payload>,
        /// What travels along with the call.
        headers: Headers,
        /// How it is run; valid.
        options: LocalActivityOptions,
        /// The number of the attempt with which it begins.
        attempt: u32,
        /// When it was scheduled first.
        original_schedule_time: Timestamp,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
    /// Requests the cancellation of a local activity that was scheduled in an earlier turn.
    RequestCancelLocalActivity {
        /// The activity.
        seq: Seq,
    },
    /// Starts a timer; a [`Job::FireTimer`](crate::Job::FireTimer) answers.
    StartTimer {
        /// The operation's number; the timer's id is the number in decimal.
        seq: Seq,
        /// How long after this turn the timer fires.
        start_to_fire_timeout: Duration,
        /// Where the workflow started it.
        source: SourceLocation,
    },
    /// Cancels a timer that was started in an earlier turn; nothing answers.
    CancelTimer {
        /// The timer.
        seq: Seq,
    },
    /// Sends a signal to another workflow; a
    /// [`Job::ResolveSignalExternalWorkflow`](crate::Job::ResolveSignalExternalWorkflow) answers.
    SignalExternalWorkflowExecution {
        /// The operation's number.
        seq: Seq,
        /// The workflow.
        workflow_id: WorkflowId,
        /// The run's child that the workflow is; none if it is another workflow.
        child_seq: Option<Seq>,
        /// The durable name of the signal.
        signal_name: Arc<str>,
        /// The arguments.
        input: Vec<Payload>,
        /// What travels along.
        headers: Headers,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
    /// Starts a child workflow; a
    /// [`Job::ResolveChildWorkflowExecutionStart`](crate::Job::ResolveChildWorkflowExecutionStart)
    /// answers, and if that tells of a start, later a
    /// [`Job::ResolveChildWorkflowExecution`](crate::Job::ResolveChildWorkflowExecution).
    StartChildWorkflowExecution {
        /// The operation's number.
        seq: Seq,
        /// The child's workflow id: the run's id and the number unless the workflow chose one.
        workflow_id: WorkflowId,
        /// The durable name of the child workflow.
        workflow_type: Arc<str>,
        /// The arguments.
        input: Vec<Payload>,
        /// What travels along.
        headers: Headers,
        /// How it is run; valid.
        options: ChildWorkflowOptions,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
    /// Requests the cancellation of a child workflow; what is answered, and when, is said by the
    /// child's cancellation type.
    CancelChildWorkflowExecution {
        /// The child.
        child_workflow_seq: Seq,
        /// Why, in the words of whoever asked.
        reason: String,
        /// Where the workflow issued the child.
        source: SourceLocation,
    },
    /// Requests the cancellation of another workflow; a
    /// [`Job::ResolveRequestCancelExternalWorkflow`](crate::Job::ResolveRequestCancelExternalWorkflow)
    /// answers.
    RequestCancelExternalWorkflowExecution {
        /// The operation's number.
        seq: Seq,
        /// The workflow.
        workflow_id: WorkflowId,
        /// Why, in the words of the workflow.
        reason: String,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
    /// The workflow returned a result.
    CompleteWorkflowExecution {
        /// The result.
        result: Payload,
    },
    /// The workflow returned a failure.
    FailWorkflowExecution {
        /// The failure.
        failure: Failure,
    },
    /// The workflow returned a failure whose chain holds a cancellation (rule FAIL-6).
    CancelWorkflowExecution {
        /// The failure.
        failure: Failure,
    },
    /// The workflow goes on in a new run (rule CNT-1).
    ContinueAsNewWorkflowExecution {
        /// The durable name of its workflow.
        workflow_type: Arc<str>,
        /// Its arguments.
        input: Vec<Payload>,
        /// What travels along.
        headers: Headers,
        /// What is changed of its options; valid.
        options: ContinueAsNewOptions,
        /// Where the workflow issued it.
        source: SourceLocation,
    },
}

/// What a workflow changes of the options of its next run: the others are those of this run
/// (rule CNT-2).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContinueAsNewOptions {
    /// The run's task queue.
    pub task_queue: Option<String>,
    /// How long the run may take.
    pub run_timeout: Option<Duration>,
    /// How the run is retried.
    pub retry_policy: Option<RetryPolicy>,
    /// How long the run sleeps before its first turn. Default not at all (rule CNT-3).
    pub backoff_start_interval: Option<Duration>,
}

impl Command {
    /// Whether the command ends the run.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::CompleteWorkflowExecution { .. }
                | Self::FailWorkflowExecution { .. }
                | Self::CancelWorkflowExecution { .. }
                | Self::ContinueAsNewWorkflowExecution { .. }
        )
    }
}
