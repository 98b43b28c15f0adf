//! From events to rows and effects: what is written, and what is done when it is durable.

use entracte_model::event::{ActivityTaskScheduled, WorkflowExecutionStarted};
use entracte_model::{Event, EventAttributes, EventId, Seq, Timestamp, WorkflowStatus};
use entracte_store::StoreExt;
use entracte_store::keys::{self, DueKey, DueKind, InboxKey, PendingActivityKey};
use entracte_store::rows::{PendingActivityRow, RunClose, RunRow, WorkflowIdRow};
use entracte_workflow::HistoryError;

use super::effect::Effect;
use super::input::QueuedInput;
use super::local_activities::LocalChanges;
use super::pending_activity::{PendingActivity, Standing};
use super::publishing::Published;
use super::state::{Change, RunRows, RunState};
use crate::messages::WorkflowIdClaim;

impl RunState {
    /// Takes the events of a turn over and hands them to the journal, in one append with
    /// everything that follows from them.
    pub(super) fn record(
        &mut self,
        events: &[Event],
        inputs: &[QueuedInput],
        published: Published,
        local: LocalChanges,
    ) -> Result<(), HistoryError> {
        let mut change = self.change();
        for event in events {
            change.rows.put_event(self.run_id, event);
            change.event_count += 1;
            change.time = event.time;
            self.record_event(event, &mut change);
            self.history.apply(event)?;
        }
        self.record_published(published, events, &mut change);
        for queued in inputs {
            self.strike(queued, &mut change);
        }
        self.record_local(local, events, &mut change);
        self.append(change);
        Ok(())
    }

    /// Deletes the row that kept an input, if there is one.
    pub(super) fn strike(&self, queued: &QueuedInput, change: &mut Change) {
        if let Some(sequence) = queued.inbox_sequence {
            change.rows.delete_inbox(InboxKey { run_id: self.run_id, sequence });
        }
        self.settle_delivery(&queued.input, change);
    }

    fn record_event(&mut self, event: &Event, change: &mut Change) {
        use EventAttributes as A;
        match &event.attributes {
            A::WorkflowExecutionStarted(started) => {
                self.record_start(started, event.time, change);
                self.forget_first_task(started, change);
            }
            A::ActivityTaskScheduled(scheduled) => {
                self.record_scheduled(scheduled, event, change);
            }
            A::ActivityTaskCompleted(closed) => self.record_end(closed.scheduled_event_id, change),
            A::ActivityTaskFailed(closed) => self.record_end(closed.scheduled_event_id, change),
            A::ActivityTaskTimedOut(closed) => self.record_end(closed.scheduled_event_id, change),
            A::ActivityTaskCanceled(closed) => self.record_end(closed.scheduled_event_id, change),
            A::ActivityTaskCancelRequested(requested) => {
                self.record_cancel(requested.scheduled_event_id, change);
            }
            A::TimerStarted(started) => {
                let due = event.time.saturating_add(started.start_to_fire_timeout);
                let seq = started.seq;
                change.rows.put_due(self.timer_key(seq, due));
                change.effects.push(Effect::StartTimer { seq, due });
            }
            A::SignalExternalWorkflowExecutionInitiated(initiated) => {
                self.record_sent_signal(initiated.seq, event.time, change);
            }
            A::SignalExternalWorkflowExecutionFailed(end) => {
                self.record_sent_signal_end(end.seq, change);
            }
            A::ExternalWorkflowExecutionSignaled(end) => {
                self.record_sent_signal_end(end.seq, change);
            }
            A::TimerFired(fired) => self.record_timer_end(fired.seq, change),
            A::TimerCanceled(canceled) => self.record_timer_end(canceled.seq, change),
            A::WorkflowExecutionCompleted(_) => {
                self.record_close(WorkflowStatus::Completed, event, change);
            }
            A::WorkflowExecutionFailed(_) => {
                self.record_close(WorkflowStatus::Failed, event, change);
            }
            A::WorkflowExecutionCanceled(_) => {
                self.record_close(WorkflowStatus::Canceled, event, change);
            }
            A::WorkflowExecutionTerminated(_) => {
                self.record_close(WorkflowStatus::Terminated, event, change);
            }
            A::WorkflowExecutionTimedOut(_) => {
                self.record_close(WorkflowStatus::TimedOut, event, change);
            }
            A::WorkflowExecutionContinuedAsNew(_) => {
                self.record_close(WorkflowStatus::ContinuedAsNew, event, change);
            }
            A::StartChildWorkflowExecutionInitiated(initiated) => {
                self.record_child(initiated, event, change);
            }
            A::RequestCancelExternalWorkflowExecutionInitiated(initiated) => {
                self.record_sent_cancel(initiated, event, change);
            }
            // These change nothing outside of the history.
            _ => {}
        }
    }

