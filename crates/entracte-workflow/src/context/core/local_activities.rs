//! Local activities: the operation of one call, over its durable timers.
//!
//! ```text
//! Scheduled ──resolved──────────────► done
//!     │  ▲
//!     │  └──timer fires: scheduled again, under a new number
//!     └──back-off──► BacksOff ──the run is cancelled──► done, and the timer is cancelled
//! ```
//! The operation keeps the number of the call; `locals` tells to which operation the number
//! belongs under which it is scheduled, or its timer started, at the moment. All this happens
//! when a job is applied, whether or not the workflow polls the call.

use std::panic::Location;
use std::sync::Arc;

use entracte_model::{Headers, LocalActivityOptions, Payload, Seq};

use super::machine_side::wake;
use super::{Core, State};
use crate::context::operation::{Operation, OperationKind, Outcome, Progress};
use crate::machine::{ActivityResolution, Command, LocalActivity};

impl Core {
    /// Numbers a local activity and schedules it; none once inert, and none between two jobs.
    pub(crate) fn issue_local(
        &self,
        activity_type: Arc<str>,
        input: Vec<Payload>,
        headers: Headers,
        options: LocalActivityOptions,
        source: &'static Location<'static>,
    ) -> Option<Seq> {
        let scope = self.scope_here();
        let mut state = self.lock();
        if state.is_deaf() {
            return None;
        }
        let seq = state.next_seq();
        let local = LocalActivity {
            seq,
            activity_id: seq.to_string().into(),
            activity_type,
            input,
            headers,
            options,
            attempt: 1,
            scheduled_time: state.now,
            original_schedule_time: state.now,
            last_failure: None,
            backs_off: false,
            cancel_requested: false,
            source: source.into(),
        };
        state.commands.insert(seq, local.schedule());
        let operation = Operation {
            kind: OperationKind::LocalActivity(Box::new(local)),
            source,
            progress: Progress::Pending(None),
            scope,
            cancel_requested: false,
            is_detached: false,
        };
        state.insert_operation(seq, operation);
        state.locals.insert(seq, seq);
        state.touch_local(seq);
        Some(seq)
    }

    /// Ends a local activity, or starts the durable timer of its back-off; tells whether such an
    /// activity was ever issued.
    pub(crate) fn resolve_local(&self, seq: Seq, resolution: ActivityResolution) -> bool {
        let mut state = self.lock();
        let Some(key) = state.locals.get(&seq).copied() else {
            // One that nothing waits for any more.
            let is_other = state.operations.get(seq).is_some();
            return seq.get() >= 1 && seq.get() <= state.seq_last && !is_other;
        };
        let outcome = match (state.local_mut(key), resolution) {
            (Some(local), _) if local.backs_off => return false,
            (Some(local), ActivityResolution::Backoff { .. }) if local.cancel_requested => {
                ActivityResolution::Cancelled(local.cancelled())
            }
            (_, resolution @ ActivityResolution::Backoff { .. }) => {
                state.back_off(key, resolution);
                return true;
            }
            (_, resolution) => resolution,
        };
        let waker = state.end_local(key, outcome);
        drop(state);
        wake(waker);
        true
    }

    /// The local activity with this number at the moment, if the workflow waits for one.
    pub(crate) fn local_activity(&self, seq: Seq) -> Option<LocalActivity> {
        let mut state = self.lock();
        let key = *state.locals.get(&seq)?;
        state.local_mut(key).cloned()
    }

    /// All local activities that the workflow waits for, by their numbers at the moment.
    pub(crate) fn local_activities(&self) -> Vec<LocalActivity> {
        let mut state = self.lock();
        let keys: Vec<_> = state.locals.values().copied().collect();
        keys.into_iter().filter_map(|key| state.local_mut(key).cloned()).collect()
    }

    /// Takes the numbers under which something has changed since the last call.
    pub(crate) fn take_local_changes(&self) -> Vec<Seq> {
        std::mem::take(&mut self.lock().local_changes).into_iter().collect()
    }
}

impl State {
    /// Whether the number is that of a durable timer between two attempts; then the activity is
    /// scheduled again.
    pub(super) fn go_on_after_timer(&mut self, timer: Seq) -> bool {
        let Some(key) = self.locals.get(&timer).copied() else { return false };
        let (now, seq) = (self.now, Seq::new(self.seq_last + 1));
        let Some(local) = self.local_mut(key).filter(|local| local.backs_off) else {
            return false;
        };
        local.seq = seq;
        local.backs_off = false;
        local.scheduled_time = now;
        let command = local.schedule();
        self.seq_last = seq.get();
        self.renumber_local(key, timer, seq);
        self.commands.insert(seq, command);
        true
    }

    fn back_off(&mut self, key: Seq, resolution: ActivityResolution) {
        let ActivityResolution::Backoff {
            attempt,
            backoff_duration,
            original_schedule_time,
            last_failure,
        } = resolution
        else {
            return;
        };
        let timer = self.next_seq();
        let Some(local) = self.local_mut(key) else { return };
        let seq = std::mem::replace(&mut local.seq, timer);
        local.backs_off = true;
        local.attempt = attempt;
        local.original_schedule_time = original_schedule_time;
        local.last_failure = last_failure;
        let source = local.source.clone();
        self.renumber_local(key, seq, timer);
        let start_to_fire_timeout = backoff_duration;
        let command = Command::StartTimer { seq: timer, start_to_fire_timeout, source };
        self.commands.insert(timer, command);
    }

    /// Ends the operation of a local activity; gives whoever waits for it.
    fn end_local(&mut self, key: Seq, outcome: ActivityResolution) -> Option<std::task::Waker> {
        let seq = self.operations.get(key)?.number(key);
        let waker = self.operations.resolve(key, Outcome::Activity(outcome));
        self.forget_local(seq);
        waker
    }

    /// The number is no longer that of a local activity that the workflow waits for.
    pub(super) fn forget_local(&mut self, seq: Seq) {
        if self.locals.remove(&seq).is_some() {
            self.touch_local(seq);
        }
    }

    fn renumber_local(&mut self, key: Seq, from: Seq, to: Seq) {
        self.locals.remove(&from);
        self.locals.insert(to, key);
        self.touch_local(from);
        self.touch_local(to);
    }

    /// Notes that something has changed; on replay all of that is known.
    pub(super) fn touch_local(&mut self, seq: Seq) {
        if !self.is_replaying {
            self.local_changes.insert(seq);
        }
    }

    fn local_mut(&mut self, key: Seq) -> Option<&mut LocalActivity> {
        match &mut self.operations.get_mut(key)?.kind {
            OperationKind::LocalActivity(local) => Some(local),
            _ => None,
        }
    }
}

/// The command that asks a local activity to cancel, or cancels its timer.
pub(super) fn request_cancellation(local: &LocalActivity) -> Command {
    let seq = local.seq;
    if local.backs_off {
        Command::CancelTimer { seq }
    } else {
        Command::RequestCancelLocalActivity { seq }
    }
}
