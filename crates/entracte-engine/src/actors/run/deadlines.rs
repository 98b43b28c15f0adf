//! Deadlines: what a run's pending activities wait for, as entries in the run's state.
//!
//! A run has one wake-up for all of its activities, set to the earliest of their entries. It is
//! only ever moved forward: an activity that ends leaves it where it is, and the run looks
//! again when it comes. So a sequence of short steps costs one wake-up, not one per step.
//!
//! The entries stand in the order of their times, so that a wake-up looks at those whose time has
//! come and at no others. An entry may stand too early, when what its activity waits for was put
//! off since: it is looked at then, and stands anew. It never stands too late, because whatever
//! brings a time forward arms its activity.
//!
//! The wait of an activity is measured in engine time, from the journaled times. What a running
//! attempt may take is measured by the monotonic clock alone, from its start.
//!
//! No row in the store says when a deadline is due. A row is needed only where a run must be
//! woken that is not in memory, and an activity that waits has a row in the index of pending
//! activities, by which recovery finds its run. Nor will a run that leaves memory while it
//! waits need one: with an attempt under way it stays; and a back-off has its own row, due no
//! later than the deadline (rule RET-12).

use entracte_model::{ActivityTimeouts, EventId, Failure, Seq, TimeoutType, Timestamp};
use entracte_workflow::CancelCause;
use ractor::ActorProcessingErr;
use tokio::time::{Duration, Instant};

use super::alarm::{Alarm, Wake};
use super::effect::Effect;
use super::pending_activity::{PendingActivity, RunningAttempt};
use super::pending_local_activity::PendingLocalActivity;
use super::state::{Mode, RunState};
use crate::messages::RunMessage;

/// How long the run waits for an attempt to stop that it has told to. Only code that blocks its
/// thread takes longer.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// What is to be done for a pending activity when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    /// What its attempt had to tell is to be stored.
    StoreHeartbeat,
    /// It has run into a timeout.
    TimeOut(TimeoutType),
    /// Its attempt was told to stop and has not.
    GiveUp(TimeoutType),
    /// Its next attempt is due: the back-off before it is over, or it waited for this engine.
    Attempt,
}

/// An entry: what is to be done, when, and in which order with others of the same time.
struct Entry {
    at: Instant,
    errand: Errand,
    /// Whether its time is engine time, which may pass faster than the monotonic clock.
    is_engine_time: bool,
}

impl Entry {
    /// Rule TMO-7: the earliest time, then the lower event id, then the type.
    fn order(&self, event_id: EventId) -> (Instant, EventId, u8) {
        let precedence = match self.errand {
            Errand::TimeOut(which) | Errand::GiveUp(which) => which.precedence(),
            Errand::StoreHeartbeat => 0,
            Errand::Attempt => u8::MAX,
        };
        (self.at, event_id, precedence)
    }
}

/// One point in time on both clocks.
#[derive(Debug, Clone, Copy)]
struct Now {
    time: Timestamp,
    instant: Instant,
}

impl Now {
    /// When a point in engine time comes on the monotonic clock; none if it is too far away.
    fn instant_of(self, time: Timestamp) -> Option<Instant> {
        if time >= self.time {
            return self.instant.checked_add(time.saturating_since(self.time));
        }
        let past = self.time.saturating_since(time);
        Some(self.instant.checked_sub(past).unwrap_or(self.instant))
    }
}

impl RunState {
    fn both_clocks(&self) -> Now {
        Now { time: self.now(), instant: Instant::now() }
    }

    /// Sees to it that the run is woken for what the activity waits for.
    pub(super) fn arm(&mut self, seq: Seq) {
        let now = self.both_clocks();
        if let Some((entry, _)) = self.entry_of(seq, now) {
            self.note(seq, &entry, now);
            self.set_alarm(now);
        }
    }

    /// What an activity waits for first, and by which event it goes before others.
    fn entry_of(&self, seq: Seq, now: Now) -> Option<(Entry, EventId)> {
        if let Some(activity) = self.activities.get(&seq) {
            let event_id = activity.row.scheduled_event_id;
            return Some((self.next_entry(activity, now)?, event_id));
        }
        let local = self.local.pending.get(&seq)?;
        Some((self.next_local_entry(local, now)?, EventId::default()))
    }

    fn note(&mut self, seq: Seq, entry: &Entry, now: Now) {
        let mut delay = entry.at.saturating_duration_since(now.instant);
        if entry.is_engine_time {
            delay = delay.min(self.shared.clock.sleep_max());
        }
        if let Some(at) = now.instant.checked_add(delay) {
            self.deadlines.note(seq, at);
        }
    }

