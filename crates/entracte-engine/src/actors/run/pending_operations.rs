//! What operators do to pending activities: pause, unpause, reset, change the options
//! (rules PAU-2 to PAU-4).
//!
//! None of it is an event, as with Temporal: it is all in the activity's row, and answered when
//! that is durable. The workflow does not see it, so it works for parked runs too.

use entracte_model::options::ActivityOptionsError;
use entracte_model::{
    ActivityOptions, ActivityOptionsUpdate, ActivityTimeouts, FailureKind, Seq, Timestamp,
};
use entracte_store::rows::{ActivityPause, ActivityReset};
use entracte_workflow::CancelCause;

use super::async_completion::Unusable;
use super::effect::{Answer, Effect};
use super::pending_activity::{PendingActivity, Standing};
use super::state::{Change, RunState};
use crate::errors::{ActivityNotFound, PendingActivityError};
use crate::messages::{
    ActivityOperation, ActivityOperationCall, OperationTarget, ResetOptions, UnpauseOptions,
};

impl RunState {
    pub(super) fn activity_operation(&mut self, call: ActivityOperationCall) {
        let ActivityOperationCall { target, operation, reply } = call;
        let answer = self.operate(&target, &operation);
        self.answer(Answer::ActivityOperation(reply, answer));
    }

    fn operate(
        &mut self,
        target: &OperationTarget,
        operation: &ActivityOperation,
    ) -> Result<(), PendingActivityError> {
        if let Some(unusable) = self.unusable_activities() {
            return Err(unusable.into());
        }
        let seqs = self.find_activities(target);
        let (OperationTarget::Id(activity) | OperationTarget::Type(activity)) = target;
        let (run_id, activity) = (self.run_id, activity.clone());
        if seqs.is_empty() {
            return Err(ActivityNotFound::NotPending { run_id, activity }.into());
        }
        // All or none of them are changed, in one append.
        let mut change = self.change();
        match operation {
            ActivityOperation::Pause { reason } => {
                let paused = seqs.iter().filter(|seq| self.pause(**seq, reason, &mut change));
                if paused.count() == 0 {
                    return Err(PendingActivityError::AlreadyPaused { run_id, activity });
                }
            }
            ActivityOperation::Unpause(options) => {
                seqs.iter().for_each(|seq| self.unpause(*seq, *options, &mut change));
            }
            ActivityOperation::Reset(request_id, options) => {
                for seq in &seqs {
                    self.reset(*seq, request_id, *options, &mut change);
                }
            }
            ActivityOperation::UpdateOptions(update) => {
                let options = self.updated_options(&seqs, update)?;
                for (seq, options) in options {
                    self.change_options(seq, options, &mut change);
                }
            }
        }
        if !change.rows.is_empty() {
            self.append(change);
        }
        Ok(())
    }

    /// The activities that are meant, in the order of their numbers.
    fn find_activities(&self, target: &OperationTarget) -> Vec<Seq> {
        let is_meant = |seq: &Seq| {
            self.history.activities.get(seq).is_some_and(|scheduled| match target {
                OperationTarget::Id(id) => *scheduled.activity_id == **id,
                OperationTarget::Type(name) => *scheduled.activity_type == **name,
            })
        };
        let pending = self.activities.iter().filter(|(_, activity)| !activity.closing);
        pending.map(|(seq, _)| *seq).filter(is_meant).collect()
    }

    /// Pauses an activity (rule PAU-2); nothing if it is paused.
    fn pause(&mut self, seq: Seq, reason: &str, change: &mut Change) -> bool {
        let Some(activity) = self.activities.get_mut(&seq) else { return false };
        if activity.row.pause.is_some() {
            return false;
        }
        let pause = ActivityPause { since: change.time, reason: reason.to_owned() };
        activity.row.pause = Some(pause);
        if activity.row.admitted_at.is_some() {
            let (attempt, cause) = (activity.row.attempt, CancelCause::Paused);
            change.effects.push(Effect::TellAttempt { seq, attempt, cause });
        }
        self.put_activity(seq, None, change);
        true
    }

    /// Unpauses an activity; nothing if it is not paused (as Temporal's server 1.32). If no
    /// attempt is under way, the next one is due at once.
    fn unpause(&mut self, seq: Seq, options: UnpauseOptions, change: &mut Change) {
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        if activity.row.pause.take().is_none() {
            return;
        }
        let row = &mut activity.row;
        let waits = row.admitted_at.is_none();
        if options.reset_attempts && waits {
            row.forget_attempts(false);
        } else if options.reset_attempts {
            row.reset.get_or_insert_default();
        }
        if options.reset_heartbeat {
            row.heartbeat_details = None;
            if waits {
                row.heartbeat_at = None;
            }
        }
        let due = change.time;
        self.put_activity(seq, Some(due), change);
    }

