//! Activities: what follows the end of an attempt.

use entracte_model::failure::ApplicationFailure;
use entracte_model::retry::{AttemptEnd, RetryDecision, decide};
use entracte_model::{
    Failure, FailureKind, Payload, RetryState, Seq, TaskToken, TimeoutType, Timestamp,
};
use entracte_store::rows::{ActivityClosed, ActivityOutcome};
use entracte_workflow::is_result_pending;
use ractor::{ActorId, ActorProcessingErr};

use super::deadlines::timed_out;
use super::effect::Effect;
use super::heartbeats::take_heartbeat;
use super::input::Input;
use super::pending_activity::{PendingActivity, Standing};
use super::reporting::report_attempt;
use super::state::{Child, Mode, RunState};
use crate::actors::attempt::lost_attempt;
use crate::messages::AttemptOutcome;

impl RunState {
    /// An attempt reports its end; one that the run no longer waits for is refused.
    pub(super) fn attempt_ended(
        &mut self,
        seq: Seq,
        attempt: u32,
        outcome: AttemptOutcome,
    ) -> Result<(), ActorProcessingErr> {
        if self.local.pending.contains_key(&seq) {
            return self.local_attempt_ended(seq, attempt, outcome);
        }
        let stopping = |activity: &PendingActivity| {
            activity.running.as_ref().is_some_and(|running| running.stopping.is_some())
        };
        // A result that comes when the time is over is late (rule TMO-11).
        if self.activities.get(&seq).is_some_and(stopping) || !self.takes_end_of(seq, attempt) {
            return Ok(());
        }
        let run_id = self.run_id;
        match outcome {
            Ok(result) => self.close_activity(seq, ActivityOutcome::Completed { result }),
            Err(failure) if is_result_pending(&failure, TaskToken { run_id, seq, attempt }) => {
                self.leave_result_pending(seq);
                Ok(())
            }
            Err(failure) => self.attempt_failed(seq, attempt, failure),
        }
    }

    /// Whether an end of this attempt still matters; it is taken once, with what the attempt had
    /// to tell last (rule HB-3).
    pub(super) fn takes_end_of(&mut self, seq: Seq, attempt: u32) -> bool {
        let listening = matches!(self.mode, Mode::Running | Mode::Draining);
        let now = self.now();
        match self.activities.get_mut(&seq) {
            Some(activity) if listening && activity.row.attempt == attempt => {
                take_heartbeat(activity, now);
                activity.running.take().is_some()
            }
            _ => false,
        }
    }

