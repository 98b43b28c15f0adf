//! Local activities: their attempts run under the run, and nothing of them is journaled before
//! their end.
//!
//! What is to be run comes from the machine: after a turn what that has changed, and all of it
//! when the run is opened or its code mended. A row says that there is something, so that the
//! run is found after a crash; where row and machine disagree, the machine wins. Retries are in
//! memory, unless their back-off is long (rule LAC-3); after a crash everything that had not
//! come to its end begins again with its first attempt (rule LAC-1).
//!
//! What the workflow does not wait for any more leaves nothing: its row goes with the turn that
//! let go of it, and what its attempt comes to is not taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entracte_model::event::{LocalActivityMarker, LocalActivityOutcome};
use entracte_model::retry::{AttemptEnd, RetryDecision, decide};
use entracte_model::{
    ActivityCancellationType, ActivityTimeouts, Event, EventId, Failure, FailureKind, Payload, Seq,
    TimeoutType, Timestamp,
};
use entracte_store::keys::LocalActivityKey;
use entracte_store::rows::{ActivityOutcome, LocalActivityRow};
use entracte_workflow::{ActivityCanceller, ActivityInfo, CancelCause, LocalActivity, Machine};
use ractor::{ActorId, ActorProcessingErr, ActorRef};
use tokio::time::Instant;

use super::activities::{closing_outcome, uninvited_cancel};
use super::deadlines::timed_out;
use super::effects::Effect;
use super::input::{Input, QueuedInput};
use super::reporting::report_attempt;
use super::state::{Change, Mode, RunState, RunningAttempt};
use crate::actors::attempt::{AttemptOutcome, lost_attempt};
use crate::actors::heartbeats::Heartbeats;
use crate::description::{PendingActivityState, PendingLocalActivityDescription};

/// What has become of the local activities that a turn has changed, by their numbers; nothing
/// of those that the workflow does not wait for any more.
pub(super) type LocalChanges = Vec<(Seq, Option<LocalActivity>)>;

/// Takes what a turn has changed.
pub(super) fn take_changes(machine: &mut Machine) -> LocalChanges {
    let changed = machine.take_local_activity_changes();
    changed.into_iter().map(|seq| (seq, machine.local_activity(seq))).collect()
}

/// The local activities of a run.
#[derive(Default)]
pub(super) struct LocalActivities {
    /// Those that the workflow waits for, and those of which an attempt still runs.
    pub(super) pending: BTreeMap<Seq, PendingLocalActivity>,
    /// Those that have a row in the store.
    rows: BTreeSet<Seq>,
}

/// A local activity that has not come to its end.
pub(super) struct PendingLocalActivity {
    pub(super) local: LocalActivity,
    pub(super) timeouts: ActivityTimeouts,
    /// The attempt that runs, or the next one.
    pub(super) attempt: u32,
    started_at: Option<Timestamp>,
    /// When the next attempt starts, if there was one before.
    pub(super) next_attempt_at: Option<Timestamp>,
    last_failure: Option<Failure>,
    pub(super) running: Option<RunningAttempt>,
    pub(super) cancel_requested: bool,
    /// Whether the workflow waits for it.
    is_awaited: bool,
    /// Whether its end is known and only waits for its turn.
    pub(super) closing: bool,
}

impl PendingLocalActivity {
    fn new(local: LocalActivity) -> Self {
        Self {
            // There is no workflow run timeout yet; it would bound these.
            timeouts: ActivityTimeouts::new(&local.options.to_activity_options(), None),
            attempt: local.attempt,
            started_at: None,
            next_attempt_at: None,
            last_failure: local.last_failure.clone(),
            running: None,
            cancel_requested: local.cancel_requested,
            is_awaited: true,
            closing: false,
            local,
        }
    }

    fn expiration(&self) -> Option<Timestamp> {
        self.timeouts.expiration(self.local.original_schedule_time)
    }

