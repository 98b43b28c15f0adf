//! What is logged of failures: a warning, or quietly if they are benign (rule FAIL-8).

use entracte_model::{EventAttributes, Failure, Seq};

use super::state::RunState;

impl RunState {
    /// Reports an attempt that failed, timed out or was lost.
    pub(super) fn report_attempt(&self, seq: Seq, attempt: u32, failure: &Failure, retried: bool) {
        let scheduled = self.history.activities.get(&seq);
        let activity_type = scheduled.map_or("", |scheduled| &*scheduled.activity_type);
        if failure.is_benign() {
            tracing::debug!(
                workflow.run_id = %self.run_id,
                activity.name = activity_type,
                activity.attempt = attempt,
                retried,
                %failure,
                "an attempt failed, as may be expected"
            );
        } else {
            tracing::warn!(
                workflow.run_id = %self.run_id,
                activity.name = activity_type,
                activity.attempt = attempt,
                retried,
                %failure,
                "an attempt failed"
            );
        }
    }

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
