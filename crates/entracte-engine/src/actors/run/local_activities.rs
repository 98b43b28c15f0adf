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

mod attempts;

use std::collections::BTreeSet;

use entracte_model::event::LocalActivityMarker;
use entracte_model::{ActivityCancellationType, Event, EventId, Seq};
use entracte_store::keys::LocalActivityKey;
use entracte_store::rows::LocalActivityRow;
use entracte_workflow::{LocalActivity, Machine};

use super::effect::Effect;
use super::input::{Input, QueuedInput};
use super::pending_local_activity::PendingLocalActivity;
use super::state::{Change, RunState};
use crate::description::{PendingActivityState, PendingLocalActivityDescription};

/// What has become of the local activities that a turn has changed, by their numbers; nothing
/// of those that the workflow does not wait for any more.
pub(super) type LocalChanges = Vec<(Seq, Option<LocalActivity>)>;

/// Takes what a turn has changed.
pub(super) fn take_changes(machine: &mut Machine) -> LocalChanges {
    let changed = machine.take_local_activity_changes();
    changed.into_iter().map(|seq| (seq, machine.local_activity(seq))).collect()
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
            self.deadlines.forget(seq);
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
