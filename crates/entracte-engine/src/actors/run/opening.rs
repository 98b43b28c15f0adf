//! How a run comes into memory: new, or from the store.

use std::sync::Arc;
use std::time::Duration;

use entracte_model::{Event, EventAttributes, Seq};
use entracte_store::keys::{InboxKey, PendingActivityKey};
use entracte_store::rows::PendingActivityRow;
use entracte_store::{StoreError, StoreExt};
use entracte_workflow::HistoryState;
use ractor::ActorProcessingErr;

use super::effect::Effect;
use super::input::{Input, QueuedInput};
use super::pending_activity::PendingActivity;
use super::state::{Mode, RunRows, RunState};
use crate::actors::attempt::lost_attempt;
use crate::errors::ParkCause;
use crate::messages::{Epoch, JournalMessage, RunMessage};

impl RunState {
    pub(super) fn begin_or_open(&self) {
        if self.new_run.is_some() {
            let _ = self.myself.cast(RunMessage::Begin);
        } else {
            let (run_id, epoch) = (self.run_id, self.epoch);
            let open = JournalMessage::Open { run_id, epoch, author: self.myself.clone() };
            let _ = self.journal.cast(open);
        }
    }

    /// Takes the first turn of a new run.
    pub(super) fn begin(&mut self) -> Result<(), ActorProcessingErr> {
        let limits = self.shared.options.pending_limits;
        let Some(new_run) = &mut self.new_run else { return Ok(()) };
        // From here on they are the run's own, whatever the options of a later engine say.
        new_run.started.limits = limits;
        let input = Input::Start(Box::new(new_run.started.clone()));
        self.take_turn(QueuedInput { input, inbox_sequence: None })?;
        // The directory may have passed calls on before this actor had begun.
        self.take_deferred_calls()
    }

    /// Reads what is stored of the run and goes on from there.
    pub(super) fn opened(&mut self, epoch: Epoch) -> Result<(), ActorProcessingErr> {
        if epoch != self.epoch || !matches!(self.mode, Mode::Running | Mode::Draining) {
            return Ok(());
        }
        let store = Arc::clone(&self.shared.store);
        let Some(run) = store.get_run(self.run_id)? else {
            return self.begin_as_child();
        };
        if !run.status.is_open() {
            return self.open_closed(&run);
        }
        if run.parent.is_some() && self.open_child.is_none() {
            self.open_child = Some(self.shared.open_children.come_back());
        }
        if let Some(workflow_id) = store.get_workflow_id(&run.workflow_id)? {
            self.rows = Some(RunRows { run, workflow_id });
        }
        self.come_back()?;
        self.take_deferred_calls()
    }

    /// Takes up everything that is stored of the run; parks it if that cannot be read.
    pub(super) fn come_back(&mut self) -> Result<(), ActorProcessingErr> {
        let restored = match self.restore() {
            Err(cause) if cause.hides_history() => return self.park_and_wait(cause),
            restored => restored,
        };
        self.ready.push_back(Effect::ArmRunTimeout);
        self.hold_back();
        let resumed = match self.resume() {
            Err(error) => return self.park_and_wait(ParkCause::RowUnreadable { error }),
            Ok(lost) => lost,
        };
        self.is_resumed = true;
        self.ready.push_back(Effect::ArmFirstTask);
        if let Err(cause) = restored {
            self.park(cause, None);
        }
        self.resume_local();
        if self.parent_terminates {
            return self.pump();
        }
        if self.parked.is_none() {
            // The engine may have stopped between the turn that passed the limit and the end.
            self.check_history_length()?;
            if self.is_closed() {
                return Ok(());
            }
        }
        for (seq, attempt) in resumed {
            // Nobody saw how the attempt ended: it counts as failed (rule 6 of the design).
            let failure = lost_attempt("the engine stopped while it ran");
            self.attempt_failed(seq, attempt, failure)?;
        }
        if !self.has_begun() {
            // They may end the run, whose first turn might begin the next one.
            self.take_deferred_calls()?;
        }
        self.pump()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends functions that may fail")]
    fn park_and_wait(&mut self, cause: ParkCause) -> Result<(), ActorProcessingErr> {
        self.park(cause, None);
        Ok(())
    }

    /// Reads what waits for the run, and takes it up: nothing of it if a row cannot be read.
    /// Gives the attempts that are lost.
    fn resume(&mut self) -> Result<Vec<(Seq, u32)>, StoreError> {
        let store = Arc::clone(&self.shared.store);
        let inbox = store.inbox(self.run_id)?;
        let deliveries = store.deliveries(self.run_id)?;
        let pending = store.pending_activities(self.run_id)?;
        let local = store.local_activities(self.run_id)?;
        let scheduled = pending
            .iter()
            .map(|(_, row)| store.get_event(self.run_id, row.scheduled_event_id))
            .collect::<Result<Vec<_>, _>>()?;
        for (InboxKey { sequence, .. }, row) in inbox {
            self.inbox_next = self.inbox_next.max(sequence + 1);
            let Some(input) = Input::from_inbox(row.message) else { continue };
            self.inputs.push_back(QueuedInput { input, inbox_sequence: Some(sequence) });
        }
        self.resume_deliveries(deliveries);
        self.local.set_rows(local);
        // Before any turn is taken, which would add timers that are not durable yet.
        self.resume_timers();
        self.resume_sent_signals();
        let pending = pending.into_iter().zip(scheduled);
        Ok(pending
            .filter_map(|((key, row), event)| self.resume_activity(key, row, event))
            .collect())
    }

    /// Rebuilds history and machine from the stored events.
    pub(super) fn restore(&mut self) -> Result<(), ParkCause> {
        let unreadable = |error: StoreError| ParkCause::HistoryUnreadable { error };
        let events = self.shared.store.read_history(self.run_id).map_err(unreadable)?;
        let mut history = HistoryState::default();
        for event in &events {
            history.apply(event).map_err(|error| ParkCause::HistoryInvalid { error })?;
        }
        self.history = history;
        self.rebuild(&events)
    }

    /// Takes up an activity; gives its attempt if that is lost.
    fn resume_activity(
        &mut self,
        PendingActivityKey { seq, .. }: PendingActivityKey,
        row: PendingActivityRow,
        scheduled: Option<Event>,
    ) -> Option<(Seq, u32)> {
        let Event { time, attributes, .. } = scheduled?;
        let EventAttributes::ActivityTaskScheduled(scheduled) = attributes else { return None };
        let attempt = row.attempt;
        let (is_admitted, is_cancelled) = (row.admitted_at.is_some(), row.cancel_requested);
        let is_lost = is_admitted && !row.result_pending;
        let mut activity = PendingActivity::new(row, &scheduled, time, self.run_timeout_length());
        let is_due = !is_admitted && activity.row.pause.is_none();
        activity.due = is_due.then_some(activity.row.next_attempt_at);
        self.activities.insert(seq, activity);
        if is_lost {
            return Some((seq, attempt));
        }
        // One that waits and was asked to cancel does not wait any more (rule ACX-3).
        self.ready.push_back(if is_cancelled && !is_admitted {
            Effect::CancelAttempt { seq }
        } else {
            Effect::Arm { seq }
        });
        None
    }

    fn resume_timers(&mut self) {
        for (seq, timer) in &self.history.timers {
            self.ready.push_back(Effect::StartTimer { seq: *seq, due: timer.due });
        }
    }

    /// How long until a point in time; nothing if it is past.
    pub(super) fn until(&self, at: entracte_model::Timestamp) -> Duration {
        at.saturating_since(self.shared.clock.now())
    }
}
