//! How many operations may be pending (rule LIM-6).

use entracte_model::{Failure, PendingLimits, Seq};

use super::{Core, State};
use crate::context::operation::OperationKind;
use crate::machine::PendingCounts;

/// The kinds of operations that are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limited {
    Activities,
    Children,
    ExternalSignals,
    ExternalCancels,
}

impl Limited {
    pub(super) fn of(kind: &OperationKind) -> Option<Self> {
        match kind {
            OperationKind::Activity { .. } => Some(Self::Activities),
            OperationKind::ChildWorkflow { .. } => Some(Self::Children),
            OperationKind::ExternalSignal { .. } => Some(Self::ExternalSignals),
            OperationKind::ExternalCancel { .. } => Some(Self::ExternalCancels),
            OperationKind::LocalActivity(_) | OperationKind::Timer { .. } => None,
        }
    }

    fn count(self, pending: &mut PendingCounts) -> &mut u32 {
        match self {
            Self::Activities => &mut pending.activities,
            Self::Children => &mut pending.children,
            Self::ExternalSignals => &mut pending.external_signals,
            Self::ExternalCancels => &mut pending.external_cancels,
        }
    }

    fn limit(self, limits: &PendingLimits) -> u32 {
        match self {
            Self::Activities => limits.activities,
            Self::Children => limits.children,
            Self::ExternalSignals => limits.external_signals,
            Self::ExternalCancels => limits.external_cancels,
        }
    }

    /// Temporal's cause and its name for what is pending.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Activities => ("PendingActivitiesLimitExceeded", "activities"),
            Self::Children => ("PendingChildWorkflowsLimitExceeded", "child workflow executions"),
            Self::ExternalSignals => {
                ("PendingSignalsLimitExceeded", "signals to external workflows")
            }
            Self::ExternalCancels => {
                ("PendingRequestCancelLimitExceeded", "requests to cancel external workflows")
            }
        }
    }
}

impl Core {
    /// Whether one more may be pending; if not, the failure of the call.
    ///
    /// Both sides of the comparison come from the history: what is pending, and the limits in
    /// the run's first event. So a replay refuses what was refused, and nothing else.
    pub(crate) fn admit_pending(&self, what: Limited) -> Result<(), Failure> {
        let limit = what.limit(&self.info.limits);
        let pending = *what.count(&mut self.lock().pending);
        if pending < limit {
            return Ok(());
        }
        let (kind, name) = what.names();
        let message = format!(
            "the number of pending {name}, {pending}, has reached the per-workflow limit of {limit}"
        );
        Err(Failure::non_retryable(kind, message))
    }
}

impl State {
    pub(super) fn count_issued(&mut self, kind: &OperationKind) {
        if let Some(what) = Limited::of(kind) {
            *what.count(&mut self.pending) += 1;
        }
    }

    /// Takes the command back that starts an operation, if it has not left the workflow.
    pub(super) fn takes_back(&mut self, number: Seq, limited: Option<Limited>) -> bool {
        let is_there = self.commands.remove(&number).is_some();
        if is_there && let Some(what) = limited {
            let count = what.count(&mut self.pending);
            *count = count.saturating_sub(1);
        }
        is_there
    }
}
