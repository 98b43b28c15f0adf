//! An operation that a workflow has issued and that something still waits for.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use entracte_model::{Failure, Seq};

use crate::machine::{ActivityResolution, LocalActivity};

/// What an operation is, as far as it must be known while it is pending.
#[derive(Debug, Clone)]
pub(crate) enum OperationKind {
    Activity { activity_type: Arc<str> },
    LocalActivity(Box<LocalActivity>),
    Timer { start_to_fire_timeout: Duration },
    ExternalSignal { signal_name: Arc<str> },
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Activity(ActivityResolution),
    Fired,
    /// The timer ended early because the run was asked to cancel.
    TimerCancelled,
    /// The signal to another workflow has arrived, or why it has not.
    ExternalSignal(Result<(), Failure>),
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
    /// Whether the run's cancellation passes it by.
    pub(crate) shielded: bool,
    pub(crate) cancel_requested: bool,
}

impl Operation {
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.progress, Progress::Pending(_))
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