    fn is_end(&self, marker: &LocalActivityMarker) -> bool {
        self.is_awaited
            && !self.local.backs_off
            && self.local.activity_id == marker.activity_id
            && self.local.activity_type == marker.activity_type
    }
}

impl LocalActivities {
    /// The attempts that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &RunningAttempt> {
        self.pending.values().filter_map(|activity| activity.running.as_ref())
    }

    /// Notes which activities have rows in the store.
    pub(super) fn set_rows(&mut self, rows: Vec<(LocalActivityKey, LocalActivityRow)>) {
        self.rows = rows.into_iter().map(|(key, _)| key.seq).collect();
    }
}

impl RunState {
    fn local_key(&self, seq: Seq) -> LocalActivityKey {
        LocalActivityKey { run_id: self.run_id, seq }
    }

    /// Takes over what a turn has changed, in the turn's own batch.
    pub(super) fn record_local(
        &mut self,
        changes: LocalChanges,
        events: &[Event],
        change: &mut Change,
    ) {
        let Some(event_id) = events.last().map(|event| event.id) else { return };
        for (seq, local) in changes {
            match local {
                Some(local) => self.take_over(local, event_id, change),
                None => self.let_go(seq, change),
            }
        }
    }

    /// The workflow waits for the activity: it is new, or it was asked to cancel.
    fn take_over(&mut self, local: LocalActivity, event_id: EventId, change: &mut Change) {
        let seq = local.seq;
        if let Some(known) = self.local.pending.get_mut(&seq) {
            if local.cancel_requested && !std::mem::replace(&mut known.cancel_requested, true) {
                change.effects.push(Effect::CancelLocalActivity { seq });
            }
            return;
        }
        if !local.backs_off {
            // The durable timer of one that backs off has a row of its own.
            if self.local.rows.insert(seq) {
                let row = LocalActivityRow {
                    event_id,
                    time: local.scheduled_time,
                    activity_id: local.activity_id.clone(),
                    activity_type: local.activity_type.clone(),
                };
                change.rows.put_local_activity(self.local_key(seq), &row);
            }
            change.effects.push(Effect::StartLocalActivity { seq });
            if local.cancel_requested {
                change.effects.push(Effect::CancelLocalActivity { seq });
            }
        }
        let mut pending = PendingLocalActivity::new(local);
        let is_end = |queued: &QueuedInput| match &queued.input {
            Input::LocalActivityEnded(marker) => marker.seq == seq && pending.is_end(marker),
            _ => false,
        };
        pending.closing = self.inputs.iter().any(is_end);
        self.local.pending.insert(seq, pending);
    }

    /// The workflow does not wait for the activity any more: it has ended, or was let go of.
    fn let_go(&mut self, seq: Seq, change: &mut Change) {
        if self.local.rows.remove(&seq) {
            change.rows.delete_local_activity(self.local_key(seq));
        }
        let Some(activity) = self.local.pending.get_mut(&seq) else { return };
        if activity.running.is_none() {
            self.local.pending.remove(&seq);
            return;
        }
        activity.is_awaited = false;
        let is_told = activity.local.options.cancellation_type != ActivityCancellationType::Abandon;
        if is_told && !std::mem::replace(&mut activity.cancel_requested, true) {
            change.effects.push(Effect::CancelLocalActivity { seq });
        }
    }

    /// Takes over what the rebuilt machine waits for, and makes the rows fit it.
    pub(super) fn resume_local(&mut self) {
        let Some(machine) = &self.machine else { return };
        let outstanding = machine.local_activities();
        let numbers: BTreeSet<_> = outstanding.iter().map(|local| local.seq).collect();
        let known = self.local.rows.iter().chain(self.local.pending.keys());
        let gone: BTreeSet<_> = known.filter(|seq| !numbers.contains(seq)).copied().collect();
        let last = EventId::new(self.history.next_event_id.get() - 1);
        let mut change = self.change();
        for seq in gone {
            self.let_go(seq, &mut change);
        }
        for local in outstanding {
            self.take_over(local, last, &mut change);
        }
        if change.rows.is_empty() {
            self.ready.extend(change.effects);
        } else {
            self.append(change);
        }
    }