    /// Writes the rows that name the run, claims its workflow id and answers its client;
    /// nothing if that was done before, when the run's first turn had failed.
    pub(super) fn record_start(
        &mut self,
        started: &WorkflowExecutionStarted,
        time: Timestamp,
        change: &mut Change,
    ) {
        let Some(new_run) = self.new_run.take() else { return };
        let run = RunRow::begun(started, time);
        let workflow_id = WorkflowIdRow::begun(self.run_id, started);
        change.rows.put_run(self.run_id, &run);
        change.claim = Some(WorkflowIdClaim {
            workflow_id: started.workflow_id.clone(),
            expected: new_run.replaces.clone(),
            new: workflow_id.clone(),
        });
        self.rows = Some(RunRows { run, workflow_id });
        self.record_run_timeout(started, change);
        if let Some(parent) = &started.parent {
            self.record_start_as_child(parent, change);
        }
        change.effects.push(Effect::Started(Box::new(new_run)));
    }

    fn record_scheduled(
        &mut self,
        scheduled: &ActivityTaskScheduled,
        event: &Event,
        change: &mut Change,
    ) {
        let seq = scheduled.seq;
        let standing = self.request_first(scheduled, event.time);
        let admitted = matches!(standing, Standing::Admitted(_));
        let row = PendingActivityRow {
            admitted_at: admitted.then_some(event.time),
            ..PendingActivityRow::new(event.id, event.time)
        };
        change.rows.put_pending(self.pending_key(seq), &row);
        change.effects.push(if admitted {
            Effect::StartAttempt { seq, attempt: 1 }
        } else {
            Effect::Arm { seq }
        });
        let mut activity =
            PendingActivity::new(row, scheduled, event.time, self.run_timeout_length());
        activity.standing = standing;
        self.activities.insert(seq, activity);
    }

    fn record_end(&mut self, scheduled_event_id: EventId, change: &mut Change) {
        let Some(seq) = self.seq_of(scheduled_event_id) else { return };
        self.forget_activity(seq, change);
    }

    /// Deletes the rows of an activity that has come to its end.
    pub(super) fn forget_activity(&mut self, seq: Seq, change: &mut Change) {
        self.deadlines.forget(seq);
        if let Some(activity) = self.activities.remove(&seq) {
            change.rows.delete_pending(self.pending_key(seq));
            if let Some(due) = activity.due {
                change.rows.delete_due(self.retry_key(seq, due));
            }
        }
    }

    fn record_cancel(&mut self, scheduled_event_id: EventId, change: &mut Change) {
        let Some(seq) = self.seq_of(scheduled_event_id) else { return };
        let key = self.pending_key(seq);
        if let Some(activity) = self.activities.get_mut(&seq) {
            activity.row.cancel_requested = true;
            if activity.is_queued() {
                activity.standing = Standing::Outside;
            }
            change.rows.put_pending(key, &activity.row);
            change.effects.push(Effect::CancelAttempt { seq });
        }
    }