    /// Resets an activity (rule PAU-3): its attempts are counted from 1 again. The attempt that
    /// is under way is told, and may go on; the next one is the first. Nothing if the request is
    /// the last one that has reset it: it is told again, because its answer was lost.
    ///
    /// Temporal's server 1.32 takes the end of a first attempt too. It refuses the end of a later
    /// one, and lets the activity wait for a timeout, since it counts attempts and not tokens.
    fn reset(&mut self, seq: Seq, request_id: &str, options: ResetOptions, change: &mut Change) {
        let of_last = self.activities.get(&seq).and_then(|it| it.row.reset_request_id.as_deref());
        if of_last == Some(request_id) {
            return;
        }
        if options.restore_original_options {
            self.set_options(seq, None);
        }
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        let row = &mut activity.row;
        row.reset_request_id = Some(request_id.into());
        if !options.keep_paused {
            row.pause = None;
        }
        if row.admitted_at.is_some() {
            let heartbeat = options.reset_heartbeat;
            row.reset = Some(ActivityReset { heartbeat, told: true });
            let (attempt, cause) = (row.attempt, CancelCause::Reset);
            change.effects.push(Effect::TellAttempt { seq, attempt, cause });
        } else {
            row.forget_attempts(options.reset_heartbeat);
        }
        let due = change.time;
        self.put_activity(seq, Some(due), change);
    }

    /// The options that each of the activities gets; an error if one of them cannot have its.
    fn updated_options(
        &self,
        seqs: &[Seq],
        update: &ActivityOptionsUpdate,
    ) -> Result<Vec<(Seq, ActivityOptions)>, PendingActivityError> {
        let mut updated = Vec::with_capacity(seqs.len());
        for seq in seqs {
            let (Some(activity), Some(scheduled)) =
                (self.activities.get(seq), self.history.activities.get(seq))
            else {
                continue;
            };
            let invalid = |source: ActivityOptionsError| PendingActivityError::InvalidOptions {
                run_id: self.run_id,
                activity: scheduled.activity_id.to_string(),
                source,
            };
            let options = update.apply(activity.options(scheduled)).map_err(invalid)?;
            updated.push((*seq, options));
        }
        Ok(updated)
    }

    /// Changes an activity's options (rule PAU-4). A back-off that is under way is computed
    /// anew, from the end of the attempt before it, if its policy has changed.
    fn change_options(&mut self, seq: Seq, options: ActivityOptions, change: &mut Change) {
        let Some(scheduled) = self.history.activities.get(&seq) else { return };
        let Some(activity) = self.activities.get(&seq) else { return };
        let is_policy_changed = activity.options(scheduled).retry_policy != options.retry_policy;
        let backs_off = activity.row.attempt_number() > 1;
        let due = match activity.row.last_attempt_ended_at {
            Some(ended) if is_policy_changed && backs_off => {
                ended.saturating_add(back_off(activity, &options))
            }
            _ => activity.row.next_attempt_at,
        };
        self.set_options(seq, Some(options));
        self.put_activity(seq, Some(due), change);
    }

    /// Sets the options that take the place of the original ones, if there are some.
    fn set_options(&mut self, seq: Seq, options: Option<ActivityOptions>) {
        let (now, run_timeout) = (self.now(), self.run_timeout_length());
        let Some(scheduled) = self.history.activities.get(&seq) else { return };
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        activity.row.options =
            options.filter(|options| *options != scheduled.options).map(Box::new);
        activity.timeouts = ActivityTimeouts::new(activity.options(scheduled), run_timeout);
        let expiration = activity.timeouts.expiration(activity.scheduled_time);
        if let Some(running) = &mut activity.running {
            let left = expiration.map(|at| at.saturating_since(now));
            running.left = left.map(|left| running.started.elapsed() + left);
        }
    }

    /// Writes an activity's row, and what is due of it: unless an attempt is under way or it is
    /// paused, its next attempt, at a time or when it was.
    fn put_activity(&mut self, seq: Seq, due: Option<Timestamp>, change: &mut Change) {
        let run_key = self.pending_key(seq);
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        let earlier = activity.due.take();
        if activity.is_queued() {
            // It queues up again as what it is now, unless it is paused.
            activity.standing = Standing::Outside;
        }
        let row = &mut activity.row;
        if row.admitted_at.is_none() && row.pause.is_none() {
            row.next_attempt_at = due.unwrap_or(row.next_attempt_at);
            activity.due = Some(row.next_attempt_at);
        }
        let due = activity.due;
        change.rows.put_pending(run_key, &activity.row);
        if earlier != due {
            if let Some(earlier) = earlier {
                change.rows.delete_due(self.retry_key(seq, earlier));
            }
            if let Some(due) = due {
                change.rows.put_due(self.retry_key(seq, due));
            }
        }
        change.effects.push(Effect::Arm { seq });
    }

    pub(super) fn tell_attempt(&self, seq: Seq, attempt: u32, cause: CancelCause) {
        let Some(activity) = self.activities.get(&seq) else { return };
        if let Some(running) = activity.running.as_ref().filter(|_| activity.row.attempt == attempt)
        {
            running.canceller.cancel(cause);
        }
    }
}

/// The back-off that follows an activity's last attempt under a policy.
fn back_off(activity: &PendingActivity, options: &ActivityOptions) -> std::time::Duration {
    let asked = activity.row.last_failure.as_ref().and_then(|failure| match failure.kind() {
        FailureKind::Application(application) => application.next_retry_delay,
        _ => None,
    });
    let failed = activity.row.attempt_number().saturating_sub(1);
    asked.unwrap_or_else(|| options.retry_policy.delay_after(failed))
}

impl From<Unusable> for PendingActivityError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::NotFound(not_found) => not_found.into(),
            Unusable::History { run_id, cause } => Self::HistoryUnusable { run_id, cause },
            Unusable::EngineStopped(stopped) => stopped.into(),
        }
    }
}