    /// Deletes the rows of a run that closes.
    pub(super) fn forget_local(&mut self, change: &mut Change) {
        for seq in std::mem::take(&mut self.local.rows) {
            change.rows.delete_local_activity(self.local_key(seq));
        }
    }

    /// Whether the workflow waits for the end that a marker tells.
    pub(super) fn awaits_local(&self, marker: &LocalActivityMarker) -> bool {
        self.local.pending.get(&marker.seq).is_some_and(|activity| activity.is_end(marker))
    }

    /// Whether the next attempt may start now.
    pub(super) fn may_start_local(&mut self, seq: Seq) -> bool {
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
    pub(super) fn local_attempt_info(&self, seq: Seq) -> Option<(ActivityInfo, Vec<Payload>)> {
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
    pub(super) fn local_started(
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
    pub(super) fn local_attempt_ended(
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
    pub(super) fn takes_local_end_of(&mut self, seq: Seq, attempt: u32) -> bool {
        let listening = matches!(self.mode, Mode::Running | Mode::Draining);
        match self.local.pending.get_mut(&seq) {
            Some(activity) if listening && activity.attempt == attempt => {
                activity.running.take().is_some()
            }
            _ => false,
        }
    }

    /// The actor of an attempt is gone without a word.
    pub(super) fn local_attempt_lost(
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
    pub(super) fn local_attempt_failed(
        &mut self,
        seq: Seq,
        failure: Failure,
    ) -> Result<(), ActorProcessingErr> {
        let now = self.now();
        let is_draining = self.mode == Mode::Draining;
        let Some(activity) = self.local.pending.get_mut(&seq) else { return Ok(()) };
        if !activity.is_awaited {
            self.local.pending.remove(&seq);
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
                let outcome = match closing_outcome(failure, retry_state, last_failure, None) {
                    ActivityOutcome::Failed { failure, retry_state }
                    | ActivityOutcome::TimedOut { failure, retry_state } => {
                        LocalActivityOutcome::Failed { failure, retry_state }
                    }
                    ActivityOutcome::Completed { result } => {
                        LocalActivityOutcome::Completed { result }
                    }
                    ActivityOutcome::Canceled { details } => {
                        LocalActivityOutcome::Canceled { details }
                    }
                };
                self.close_local(seq, outcome)
            }
        }
    }

    /// The workflow has asked the activity to cancel, or does not wait for it any more: the
    /// attempt is told directly (rule LAC-5).
    pub(super) fn cancel_local(&mut self, seq: Seq) {
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

    pub(super) fn describe_local(&self) -> Vec<PendingLocalActivityDescription> {
        let awaited = self.local.pending.iter().filter(|(_, activity)| activity.is_awaited);
        awaited
            .map(|(seq, activity)| {
                let local = &activity.local;
                let timer = self.history.timers.get(seq).filter(|_| local.backs_off);
                PendingLocalActivityDescription {
                    activity_id: local.activity_id.to_string(),
                    activity_type: local.activity_type.to_string(),
                    state: match (activity.cancel_requested, &activity.running) {
                        (true, _) => PendingActivityState::CancelRequested,
                        (false, Some(_)) => PendingActivityState::Started,
                        (false, None) => PendingActivityState::Scheduled,
                    },
                    attempt: activity.attempt,
                    started_time: activity.started_at.filter(|_| activity.running.is_some()),
                    next_attempt_time: activity.next_attempt_at.or(timer.map(|timer| timer.due)),
                    last_failure: activity.last_failure.clone(),
                    expiration_time: activity.expiration(),
                    source: local.source.clone(),
                }
            })
            .collect()
    }
}
