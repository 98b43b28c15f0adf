//! Heartbeats on their way into the store: the first one of an attempt at once, then the latest
//! at the end of each interval (rule HB-4).

use entracte_model::{Seq, Timestamp};
use entracte_store::keys::PendingActivityKey;
use tokio::time::Instant;

use super::pending_activity::PendingActivity;
use super::state::{Mode, RunState};

impl RunState {
    /// An attempt has something new to tell.
    pub(super) fn heartbeat(&mut self, seq: Seq, attempt: u32) {
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        if activity.row.attempt != attempt || activity.closing {
            return;
        }
        let Some(running) = &mut activity.running else { return };
        // Stored at once, or when the interval since the last time is over.
        running.store_at = Some(running.store_next);
        self.arm(seq);
    }

    /// Stores what the attempt had to tell last.
    pub(super) fn store_heartbeat(&mut self, seq: Seq) {
        if !matches!(self.mode, Mode::Running | Mode::Draining) {
            return;
        }
        let mut change = self.change();
        let key = self.pending_key(seq);
        let Some(activity) = self.activities.get_mut(&seq) else { return };
        let throttle = activity.timeouts.heartbeat_throttle();
        if let Some(running) = &mut activity.running {
            running.store_at = None;
            running.store_next = Instant::now() + throttle;
        }
        if take_heartbeat(activity, change.time) {
            change.rows.put_pending(key, &activity.row);
            self.append(change);
        }
    }

    /// Stores what all attempts had to tell last, before they are cut off.
    pub(super) fn store_heartbeats(&mut self) {
        let mut change = self.change();
        let run_id = self.run_id;
        for (seq, activity) in &mut self.activities {
            if take_heartbeat(activity, change.time) {
                let key = PendingActivityKey { run_id, seq: *seq };
                change.rows.put_pending(key, &activity.row);
            }
        }
        if !change.rows.is_empty() {
            self.append(change);
        }
    }
}

/// Takes what the running attempt had to tell last over into the activity's row; tells whether
/// there was something.
pub(super) fn take_heartbeat(activity: &mut PendingActivity, now: Timestamp) -> bool {
    let Some((details, at)) = activity.running.as_ref().and_then(|it| it.heartbeats.take()) else {
        return false;
    };
    activity.row.heartbeat_details = Some(details);
    activity.row.heartbeat_at = Some(now.saturating_sub(at.elapsed()));
    true
}
