//! Local activities, as whoever runs their attempts must know them.

use std::sync::Arc;

use entracte_model::failure::ActivityFailure;
use entracte_model::{
    Failure, Headers, LocalActivityOptions, Payload, RetryState, Seq, SourceLocation, Timestamp,
};

use super::Command;

/// A local activity that the workflow waits for.
///
/// Nothing in the history tells of it before it ends, so whoever runs its attempts takes it
/// from the machine: live, after the turn that changed it, and from the rebuilt machine when a
/// run is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalActivity {
    /// The number under which it was scheduled last; while it [backs off](Self::backs_off), the
    /// number of the durable timer.
    pub seq: Seq,
    /// Its id: its first number in decimal, also after a durable timer.
    pub activity_id: Arc<str>,
    /// Its durable name.
    pub activity_type: Arc<str>,
    /// The arguments.
    pub input: Vec<Payload>,
    /// What travels along with the call.
    pub headers: Headers,
    /// How it is run; valid.
    pub options: LocalActivityOptions,
    /// The number of the attempt with which it begins, or goes on after the durable timer.
    pub attempt: u32,
    /// When it was scheduled last.
    pub scheduled_time: Timestamp,
    /// When it was scheduled first: from then on its schedule-to-close timeout counts.
    pub original_schedule_time: Timestamp,
    /// Why the attempt before the durable timer failed, if there was one.
    pub last_failure: Option<Failure>,
    /// Whether a durable timer passes before its next attempt (rule LAC-3).
    pub backs_off: bool,
    /// Whether the run asked it to cancel and waits for what it does.
    pub cancel_requested: bool,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

impl LocalActivity {
    /// The command that schedules it, for the first time or after a durable timer.
    pub(crate) fn schedule(&self) -> Command {
        Command::ScheduleLocalActivity {
            seq: self.seq,
            activity_id: Arc::clone(&self.activity_id),
            activity_type: Arc::clone(&self.activity_type),
            input: self.input.clone(),
            headers: self.headers.clone(),
            options: self.options.clone(),
            attempt: self.attempt,
            original_schedule_time: self.original_schedule_time,
            source: self.source.clone(),
        }
    }

    /// How its cancellation looks to the workflow.
    pub(crate) fn cancelled(&self) -> Failure {
        let (id, name) = (&self.activity_id, &self.activity_type);
        local_failure(id, name, RetryState::CancelRequested, Failure::canceled())
    }
}

/// The failure of a local activity, wrapped as that of any activity (rule FAIL-1).
pub(crate) fn local_failure(
    activity_id: &str,
    activity_type: &str,
    retry_state: RetryState,
    cause: Failure,
) -> Failure {
    let wrapper = ActivityFailure {
        activity_id: activity_id.to_owned(),
        activity_type: activity_type.to_owned(),
        retry_state,
        ..ActivityFailure::default()
    };
    Failure::activity(wrapper, cause)
}
