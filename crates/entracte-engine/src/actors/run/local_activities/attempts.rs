//! The attempts of local activities: when they start, and what follows their ends.

use std::sync::Arc;

use entracte_model::event::{LocalActivityMarker, LocalActivityOutcome};
use entracte_model::retry::{AttemptEnd, RetryDecision, decide};
use entracte_model::{Failure, FailureKind, Payload, Seq, TimeoutType};
use entracte_store::rows::ActivityOutcome;
use entracte_workflow::{ActivityCanceller, ActivityInfo, CancelCause};
use ractor::{ActorId, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use crate::actors::attempt::lost_attempt;
use crate::actors::heartbeats::Heartbeats;
use crate::actors::run::activities::{closing_outcome, uninvited_cancel};
use crate::actors::run::deadlines::timed_out;
use crate::actors::run::input::Input;
use crate::actors::run::pending_activity::RunningAttempt;
use crate::actors::run::reporting::report_attempt;
use crate::actors::run::state::{Mode, RunState};
use crate::messages::AttemptOutcome;

impl RunState {
    /// Whether the next attempt may start now.
    pub(in crate::actors::run) fn may_start_local(&mut self, seq: Seq) -> bool {
        if self.mode != Mode::Running || self.is_closed() {
            // It begins again in the next engine.
            return false;
        }
        let now = self.now();
        let Some(activity) = self.local.pending.get_mut(&seq) else { return false };
        if activity.running.is_some() || activity.closing || activity.local.backs_off {
            return false;
        }
        activity.next_attempt_at = None;
        if activity.expiration().is_some_and(|expiration| expiration < now) {
            // An error here means that this actor is out of date, and the journal says so.
            let _ = self.local_attempt_failed(seq, timed_out(TimeoutType::ScheduleToClose));
            return false;
        }
        activity.started_at = Some(now);
        true
    }

    /// What the attempt that is about to start knows of itself, and its arguments.
    pub(in crate::actors::run) fn local_attempt_info(
        &self,
        seq: Seq,
    ) -> Option<(ActivityInfo, Vec<Payload>)> {
        let activity = self.local.pending.get(&seq)?;
        let (local, rows) = (&activity.local, self.rows.as_ref()?);
        let started_time = activity.started_at.unwrap_or_else(|| self.now());
        let info = ActivityInfo {
            workflow_id: rows.run.workflow_id.clone(),
            workflow_type: rows.run.workflow_type.clone(),
            run_id: self.run_id,
            activity_id: local.activity_id.clone(),
            task_token: None,
            activity_type: local.activity_type.clone(),
            attempt: activity.attempt,
            task_queue: "".into(),
            scheduled_time: local.original_schedule_time,
            started_time,
            deadline: activity.timeouts.deadline(local.original_schedule_time, started_time),
            heartbeat_details: None,
            is_local: true,
            headers: local.headers.clone(),
        };
        Some((info, local.input.clone()))
    }

    /// The attempt runs.
    pub(in crate::actors::run) fn local_started(
        &mut self,
        seq: Seq,
        actor: ActorRef<()>,
        canceller: ActivityCanceller,
    ) {
        let now = self.now();
        let Some(activity) = self.local.pending.get_mut(&seq) else { return };
        let started = Instant::now();
        let left = activity.expiration().map(|expiration| expiration.saturating_since(now));
        activity.running = Some(RunningAttempt {
            heartbeats: Arc::new(Heartbeats::new(seq, activity.attempt, self.myself.clone(), 0)),
            actor,
            canceller,
            started,
            store_next: started,
            store_at: None,
            left,
            stopping: None,
        });
    }

    /// An attempt reports its end; one that the run no longer waits for is refused.
    pub(in crate::actors::run) fn local_attempt_ended(
        &mut self,
        seq: Seq,
        attempt: u32,
        outcome: AttemptOutcome,
    ) -> Result<(), ActorProcessingErr> {
        let running = self.local.pending.get(&seq).and_then(|activity| activity.running.as_ref());
        // A result that comes when the time is over is late (rule TMO-11).
        if running.is_some_and(|running| running.stopping.is_some())
            || !self.takes_local_end_of(seq, attempt)
        {
            return Ok(());
        }
        match outcome {
            Ok(result) => self.close_local(seq, LocalActivityOutcome::Completed { result }),
            Err(failure) => self.local_attempt_failed(seq, failure),
        }
    }

    /// Whether an end of this attempt still matters; it is taken once.
    pub(in crate::actors::run) fn takes_local_end_of(&mut self, seq: Seq, attempt: u32) -> bool {
        let listening = matches!(self.mode, Mode::Running | Mode::Draining);
        match self.local.pending.get_mut(&seq) {
            Some(activity) if listening && activity.attempt == attempt => {
                activity.running.take().is_some()
            }
            _ => false,
        }
    }

    /// The actor of an attempt is gone without a word.
    pub(in crate::actors::run) fn local_attempt_lost(
        &mut self,
        seq: Seq,
        attempt: u32,
        actor: ActorId,
    ) -> Result<(), ActorProcessingErr> {
        let running = self.local.pending.get(&seq).and_then(|activity| activity.running.as_ref());
        let Some(running) = running.filter(|running| running.actor.get_id() == actor) else {
            return Ok(());
        };
        let failure = match running.stopping {
            Some((which, _)) => timed_out(which),
            None => lost_attempt("its actor was stopped while it ran"),
        };
        if self.takes_local_end_of(seq, attempt) {
            self.local_attempt_failed(seq, failure)?;
        }
        Ok(())
    }

    /// Decides what follows a failed attempt, as for any activity (rules RET-11 to RET-16).
    pub(in crate::actors::run) fn local_attempt_failed(
        &mut self,
        seq: Seq,
        failure: Failure,
    ) -> Result<(), ActorProcessingErr> {
        let now = self.now();
        let is_draining = self.mode == Mode::Draining;
        let Some(activity) = self.local.pending.get_mut(&seq) else { return Ok(()) };
        if !activity.is_awaited {
            self.local.pending.remove(&seq);
            self.deadlines.forget(seq);
            return Ok(());
        }
        let cancel_requested = activity.cancel_requested;
        let failure = match failure.kind() {
            FailureKind::Canceled { details } if cancel_requested => {
                let details = details.clone();
                return self.close_local(seq, LocalActivityOutcome::Canceled { details });
            }
            // It has heard that the engine shuts down, and begins again in the next one
            // (rule LAC-6).
            FailureKind::Canceled { .. } if is_draining => return Ok(()),
            // Nobody asked it to cancel: a failure like any other (rule ACX-8).
            FailureKind::Canceled { details } => uninvited_cancel(&failure, details),
            _ => failure,
        };
        let options = &activity.local.options;
        let decision = decide(&AttemptEnd {
            policy: Some(&options.retry_policy),
            attempt: activity.attempt,
            failure: &failure,
            cancel_requested,
            paused: false,
            now,
            expiration: activity.expiration(),
        });
        let activity_type = &activity.local.activity_type;
        report_attempt(self.run_id, activity_type, activity.attempt, &failure, &decision);
        match decision {
            RetryDecision::Retry { delay } if delay > options.local_retry_threshold => {
                let backoff = LocalActivityOutcome::Backoff {
                    attempt: activity.attempt + 1,
                    backoff_duration: delay,
                    original_schedule_time: activity.local.original_schedule_time,
                    last_failure: Some(failure.within(Failure::LAST_FAILURE_BYTES_MAX)),
                };
                self.close_local(seq, backoff)
            }
            RetryDecision::Retry { delay } => {
                activity.attempt += 1;
                activity.next_attempt_at = Some(now.saturating_add(delay));
                activity.last_failure = Some(failure.within(Failure::LAST_FAILURE_BYTES_MAX));
                self.arm(seq);
                Ok(())
            }
            // Only of what is paused, which no local activity is.
            RetryDecision::Wait => Ok(()),
            RetryDecision::Close(retry_state) => {
                let last_failure = activity.last_failure.clone();
                let outcome = closing_outcome(failure, retry_state, last_failure, None);
                self.close_local(seq, local_outcome(outcome))
            }
        }
    }

    /// The workflow has asked the activity to cancel, or does not wait for it any more: the
    /// attempt is told directly (rule LAC-5).
    pub(in crate::actors::run) fn cancel_local(&mut self, seq: Seq) {
        let Some(activity) = self.local.pending.get_mut(&seq) else { return };
        match &activity.running {
            Some(running) => {
                running.canceller.cancel(CancelCause::Cancelled);
            }
            // Between two attempts: it is cancelled at once.
            None => {
                let _ = self.close_local(seq, LocalActivityOutcome::Canceled { details: None });
            }
        }
    }

    /// The activity has come to its end, or to a durable timer: the workflow takes a turn.
    fn close_local(
        &mut self,
        seq: Seq,
        outcome: LocalActivityOutcome,
    ) -> Result<(), ActorProcessingErr> {
        let Some(activity) = self.local.pending.get_mut(&seq) else { return Ok(()) };
        if !activity.is_awaited {
            self.local.pending.remove(&seq);
            self.deadlines.forget(seq);
            return Ok(());
        }
        if std::mem::replace(&mut activity.closing, true) {
            return Ok(());
        }
        activity.next_attempt_at = None;
        let local = &activity.local;
        let marker = LocalActivityMarker {
            seq,
            activity_id: local.activity_id.clone(),
            activity_type: local.activity_type.clone(),
            attempt: activity.attempt,
            outcome,
            source: local.source.clone(),
        };
        self.submit(Input::LocalActivityEnded(marker))
    }
}

/// The end of an activity as that of a local one, for which a timeout is a failure.
fn local_outcome(outcome: ActivityOutcome) -> LocalActivityOutcome {
    match outcome {
        ActivityOutcome::Completed { result } => LocalActivityOutcome::Completed { result },
        ActivityOutcome::Canceled { details } => LocalActivityOutcome::Canceled { details },
        ActivityOutcome::Failed { failure, retry_state }
        | ActivityOutcome::TimedOut { failure, retry_state } => {
            LocalActivityOutcome::Failed { failure, retry_state }
        }
    }
}