    fn set_alarm(&mut self, now: Now) {
        let Some(at) = self.deadlines.first() else { return };
        if self.alarm.as_ref().is_some_and(|alarm| alarm.at <= at) {
            return;
        }
        let delay = at.saturating_duration_since(now.instant);
        let wake = Wake(self.myself.send_after(delay, || RunMessage::WakeUp));
        self.alarm = Some(Alarm::new(at, wake));
    }

    /// What the activity waits for first.
    fn next_entry(&self, activity: &PendingActivity, now: Now) -> Option<Entry> {
        if activity.closing {
            return None;
        }
        match &activity.running {
            Some(running) if activity.row.pause.is_some() => next_of_paused(running),
            Some(running) => next_of_running(&activity.timeouts, running),
            // Rule TMO-9: no timeouts while it is paused.
            None if activity.row.result_pending && activity.row.pause.is_some() => None,
            None if activity.row.result_pending => next_of_result_pending(activity, now),
            // The row that admits the attempt is on its way to the disk.
            None if activity.row.admitted_at.is_some() => None,
            None => self.next_of_waiting(activity, now),
        }
    }

    /// What the local activity waits for first. A next attempt is in time (rule RET-12).
    fn next_local_entry(&self, local: &PendingLocalActivity, now: Now) -> Option<Entry> {
        if local.closing {
            return None;
        }
        if let Some(running) = &local.running {
            return next_of_running(&local.timeouts, running);
        }
        let at = local.next_attempt_at.filter(|_| self.mode == Mode::Running)?;
        let at = now.instant_of(at)?;
        Some(Entry { at, errand: Errand::Attempt, is_engine_time: true })
    }

    fn next_of_waiting(&self, activity: &PendingActivity, now: Now) -> Option<Entry> {
        let entry = |at, errand| {
            let at = now.instant_of(at)?;
            Some(Entry { at, errand, is_engine_time: true })
        };
        let row = &activity.row;
        if row.pause.is_some() {
            // Neither its next attempt nor its timeouts come (rule TMO-9).
            return None;
        }
        let deadline =
            activity.timeouts.while_waiting(activity.scheduled_time, row.next_attempt_at);
        let timeout = deadline.and_then(|(at, which)| entry(at, Errand::TimeOut(which)));
        // A cancelled activity gets no further attempt, and a draining engine starts none. One
        // that is in its queue is told from there.
        if row.cancel_requested || self.mode != Mode::Running || activity.is_queued() {
            return timeout;
        }
        // What is past its deadline is not started any more, whichever of the two came first:
        // after a restart both may be long over.
        if timeout.as_ref().is_some_and(|timeout| timeout.at <= now.instant) {
            return timeout;
        }
        let mut attempt = entry(row.next_attempt_at, Errand::Attempt);
        if let Some(leaving) = activity.leaving_code {
            // Not beside the code of the attempt before, as long as there is hope.
            attempt = attempt
                .zip(leaving.until)
                .map(|(attempt, until)| Entry { at: attempt.at.max(until), ..attempt });
        }
        [timeout, attempt].into_iter().flatten().min_by_key(|entry| entry.order(EventId::default()))
    }

    /// The alarm: do everything whose time has come, in order, and set the next one.
    pub(super) fn wake_up(&mut self) -> Result<(), ActorProcessingErr> {
        self.alarm = None;
        if self.is_closed() || !matches!(self.mode, Mode::Running | Mode::Draining) {
            return Ok(());
        }
        let now = self.both_clocks();
        let looked_at = self.deadlines.take_due(now.instant);
        let mut due = Vec::new();
        for seq in &looked_at {
            if let Some((entry, event_id)) = self.entry_of(*seq, now)
                && entry.at <= now.instant
            {
                due.push((entry.order(event_id), *seq, entry.errand));
            }
        }
        due.sort_unstable_by_key(|(order, ..)| *order);
        for (_, seq, errand) in due {
            self.run_errand(seq, errand)?;
        }
        let now = self.both_clocks();
        for seq in looked_at {
            if let Some((entry, _)) = self.entry_of(seq, now) {
                self.note(seq, &entry, now);
            }
        }
        self.set_alarm(now);
        Ok(())
    }

