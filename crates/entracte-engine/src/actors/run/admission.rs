//! Admission: from when on an attempt may run.
//!
//! An attempt that is due asks for a slot of its queue while the append is assembled that tells
//! of it. If it gets one, that append admits it; otherwise it waits in the queue, and is admitted
//! by an append of its own. Its code runs when the append that admits it is durable.

use entracte_model::event::ActivityTaskScheduled;
use entracte_model::{ActivityOptions, PriorityOptions, Seq, Timestamp};
use ractor::ActorProcessingErr;

use super::deadlines::timed_out;
use super::effect::Effect;
use super::pending_activity::Standing;
use super::state::{Mode, RunState};
use crate::task_queues::{Admission, Request, Waiter};

impl RunState {
    /// Asks for a slot for the first attempt at an activity; none if nothing may run.
    pub(super) fn request_first(
        &self,
        scheduled: &ActivityTaskScheduled,
        since: Timestamp,
    ) -> Standing {
        if self.mode != Mode::Running {
            return Standing::Outside;
        }
        let ActivityTaskScheduled { seq, activity_type, options, .. } = scheduled;
        self.request(*seq, 1, activity_type, options, since)
    }

    fn request(
        &self,
        seq: Seq,
        attempt: u32,
        activity_type: &str,
        options: &ActivityOptions,
        since: Timestamp,
    ) -> Standing {
        let started = self.history.started.as_ref();
        let inherited: PriorityOptions;
        // Most say nothing of it, and inherit nothing.
        let priority = match started.map(|started| &started.priority) {
            Some(of_run) if !of_run.is_empty() => {
                inherited = options.priority.or(of_run);
                &inherited
            }
            _ => &options.priority,
        };
        let admission = self.shared.task_queues.request(Request {
            task_queue: &options.task_queue,
            activity_type,
            priority: priority.priority(),
            fairness_key: priority.fairness_key(),
            fairness_weight: priority.fairness_weight(),
            since,
            waiter: Waiter { run: self.myself.clone(), seq, attempt },
        });
        match admission {
            Admission::Admitted(permit) => Standing::Admitted(permit),
            Admission::Queued(ticket) => Standing::Queued(ticket),
        }
    }

    /// The attempt is due: its back-off is over, or it waited for this engine.
    pub(super) fn attempt_due(&mut self, seq: Seq, attempt: u32) {
        if self.mode != Mode::Running || self.is_closed() {
            return;
        }
        let Some(activity) = self.activities.get(&seq).filter(|it| it.is_due(attempt)) else {
            return;
        };
        let Some(scheduled) = self.history.activities.get(&seq) else { return };
        // Those in force, which may have been changed since it was scheduled (rule PAU-4).
        let options = activity.options(scheduled);
        let since = activity.row.next_attempt_at;
        let standing = self.request(seq, attempt, &scheduled.activity_type, options, since);
        self.stand(seq, attempt, standing);
    }

    fn stand(&mut self, seq: Seq, attempt: u32, standing: Standing) {
        let is_admitted = matches!(standing, Standing::Admitted(_));
        if let Some(activity) = self.activities.get_mut(&seq) {
            activity.standing = standing;
        }
        if is_admitted {
            self.admit(seq, attempt);
        }
    }

    /// Marks the attempt as admitted, before its code runs.
    fn admit(&mut self, seq: Seq, attempt: u32) {
        let key = self.pending_key(seq);
        let mut change = self.change();
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        activity.row.admitted_at = Some(change.time);
        change.rows.put_pending(key, &activity.row);
        let due = activity.due.take();
        if let Some(due) = due {
            change.rows.delete_due(self.retry_key(seq, due));
        }
        change.effects.push(Effect::StartAttempt { seq, attempt });
        self.append(change);
    }

    /// The attempt's queue has granted it a slot.
    pub(super) fn slot_granted(
        &mut self,
        seq: Seq,
        attempt: u32,
    ) -> Result<(), ActorProcessingErr> {
        let now = self.now();
        let Some(activity) = self.activities.get_mut(&seq) else { return Ok(()) };
        let Standing::Queued(ticket) = &activity.standing else { return Ok(()) };
        let Some(permit) = ticket.claim() else { return Ok(()) };
        activity.standing = Standing::Outside;
        if self.mode != Mode::Running || self.shared.health.is_shutting_down() {
            // It waits for the next engine, and does not count as lost.
            return Ok(());
        }
        let deadline =
            activity.timeouts.while_waiting(activity.scheduled_time, activity.row.next_attempt_at);
        if let Some((at, which)) = deadline
            && at <= now
        {
            drop(permit);
            return self.attempt_failed(seq, attempt, timed_out(which));
        }
        self.stand(seq, attempt, Standing::Admitted(permit));
        Ok(())
    }

    /// Takes all attempts out of their queues, and gives back what they were granted.
    pub(super) fn leave_queues(&mut self) {
        for activity in self.activities.values_mut() {
            activity.standing = Standing::Outside;
        }
    }
}
