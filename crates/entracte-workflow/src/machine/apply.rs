//! What each job does to a workflow before that is polled.

use entracte_model::{RunId, Timestamp};

use super::{Job, PendingCounts, TurnFailure};
use crate::context::{Core, UnreadSignal};

/// What holds for each job of an activation.
pub(crate) struct JobHead {
    pub(super) run_id: RunId,
    pub(crate) time: Timestamp,
    pub(crate) is_replaying: bool,
    pub(crate) history_length: u64,
    pub(crate) history_size: u64,
    /// What was pending before the first job; none afterwards, when the machine knows better.
    pub(crate) pending: Option<PendingCounts>,
}

pub(super) fn apply_to(core: &Core, job: Job) -> Result<(), TurnFailure> {
    let (known, what, seq) = match job {
        Job::FireTimer { seq } => (core.fire_timer(seq), "timer", seq),
        Job::ResolveActivity { seq, resolution, is_local } => {
            (core.resolve_activity(seq, resolution, is_local), "activity", seq)
        }
        Job::ResolveSignalExternalWorkflow { seq, failure } => {
            (core.resolve_external_signal(seq, failure), "signal", seq)
        }
        Job::ResolveRequestCancelExternalWorkflow { seq, failure } => {
            (core.resolve_external_cancel(seq, failure), "request to cancel", seq)
        }
        Job::ResolveChildWorkflowExecutionStart { seq, resolution } => {
            (core.resolve_child_start(seq, resolution), "child", seq)
        }
        Job::ResolveChildWorkflowExecution { seq, resolution } => {
            (core.resolve_child(seq, resolution), "child", seq)
        }
        Job::SignalWorkflow { signal_name, input, headers, originating_event_id, request_id } => {
            let event_id = originating_event_id;
            core.signal(signal_name, UnreadSignal { event_id, input, headers, request_id });
            return Ok(());
        }
        Job::CancelWorkflow { reason } => {
            core.cancel(reason);
            return Ok(());
        }
        Job::InitializeWorkflow(_) => {
            return Err(TurnFailure::internal("the run has already begun"));
        }
    };
    if known {
        return Ok(());
    }
    Err(TurnFailure::internal(format_args!("the run has issued no {what} with number {seq}")))
}
