//! What a run knows of its local activities.

use std::collections::{BTreeMap, BTreeSet};

use entracte_model::event::LocalActivityMarker;
use entracte_model::{ActivityTimeouts, Failure, Seq, Timestamp};
use entracte_store::keys::LocalActivityKey;
use entracte_store::rows::LocalActivityRow;
use entracte_workflow::LocalActivity;

use super::pending_activity::RunningAttempt;

/// The local activities of a run.
#[derive(Default)]
pub(super) struct LocalActivities {
    /// Those that the workflow waits for, and those of which an attempt still runs.
    pub(super) pending: BTreeMap<Seq, PendingLocalActivity>,
    /// Those that have a row in the store.
    pub(super) rows: BTreeSet<Seq>,
}

/// A local activity that has not come to its end.
pub(super) struct PendingLocalActivity {
    pub(super) local: LocalActivity,
    pub(super) timeouts: ActivityTimeouts,
    /// The attempt that runs, or the next one.
    pub(super) attempt: u32,
    pub(super) started_at: Option<Timestamp>,
    /// When the next attempt starts, if there was one before.
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) last_failure: Option<Failure>,
    pub(super) running: Option<RunningAttempt>,
    pub(super) cancel_requested: bool,
    /// Whether the workflow waits for it.
    pub(super) is_awaited: bool,
    /// Whether its end is known and only waits for its turn.
    pub(super) closing: bool,
}

impl PendingLocalActivity {
    pub(super) fn new(local: LocalActivity) -> Self {
        Self {
            // The run's timeout bounds the activities of task queues (rule TMO-5), not these.
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

    pub(super) fn expiration(&self) -> Option<Timestamp> {
        self.timeouts.expiration(self.local.original_schedule_time)
    }

    pub(super) fn is_end(&self, marker: &LocalActivityMarker) -> bool {
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
