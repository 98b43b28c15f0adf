//! An operation that a workflow has issued and that something still waits for.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use entracte_model::{Failure, RunId, Seq, WorkflowId};

use super::core::ScopeId;
use crate::machine::{ActivityResolution, ChildResolution, LocalActivity};

/// What an operation is, as far as it must be known while it is pending.
#[derive(Debug, Clone)]
pub(crate) enum OperationKind {
    Activity { activity_type: Arc<str> },
    LocalActivity(Box<LocalActivity>),
    Timer { start_to_fire_timeout: Duration },
    ExternalSignal { signal_name: Arc<str> },
    ExternalCancel { workflow_id: WorkflowId },
    ChildWorkflow { workflow_type: Arc<str>, workflow_id: WorkflowId, start: ChildStart },
}

/// What is known of the start of a child workflow.
#[derive(Debug, Clone)]
pub(crate) enum ChildStart {
    /// Nothing yet; whoever waits for it.
    Pending(Option<Waker>),
    Started(RunId),
    /// It was not started, or its end is known without its start.
    Over,
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Activity(ActivityResolution),
    Fired,
    /// The timer ended early because its scope was cancelled.
    TimerCancelled,
    /// The signal to another workflow has arrived, or why it has not.
    ExternalSignal(Result<(), Failure>),
    /// Another workflow knows that it is asked to cancel, or why it is not asked.
    ExternalCancel(Result<(), Failure>),
    Child(ChildResolution),
}

#[derive(Debug)]
pub(crate) enum Progress {
    Pending(Option<Waker>),
    Done(Outcome),
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: OperationKind,
    pub(crate) source: &'static Location<'static>,
    pub(crate) progress: Progress,
    /// Whose cancellation concerns it.
    pub(crate) scope: ScopeId,
    pub(crate) cancel_requested: bool,
    /// Whether nothing waits for it any more, while a cancellation still reaches it: a child
    /// workflow whose handle was dropped.
    pub(crate) is_detached: bool,
}

impl Operation {
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.progress, Progress::Pending(_))
    }

    /// Whether its end can wake the run.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_pending() && !self.is_detached
    }

    /// The number under which the operation is known outside, at the moment: a local activity
    /// that goes on after a durable timer gets another one.
    pub(crate) fn number(&self, seq: Seq) -> Seq {
        match &self.kind {
            OperationKind::LocalActivity(local) => local.seq,
            _ => seq,
        }
    }

    /// Ends the operation; gives the waker of whoever waits, to be woken once the lock is free.
    pub(crate) fn resolve(&mut self, outcome: Outcome) -> Option<Waker> {
        match std::mem::replace(&mut self.progress, Progress::Done(outcome)) {
            Progress::Pending(waker) => waker,
            Progress::Done(_) => None,
        }
    }
}
