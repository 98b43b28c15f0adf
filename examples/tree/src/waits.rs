//! What a run waits for, in words.

use entracte::{PendingActivityState, Timestamp, WorkflowDescription};

/// Puts what a run waits for into lines.
pub(crate) fn lines(run: &WorkflowDescription, now: Timestamp) -> Vec<String> {
    let WorkflowDescription { workflow_id, workflow_type, status, history_length, .. } = run;
    let mut lines = vec![
        format!("{workflow_id} ({workflow_type})"),
        format!("{status:?}, {history_length} events"),
    ];
    if run.cancel_requested {
        lines.push("was asked to cancel".to_owned());
    }
    if let Some(parked) = &run.parked {
        lines.push(format!("parked: {}", parked.cause));
    }
    for activity in &run.pending_activities {
        let name = format!("{} #{}", activity.activity_type, activity.attempt);
        lines.push(match (activity.state, activity.next_attempt_time) {
            (PendingActivityState::Started, _) => format!("waits for {name}"),
            (PendingActivityState::Queued, _) => format!("waits for {name}, in its queue"),
            (_, Some(at)) => {
                let left = at.saturating_since(now).as_secs_f32();
                format!("waits for {name}, in {left:.1}s")
            }
            (state, None) => format!("waits for {name}, {state:?}"),
        });
        if let Some(failure) = &activity.last_failure {
            lines.push(format!("  after: {failure}"));
        }
    }
    for timer in &run.pending_timers {
        let left = timer.due.saturating_since(now).as_secs_f32();
        lines.push(format!("waits for timer {}, in {left:.1}s", timer.timer_id));
    }
    for child in &run.pending_children {
        lines.push(format!("waits for child {}", child.workflow_id));
    }
    lines
}
