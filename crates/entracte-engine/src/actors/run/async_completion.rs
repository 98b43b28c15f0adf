//! Attempts that are ended from elsewhere than their code (rules ASY-1 and ASY-2).
//!
//! Code that returns that its result is pending leaves an attempt behind that has no actor and
//! holds nothing. It is a field of the activity's row from then on: a crash before that is
//! durable loses the attempt, a crash after it does not. Whoever ends an attempt is answered
//! when the end is durable: as events, as a row in the inbox, or as the wait for the next one.

use entracte_model::{Payload, RunId, Seq};
use entracte_store::rows::ActivityOutcome;
use ractor::{ActorId, ActorProcessingErr};
use tokio::time::Instant;

use super::deadlines::STOP_PATIENCE;
use super::effect::{Answer, Effect};
use super::heartbeats::take_heartbeat;
use super::pending_activity::{LeavingCode, RunningAttempt};
use super::state::{Mode, RunState};
use crate::errors::{ActivityNotFound, AsyncActivityError, EngineStopped, ParkCause, RunError};
use crate::messages::{AsyncActivityAction, AsyncActivityCall, AttemptTarget, HeartbeatAnswer};

/// Why nothing can be done to the activities of a run.
pub(super) enum Unusable {
    NotFound(ActivityNotFound),
    History { run_id: RunId, cause: ParkCause },
    EngineStopped(EngineStopped),
}

impl From<Unusable> for AsyncActivityError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotFound(not_found) => not_found.into(),
            Unusable::History { run_id, cause } => Self::HistoryUnusable { run_id, cause },
            Unusable::EngineStopped(stopped) => stopped.into(),
        }
    }
}

impl RunState {
    /// The code of an attempt has returned, and its result comes from elsewhere.
    pub(super) fn leave_result_pending(&mut self, seq: Seq) {
        if self.is_closed() {
            return;
        }
        let key = self.pending_key(seq);
        let mut change = self.change();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        activity.row.result_pending = true;
        change.rows.put_pending(key, &activity.row);
        change.effects.push(Effect::Arm { seq });
        self.append(change);
    }

    pub(super) fn async_activity(
        &mut self,
        call: AsyncActivityCall,
    ) -> Result<(), ActorProcessingErr> {
        let AsyncActivityCall { target, action, reply } = call;
        let answer = match self.find_attempt(&target, &action) {
            Ok(seq) => self.act_on_attempt(seq, action)?,
            Err(refusal) => Err(refusal),
        };
        self.answer(Answer::AsyncActivity(reply, answer));
        Ok(())
    }

    /// The activity whose attempt is meant, if something can be told it.
    fn find_attempt(
        &self,
        target: &AttemptTarget,
        action: &AsyncActivityAction,
    ) -> Result<Seq, AsyncActivityError> {
        if let Some(unusable) = self.unusable_activities() {
            return Err(unusable.into());
        }
        let run_id = self.run_id;
        let (seq, activity, token) = match target {
            AttemptTarget::Token(token) => (Some(token.seq), token.seq.to_string(), Some(*token)),
            AttemptTarget::Id(id) => (self.seq_of_activity_id(id), id.clone(), None),
        };
        let pending = seq.and_then(|seq| Some((seq, self.activities.get(&seq)?)));
        let Some((seq, pending)) = pending.filter(|(_, pending)| !pending.closing) else {
            return Err(ActivityNotFound::NotPending { run_id, activity }.into());
        };
        let is_meant = token.is_none_or(|token| token.attempt == pending.row.attempt);
        // An operator may complete what waits for its next attempt, but only by its id.
        let is_forced = matches!(action, AsyncActivityAction::Complete(_))
            && token.is_none()
            && pending.running.is_none();
        if is_meant && (pending.is_under_way() || is_forced) {
            return Ok(seq);
        }
        Err(ActivityNotFound::Attempt { run_id, activity, token }.into())
    }

    /// Why nothing can be done to the run's activities, if that is so.
    pub(super) fn unusable_activities(&self) -> Option<Unusable> {
        let run_id = self.run_id;
        if self.is_closed() {
            return Some(Unusable::NotFound(ActivityNotFound::RunClosed { run_id }));
        }
        if let Some(RunError::HistoryUnusable { run_id, cause }) = self.refusal_of_inputs() {
            return Some(Unusable::History { run_id, cause });
        }
        if !matches!(self.mode, Mode::Running | Mode::Draining) {
            let stopped = self.shared.health.stopped();
            return Some(Unusable::EngineStopped(stopped.unwrap_or_else(EngineStopped::killed)));
        }
        None
    }