    /// An actor under the run is gone. By now everything that it sent has been handled.
    pub(super) fn child_exited(&mut self, actor: ActorId) -> Result<(), ActorProcessingErr> {
        match self.take_child(actor) {
            Some(Child::Attempt { seq, attempt }) => {
                self.code_is_gone(seq, actor);
                let running = self.activities.get(&seq).and_then(|it| it.running.as_ref());
                if let Some(running) = running.filter(|running| running.actor.get_id() == actor) {
                    let failure = match running.stopping {
                        Some((which, _)) => timed_out(which),
                        None => lost_attempt("its actor was stopped while it ran"),
                    };
                    if self.takes_end_of(seq, attempt) {
                        self.attempt_failed(seq, attempt, failure)?;
                    }
                }
            }
            Some(Child::LocalAttempt { seq, attempt }) => {
                self.local_attempt_lost(seq, attempt, actor)?;
            }
            Some(Child::Timer { seq }) => {
                let is_current = self.timers.get(&seq).is_some_and(|timer| timer.get_id() == actor);
                if is_current {
                    // It was stopped before its time: another one takes its place.
                    self.timers.remove(&seq);
                    if let Some(timer) = self.history.timers.get(&seq) {
                        self.ready.push_back(Effect::StartTimer { seq, due: timer.due });
                    }
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Decides what follows a failed attempt (rules RET-11 to RET-16).
    pub(super) fn attempt_failed(
        &mut self,
        seq: Seq,
        attempt: u32,
        failure: Failure,
    ) -> Result<(), ActorProcessingErr> {
        if self.is_closed() {
            // What it leaves behind is being deleted.
            return Ok(());
        }
        let now = self.now();
        let activity = self.activities.get(&seq).filter(|it| it.row.attempt == attempt);
        let Some(activity) = activity else { return Ok(()) };
        let Some(scheduled) = self.history.activities.get(&seq) else { return Ok(()) };
        let cancel_requested = activity.row.cancel_requested;
        let failure = match (failure.kind(), cancel_requested) {
            (FailureKind::Canceled { details }, true) => {
                let details = details.clone();
                return self.close_activity(seq, ActivityOutcome::Canceled { details });
            }
            // Nobody asked it to cancel: a failure like any other (rule ACX-8).
            (FailureKind::Canceled { details }, false) => uninvited_cancel(&failure, details),
            _ => failure,
        };
        let decision = decide(&AttemptEnd {
            policy: Some(&activity.options(scheduled).retry_policy),
            // After a reset the next attempt is the first, whatever the policy has left.
            attempt: if activity.row.reset.is_some() { 0 } else { activity.row.attempt_number() },
            failure: &failure,
            cancel_requested,
            paused: activity.row.pause.is_some(),
            now,
            expiration: activity.timeouts.expiration(activity.scheduled_time),
        });
        report_attempt(self.run_id, &scheduled.activity_type, attempt, &failure, &decision);
        match decision {
            RetryDecision::Retry { delay } => {
                self.retry_activity(seq, failure, Some(now.saturating_add(delay)));
                Ok(())
            }
            RetryDecision::Wait => {
                self.retry_activity(seq, failure, None);
                Ok(())
            }
            RetryDecision::Close(retry_state) => {
                let last_failure = activity.row.last_failure.clone();
                let details = activity.row.heartbeat_details.clone();
                let outcome = closing_outcome(failure, retry_state, last_failure, details);
                self.close_activity(seq, outcome)
            }
        }
    }

    /// Keeps what the next attempt needs; retries leave no events (rule RET-19). Without a time
    /// it waits until the activity is unpaused.
    fn retry_activity(&mut self, seq: Seq, failure: Failure, at: Option<Timestamp>) {
        let key = self.pending_key(seq);
        let due_key = at.map(|at| self.retry_key(seq, at));
        let mut change = self.change();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        activity.row.attempt += 1;
        if let Some(reset) = activity.row.reset.take() {
            activity.row.forget_attempts(reset.heartbeat);
        }
        activity.row.admitted_at = None;
        activity.row.result_pending = false;
        activity.row.next_attempt_at = at.unwrap_or(change.time);
        // The whole failure was judged; what is kept of it is bounded (rule RET-20).
        activity.row.last_failure = Some(failure.within(Failure::LAST_FAILURE_BYTES_MAX));
        activity.row.last_attempt_ended_at = Some(change.time);
        activity.due = at;
        change.rows.put_pending(key, &activity.row);
        if let Some(due_key) = due_key {
            change.rows.put_due(due_key);
        }
        change.effects.push(Effect::Arm { seq });
        self.append(change);
    }

    /// An attempt that was admitted cannot be started any more: it waits for the next engine,
    /// and does not count as lost.
    pub(super) fn put_back(&mut self, seq: Seq) {
        let key = self.pending_key(seq);
        let mut change = self.change();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        activity.standing = Standing::Outside;
        if let Some(reset) = activity.row.reset.take() {
            // It was to hold from the attempt after this one on, which has not run.
            activity.row.forget_attempts(reset.heartbeat);
        }
        activity.row.admitted_at = None;
        change.rows.put_pending(key, &activity.row);
        self.append(change);
    }

    /// The activity has come to its end: the workflow takes a turn.
    pub(super) fn close_activity(
        &mut self,
        seq: Seq,
        outcome: ActivityOutcome,
    ) -> Result<(), ActorProcessingErr> {
        let Some(activity) = self.activities.get_mut(&seq) else { return Ok(()) };
        if std::mem::replace(&mut activity.closing, true) {
            return Ok(());
        }
        activity.standing = Standing::Outside;
        let row = &activity.row;
        let closed = ActivityClosed {
            seq,
            scheduled_event_id: row.scheduled_event_id,
            attempt: row.attempt_number(),
            started_at: row.admitted_at,
            last_failure: row.last_failure.clone(),
            outcome,
        };
        self.submit(Input::ActivityClosed(closed))
    }
}

pub(super) fn uninvited_cancel(failure: &Failure, details: &Option<Payload>) -> Failure {
    let text = format!("unexpected activity cancel error: {failure}");
    let application = ApplicationFailure {
        r#type: "CancelledError".to_owned(),
        details: details.clone(),
        ..ApplicationFailure::default()
    };
    Failure::new(FailureKind::Application(application), text)
}

/// The outcome of an activity whose last attempt failed (rules RET-13 and RET-15).
pub(super) fn closing_outcome(
    failure: Failure,
    retry_state: RetryState,
    last_failure: Option<Failure>,
    last_heartbeat_details: Option<Payload>,
) -> ActivityOutcome {
    let FailureKind::Timeout { timeout_type, .. } = failure.kind() else {
        return ActivityOutcome::Failed { failure, retry_state };
    };
    let rewritten =
        retry_state == RetryState::Timeout && *timeout_type != TimeoutType::ScheduleToStart;
    let (timeout_type, message) = if rewritten {
        (
            TimeoutType::ScheduleToClose,
            "Not enough time to schedule next retry before activity ScheduleToClose timeout, \
             giving up retrying",
        )
    } else {
        (*timeout_type, failure.message())
    };
    let kind = FailureKind::Timeout { timeout_type, last_heartbeat_details };
    let failure = Failure::new(kind, message);
    let failure = match last_failure {
        Some(last) => failure.with_cause(last),
        None => failure,
    };
    ActivityOutcome::TimedOut { failure, retry_state }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ret_13_a_timeout_without_time_for_another_attempt_is_schedule_to_close() {
        let timeout = Failure::timeout(TimeoutType::StartToClose, "activity StartToClose timeout");
        let outcome = closing_outcome(timeout, RetryState::Timeout, None, None);
        let ActivityOutcome::TimedOut { failure, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.timeout_type(), Some(TimeoutType::ScheduleToClose));
    }

    #[test]
    fn ret_15_a_timeout_carries_the_failure_of_the_attempt_before() {
        let timeout = Failure::timeout(TimeoutType::StartToClose, "activity StartToClose timeout");
        let last = Failure::application("E", "first try");
        let state = RetryState::MaximumAttemptsReached;
        let details = Payload::encode(&3).ok();
        let outcome = closing_outcome(timeout, state, Some(last.clone()), details);
        let ActivityOutcome::TimedOut { failure, retry_state } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(failure.cause(), Some(&last));
        assert_eq!(failure.details::<u32>(), Some(Ok(3)));
        assert_eq!(retry_state, state);
    }

    #[test]
    fn acx_8_an_uninvited_cancel_is_a_retryable_failure() {
        let failure = uninvited_cancel(&Failure::canceled(), &None);
        assert!(failure.is_retryable(&[]));
        assert_eq!(failure.application_type(), Some("CancelledError"));
    }
}
