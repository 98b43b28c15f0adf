//! What a run waits for, for people to see.

use std::sync::Arc;
use std::time::Duration;

use entracte_model::{Seq, SourceLocation};

use crate::context::{Operation, OperationKind};

/// An operation that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// The operation's number.
    pub seq: Seq,
    /// What it is.
    pub kind: OutstandingKind,
    /// The durable name of an activity or a signal, the id of a timer.
    pub name: Arc<str>,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutstandingKind {
    /// An activity.
    Activity,
    /// A local activity.
    LocalActivity {
        /// The number of the attempt with which it begins, or goes on.
        attempt: u32,
        /// Whether a durable timer passes before that attempt.
        backs_off: bool,
    },
    /// A timer.
    Timer {
        /// How long after its start it fires.
        start_to_fire_timeout: Duration,
    },
    /// A signal to another workflow.
    ExternalSignal,
}

impl Outstanding {
    pub(crate) fn new(seq: Seq, operation: &Operation) -> Self {
        let (kind, name) = match &operation.kind {
            OperationKind::Activity { activity_type } => {
                (OutstandingKind::Activity, Arc::clone(activity_type))
            }
            OperationKind::LocalActivity(local) => {
                let (attempt, backs_off) = (local.attempt, local.backs_off);
                let kind = OutstandingKind::LocalActivity { attempt, backs_off };
                (kind, Arc::clone(&local.activity_type))
            }
            OperationKind::Timer { start_to_fire_timeout } => {
                let start_to_fire_timeout = *start_to_fire_timeout;
                (OutstandingKind::Timer { start_to_fire_timeout }, seq.to_string().into())
            }
            OperationKind::ExternalSignal { signal_name } => {
                (OutstandingKind::ExternalSignal, Arc::clone(signal_name))
            }
        };
        Self { seq: operation.number(seq), kind, name, source: operation.source.into() }
    }
}
