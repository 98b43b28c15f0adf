//! What leaves a run, and waits until the append is durable that it belongs to.

use entracte_model::{EventAttributes, Seq, Timestamp};
use entracte_workflow::CancelCause;

use super::origin::NewRun;
use super::pending_activity::RunningAttempt;
use crate::description::WorkflowDescription;
use crate::errors::{
    AsyncActivityError, PendingActivityError, RunError, SignalError, StartWorkflowError,
};
use crate::messages::{
    ActivityOperationReply, AsyncActivityReply, DescribeReply, DoneReply, HeartbeatAnswer,
    QueryReply, ResultReply, SignalReply, StartReply, StartedRun,
};

/// Something to do when the append that it belongs to is durable.
pub(super) enum Effect {
    /// Tell the client that its run has started.
    Started(Box<NewRun>),
    /// Run an attempt that has been admitted.
    StartAttempt { seq: Seq, attempt: u32 },
    /// Tell an attempt that its activity was paused or reset.
    TellAttempt { seq: Seq, attempt: u32, cause: CancelCause },
    /// Run the next attempt of a local activity.
    StartLocalActivity { seq: Seq },
    /// Tell a local activity that its workflow cancelled it.
    CancelLocalActivity { seq: Seq },
    /// Tell an attempt that its workflow cancelled it.
    CancelAttempt { seq: Seq },
    /// Stop the code of an attempt that was ended from elsewhere.
    StopCode { seq: Seq, code: Box<RunningAttempt> },
    /// Wait for a durable timer.
    StartTimer { seq: Seq, due: Timestamp },
    /// Wait no longer.
    StopTimer { seq: Seq },
    /// Wait for the end of an activity's back-off, or for its timeouts.
    Arm { seq: Seq },
    /// Wait until the failed turn is tried again.
    ArmTurnRetry { parking: u64, at: Timestamp },
    /// Send a signal to another workflow.
    SignalExternal { seq: Seq },
    /// Give a caller its answer.
    Answer(Answer),
    /// Give a caller what the run has published.
    AnswerQuery(Query),
    /// Tell further children that the run is closed.
    TellChildren,
    /// Wait for the end of the run's time.
    ArmRunTimeout,
    /// Wait for the end of the back-off before the run's first turn.
    ArmFirstTask,
    /// The run is closed: stop what is under it, and leave.
    Closed,
}

/// An answer that waits until what it tells of is durable.
pub(super) enum Answer {
    Start(StartReply, Result<StartedRun, StartWorkflowError>),
    Result(ResultReply, Box<EventAttributes>),
    Describe(DescribeReply, Box<WorkflowDescription>),
    Done(DoneReply, Result<(), RunError>),
    Signal(SignalReply, Result<(), SignalError>),
    AsyncActivity(AsyncActivityReply, Result<HeartbeatAnswer, AsyncActivityError>),
    ActivityOperation(ActivityOperationReply, Result<(), PendingActivityError>),
}

impl Answer {
    /// Gives the answer; a caller that does not wait any more misses nothing it cannot ask.
    pub(super) fn give(self) {
        match self {
            Self::Start(reply, answer) => drop(reply.send(answer)),
            Self::Result(reply, event) => drop(reply.send(Ok(*event))),
            Self::Describe(reply, description) => drop(reply.send(Ok(*description))),
            Self::Done(reply, answer) => drop(reply.send(answer)),
            Self::Signal(reply, answer) => drop(reply.send(answer)),
            Self::AsyncActivity(reply, answer) => drop(reply.send(answer)),
            Self::ActivityOperation(reply, answer) => drop(reply.send(answer)),
        }
    }
}

/// A query that waits for its answer.
pub(super) struct Query {
    pub(super) name: String,
    pub(super) reply: QueryReply,
}