    pub(super) fn seq_of_activity_id(&self, id: &str) -> Option<Seq> {
        let mut activities = self.history.activities.iter();
        activities.find(|(_, scheduled)| *scheduled.activity_id == *id).map(|(seq, _)| *seq)
    }

    fn act_on_attempt(
        &mut self,
        seq: Seq,
        action: AsyncActivityAction,
    ) -> Result<Result<HeartbeatAnswer, AsyncActivityError>, ActorProcessingErr> {
        let Some(activity) = self.activities.get(&seq) else {
            return Ok(Ok(HeartbeatAnswer::default()));
        };
        let (attempt, answer) = (activity.row.attempt, activity.heartbeat_answer());
        match action {
            AsyncActivityAction::Heartbeat(details) => {
                self.store_heartbeat_from_elsewhere(seq, details);
                return Ok(Ok(answer));
            }
            AsyncActivityAction::ReportCancelled(_) if !answer.cancel_requested => {
                let scheduled = self.history.activities.get(&seq);
                let activity = scheduled.map(|it| it.activity_id.to_string()).unwrap_or_default();
                let run_id = self.run_id;
                return Ok(Err(AsyncActivityError::CancelNotRequested { run_id, activity }));
            }
            _ => {}
        }
        let code = self.detach_code(seq);
        match action {
            AsyncActivityAction::Complete(result) => {
                self.close_activity(seq, ActivityOutcome::Completed { result })?;
            }
            AsyncActivityAction::ReportCancelled(details) => {
                self.close_activity(seq, ActivityOutcome::Canceled { details })?;
            }
            AsyncActivityAction::Fail(failure) => self.attempt_failed(seq, attempt, failure)?,
            AsyncActivityAction::Heartbeat(_) => {}
        }
        // Whatever cannot have its turn now must not be in memory alone when it is answered.
        self.keep_inputs();
        if let Some(code) = code {
            self.after_commit(Effect::StopCode { seq, code: Box::new(code) });
        }
        Ok(Ok(answer))
    }

    /// Takes the attempt's code off its activity, with what it had to tell last. The code is
    /// told and stopped when the end is durable.
    fn detach_code(&mut self, seq: Seq) -> Option<RunningAttempt> {
        let now = self.now();
        let activity = self.activities.get_mut(&seq)?;
        // Its start is told by an event, also if there was none (as Temporal's server does).
        activity.row.admitted_at.get_or_insert(now);
        take_heartbeat(activity, now);
        let code = activity.running.take()?;
        activity.leaving_code = Some(LeavingCode { actor: code.actor.get_id(), until: None });
        Some(code)
    }

    pub(super) fn stop_code(&mut self, seq: Seq, code: &RunningAttempt) {
        code.canceller.cancel(entracte_workflow::CancelCause::EndedElsewhere);
        code.actor.kill();
        if let Some(activity) = self.activities.get_mut(&seq)
            && let Some(leaving) = &mut activity.leaving_code
        {
            leaving.until = Some(Instant::now() + STOP_PATIENCE);
            self.arm(seq);
        }
    }

    /// An attempt's actor is gone: if it was ended from elsewhere, the next attempt may start.
    pub(super) fn code_is_gone(&mut self, seq: Seq, actor: ActorId) {
        if let Some(activity) = self.activities.get_mut(&seq)
            && activity.leaving_code.is_some_and(|leaving| leaving.actor == actor)
        {
            activity.leaving_code = None;
            self.arm(seq);
        }
    }

    fn store_heartbeat_from_elsewhere(&mut self, seq: Seq, details: Payload) {
        let key = self.pending_key(seq);
        let mut change = self.change();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        if let Some(running) = &mut activity.running {
            running.heartbeats.heard_elsewhere();
            running.store_at = None;
        }
        activity.row.heartbeat_details = Some(details);
        activity.row.heartbeat_at = Some(change.time);
        change.rows.put_pending(key, &activity.row);
        change.effects.push(Effect::Arm { seq });
        self.append(change);
    }
}
