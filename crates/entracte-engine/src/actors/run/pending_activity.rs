//! What a run knows of an activity that has not come to its end.

use std::sync::Arc;

use entracte_model::event::ActivityTaskScheduled;
use entracte_model::{ActivityOptions, ActivityTimeouts, Headers, Payload, TimeoutType, Timestamp};
use entracte_store::rows::PendingActivityRow;
use entracte_workflow::{ActivityCanceller, ScheduledActivity};
use ractor::{ActorId, ActorRef};
use tokio::time::{Duration, Instant};

use crate::actors::heartbeats::Heartbeats;
use crate::messages::HeartbeatAnswer;
use crate::task_queues::{Permit, Ticket};

/// An activity that has not come to its end.
pub(super) struct PendingActivity {
    pub(super) row: PendingActivityRow,
    pub(super) input: Vec<Payload>,
    pub(super) headers: Headers,
    /// When it was first scheduled.
    pub(super) scheduled_time: Timestamp,
    pub(super) timeouts: ActivityTimeouts,
    /// When the attempt that waits is due, if a row says so.
    pub(super) due: Option<Timestamp>,
    pub(super) running: Option<RunningAttempt>,
    /// Where its attempt stands that does not run.
    pub(super) standing: Standing,
    /// The code of an attempt that was ended from elsewhere, until it is gone: the next attempt
    /// does not overlap it.
    pub(super) leaving_code: Option<LeavingCode>,
    /// Whether its end is known and only waits for its turn.
    pub(super) closing: bool,
}

impl PendingActivity {
    pub(super) fn new(
        row: PendingActivityRow,
        scheduled: &ActivityTaskScheduled,
        scheduled_time: Timestamp,
        run_timeout: Option<Duration>,
    ) -> Self {
        let options = row.options.as_deref().unwrap_or(&scheduled.options);
        let timeouts = ActivityTimeouts::new(options, run_timeout);
        Self {
            row,
            input: scheduled.input.clone(),
            headers: scheduled.headers.clone(),
            scheduled_time,
            timeouts,
            due: None,
            running: None,
            standing: Standing::Outside,
            leaving_code: None,
            closing: false,
        }
    }

    /// The options in force: those of its event, or what has taken their place (rule PAU-4).
    pub(super) fn options<'a>(&'a self, scheduled: &'a ScheduledActivity) -> &'a ActivityOptions {
        self.row.options.as_deref().unwrap_or(&scheduled.options)
    }

    /// Whether this attempt has only to be admitted.
    pub(super) fn is_due(&self, attempt: u32) -> bool {
        let row = &self.row;
        let is_held = row.cancel_requested || row.pause.is_some() || self.closing;
        let waits = row.admitted_at.is_none() && !is_held;
        row.attempt == attempt && waits && matches!(self.standing, Standing::Outside)
    }

    /// Whether the attempt waits in its queue.
    pub(super) fn is_queued(&self) -> bool {
        matches!(self.standing, Standing::Queued(_))
    }

    /// Whether an attempt is under way that has not run into a timeout.
    pub(super) fn is_under_way(&self) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| running.stopping.is_none());
        runs || self.row.result_pending
    }

    pub(super) fn heartbeat_answer(&self) -> HeartbeatAnswer {
        HeartbeatAnswer {
            cancel_requested: self.row.cancel_requested,
            paused: self.row.pause.is_some(),
            reset: self.row.reset.is_some_and(|reset| reset.told),
        }
    }
}

pub(super) struct RunningAttempt {
    pub(super) actor: ActorRef<()>,
    pub(super) canceller: ActivityCanceller,
    pub(super) started: Instant,
    pub(super) heartbeats: Arc<Heartbeats>,
    /// From when on a further heartbeat may be stored.
    pub(super) store_next: Instant,
    /// When what the attempt had to tell is to be stored, if there is something.
    pub(super) store_at: Option<Instant>,
    /// What was left of the schedule-to-close timeout when it started.
    pub(super) left: Option<Duration>,
    /// Which timeout it ran into, if it was told to stop for that; and until when it is waited
    /// for.
    pub(super) stopping: Option<(TimeoutType, Instant)>,
}

/// Where an attempt stands that does not run.
#[derive(Debug, Default)]
pub(super) enum Standing {
    /// Not in its queue: it is not due, or nothing may run; or it runs.
    #[default]
    Outside,
    /// In its queue.
    Queued(Ticket),
    /// Admitted; the append that says so is on its way.
    Admitted(Permit),
}

/// The code of an attempt that has been ended from elsewhere, until it is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeavingCode {
    pub(super) actor: ActorId,
    /// Until when it is waited for; none before it was told.
    pub(super) until: Option<Instant>,
}
