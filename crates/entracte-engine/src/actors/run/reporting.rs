//! What is logged of failures: a warning, or quietly if they are benign (rule FAIL-8).

use entracte_model::retry::RetryDecision;
use entracte_model::{EventAttributes, Failure, RunId};

use super::state::RunState;

/// Reports an attempt that failed, timed out or was lost, and whether another one follows.
pub(super) fn report_attempt(
    run_id: RunId,
    activity_type: &str,
    attempt: u32,
    failure: &Failure,
    decision: &RetryDecision,
) {
    let retried = matches!(decision, RetryDecision::Retry { .. });
    if failure.is_benign() {
        tracing::debug!(
            workflow.run_id = %run_id,
            activity.name = activity_type,
            activity.attempt = attempt,
            retried,
            %failure,
            "an attempt failed, as may be expected"
        );
    } else {
        tracing::warn!(
            workflow.run_id = %run_id,
            activity.name = activity_type,
            activity.attempt = attempt,
            retried,
            %failure,
            "an attempt failed"
        );
    }
}

impl RunState {
    /// Reports that the run has failed, if that is how it closed.
    pub(super) fn report_close(&self) {
        let Some(EventAttributes::WorkflowExecutionFailed(failed)) = &self.close_event else {
            return;
        };
        let failure = &failed.failure;
        let workflow_type = self.workflow_type().unwrap_or_default();
        if failure.is_benign() {
            tracing::debug!(
                workflow.run_id = %self.run_id,
                workflow.name = %workflow_type,
                %failure,
                "a run failed, as may be expected"
            );
        } else {
            tracing::warn!(
                workflow.run_id = %self.run_id,
                workflow.name = %workflow_type,
                %failure,
                "a run failed"
            );
        }
    }
}