    fn run_errand(&mut self, seq: Seq, errand: Errand) -> Result<(), ActorProcessingErr> {
        if self.local.pending.contains_key(&seq) {
            return self.run_local_errand(seq, errand);
        }
        // An errand before this one may have ended the activity, or the run.
        let Some(activity) = self.activities.get_mut(&seq) else { return Ok(()) };
        let attempt = activity.row.attempt;
        match (errand, &mut activity.running) {
            (Errand::Attempt, _) => self.attempt_due(seq, attempt),
            (Errand::StoreHeartbeat, _) => self.store_heartbeat(seq),
            (Errand::TimeOut(which), Some(running)) => stop(running, which),
            (Errand::TimeOut(which), None) => {
                self.attempt_failed(seq, attempt, timed_out(which))?;
            }
            (Errand::GiveUp(which), _) => {
                self.takes_end_of(seq, attempt);
                self.warn_of_blocking(seq, attempt);
                self.attempt_failed(seq, attempt, timed_out(which))?;
            }
        }
        Ok(())
    }
}

impl RunState {
    fn run_local_errand(&mut self, seq: Seq, errand: Errand) -> Result<(), ActorProcessingErr> {
        let Some(local) = self.local.pending.get_mut(&seq) else { return Ok(()) };
        match (errand, &mut local.running) {
            (Errand::Attempt, _) => self.ready.push_back(Effect::StartLocalActivity { seq }),
            (Errand::TimeOut(which), Some(running)) => stop(running, which),
            (Errand::GiveUp(which), Some(_)) => {
                let attempt = local.attempt;
                self.takes_local_end_of(seq, attempt);
                self.warn_of_blocking(seq, attempt);
                self.local_attempt_failed(seq, timed_out(which))?;
            }
            // Nothing of its heartbeats is stored, and none times out while it waits.
            (Errand::StoreHeartbeat, _) | (Errand::TimeOut(_) | Errand::GiveUp(_), None) => {}
        }
        Ok(())
    }

    fn warn_of_blocking(&self, seq: Seq, attempt: u32) {
        tracing::warn!(
            workflow.run_id = %self.run_id,
            activity.seq = seq.get(),
            attempt,
            "the code of an attempt that timed out blocks its thread and cannot be stopped: \
             register it as a blocking activity"
        );
    }
}

/// Stops an attempt that ran into a timeout. Its run hears of the attempt's end when its code is
/// gone: the next attempt does not overlap it.
fn stop(running: &mut RunningAttempt, which: TimeoutType) {
    running.canceller.cancel(CancelCause::TimedOut);
    running.stopping = Some((which, Instant::now() + STOP_PATIENCE));
    running.actor.kill();
}

/// An attempt whose activity is paused runs into no timeout (rule TMO-9). They go on to count:
/// what is over when it is unpaused comes then.
fn next_of_paused(running: &RunningAttempt) -> Option<Entry> {
    if let Some((which, at)) = running.stopping {
        return Some(Entry { at, errand: Errand::GiveUp(which), is_engine_time: false });
    }
    let at = running.store_at?;
    Some(Entry { at, errand: Errand::StoreHeartbeat, is_engine_time: false })
}

fn next_of_running(timeouts: &ActivityTimeouts, running: &RunningAttempt) -> Option<Entry> {
    if let Some((which, at)) = running.stopping {
        return Some(Entry { at, errand: Errand::GiveUp(which), is_engine_time: false });
    }
    let entry = |at, errand| Entry { at, errand, is_engine_time: false };
    let last = running.heartbeats.last_time();
    let last = last.map(|last| last.saturating_duration_since(running.started));
    let timeout = timeouts.while_running(running.left, last).and_then(|(after, which)| {
        Some(entry(running.started.checked_add(after)?, Errand::TimeOut(which)))
    });
    let store = running.store_at.map(|at| entry(at, Errand::StoreHeartbeat));
    [timeout, store].into_iter().flatten().min_by_key(|entry| entry.order(EventId::default()))
}

/// The times count from the journal, as those of a wait do: nothing of the attempt is in memory.
fn next_of_result_pending(activity: &PendingActivity, now: Now) -> Option<Entry> {
    let row = &activity.row;
    let (at, which) = activity.timeouts.while_result_pending(
        activity.scheduled_time,
        row.admitted_at?,
        row.heartbeat_at,
    )?;
    let at = now.instant_of(at)?;
    Some(Entry { at, errand: Errand::TimeOut(which), is_engine_time: true })
}

/// The failure of an attempt that ran into a timeout (rule RET-14).
pub(super) fn timed_out(which: TimeoutType) -> Failure {
    Failure::timeout(which, format!("activity {which} timeout"))
}