    fn record_timer_end(&mut self, seq: Seq, change: &mut Change) {
        if let Some(timer) = self.history.timers.get(&seq) {
            change.rows.delete_due(self.timer_key(seq, timer.due));
        }
        change.effects.push(Effect::StopTimer { seq });
    }

    /// Writes the close into the rows that name the run, and deletes everything that waits.
    fn record_close(&mut self, status: WorkflowStatus, event: &Event, change: &mut Change) {
        self.close_event = Some(event.attributes.clone());
        self.leave_queues();
        self.hand_over_sent_signals(event, change);
        let next = self.record_next_run(event, change);
        let is_last = next.is_none();
        if let Some(rows) = &mut self.rows {
            rows.run.status = status;
            rows.run.close = Some(RunClose {
                time: event.time,
                last_event_id: event.id,
                new_execution_run_id: next.as_ref().map(|next| next.run_id),
            });
            let expected = rows.workflow_id.clone();
            match next {
                Some(next) => rows.workflow_id = next,
                None => rows.workflow_id.status = status,
            }
            change.rows.put_run(self.run_id, &rows.run);
            change.claim = Some(match change.claim.take() {
                // Started and closed in one turn.
                Some(claim) => WorkflowIdClaim { new: rows.workflow_id.clone(), ..claim },
                None => WorkflowIdClaim {
                    workflow_id: rows.run.workflow_id.clone(),
                    expected: Some(expected),
                    new: rows.workflow_id.clone(),
                },
            });
        }
        for (seq, activity) in &self.activities {
            change.rows.delete_pending(self.pending_key(*seq));
            if let Some(due) = activity.due {
                change.rows.delete_due(self.retry_key(*seq, due));
            }
        }
        self.forget_local(change);
        for (seq, timer) in &self.history.timers {
            change.rows.delete_due(self.timer_key(*seq, timer.due));
        }
        for queued in self.inputs.take_all() {
            self.strike(&queued, change);
        }
        self.forget_run_timeout(change);
        if is_last {
            // A parent hears only of the end of the chain (rule CHD-9).
            self.record_close_as_child(event, change);
        }
        self.record_parent_close(event.time, is_last, change);
        if !self.is_resumed {
            self.delete_unread(change);
        }
        change.effects.push(Effect::Closed);
    }

    /// Deletes what waits for the run without reading it, because it cannot be read.
    fn delete_unread(&mut self, change: &mut Change) {
        let store = &self.shared.store;
        // The directory strikes what was sent to it, and answers.
        self.late_deliveries.extend(store.delivery_keys(self.run_id).unwrap_or_default());
        let ranges = [keys::pending_of, keys::local_activities_of, keys::inbox_of];
        for range in ranges.map(|range| range(self.run_id)) {
            // What cannot even be listed stays, and recovery skips what belongs to closed runs.
            let rows = store.scan(range.space, &range.start, range.end.as_deref(), usize::MAX);
            for row in rows.unwrap_or_default() {
                change.rows.delete(range.space, row.key);
            }
        }
        for due in store.due(Timestamp::MAX, usize::MAX).unwrap_or_default() {
            if due.run_id == self.run_id {
                change.rows.delete_due(due);
            }
        }
    }

    pub(super) fn seq_of(&self, scheduled_event_id: EventId) -> Option<Seq> {
        self.history.activity_by_event(scheduled_event_id).map(|(seq, _)| seq)
    }

    pub(super) fn pending_key(&self, seq: Seq) -> PendingActivityKey {
        PendingActivityKey { run_id: self.run_id, seq }
    }

    pub(super) fn retry_key(&self, seq: Seq, due: Timestamp) -> DueKey {
        DueKey { due, run_id: self.run_id, kind: DueKind::ActivityRetry, seq }
    }

    fn timer_key(&self, seq: Seq, due: Timestamp) -> DueKey {
        DueKey { due, run_id: self.run_id, kind: DueKind::Timer, seq }
    }
}
