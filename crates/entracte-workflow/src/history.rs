//! What a history says about its run: the fold over its events.

mod children;
mod error;
mod external_signals;
mod limits;
mod local_activities;
mod signals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use entracte_model::event::{
    ActivityTaskScheduled, HISTORY_FORMAT_VERSION, TimerStarted, WorkflowExecutionStarted,
};
use entracte_model::{
    ActivityOptions, Event, EventAttributes, EventId, RunId, Seq, SourceLocation, Timestamp,
    WorkflowStatus,
};

pub use self::children::{ChildExecution, SentCancel};
pub use self::error::HistoryError;
pub use self::external_signals::SentSignal;
pub(crate) use self::limits::count;

/// What a history says about its run.
///
/// Each event is checked against the events before it, so that a state stands for a sound
/// history: ids without a gap, times that never decrease, references to what is pending.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryState {
    /// The id that the next event will have.
    pub next_event_id: EventId,
    /// The time of the last event.
    pub last_time: Timestamp,
    /// When the run began.
    pub start_time: Timestamp,
    /// How the run began; none before its first event.
    pub started: Option<WorkflowExecutionStarted>,
    /// The activities that have not ended, by their numbers.
    pub activities: BTreeMap<Seq, ScheduledActivity>,
    /// The timers that have neither fired nor been cancelled, by their numbers.
    pub timers: BTreeMap<Seq, StartedTimer>,
    /// The signals to other workflows that have not been answered, by their numbers.
    pub sent_signals: BTreeMap<Seq, SentSignal>,
    /// The child workflows that have not ended, by their numbers.
    pub children: BTreeMap<Seq, ChildExecution>,
    /// The requests to other workflows to cancel that have not been answered, by the events that
    /// sent them.
    pub sent_cancels: BTreeMap<EventId, SentCancel>,
    /// The numbers of the local activities that have ended. Nothing tells of those that have
    /// not.
    pub local_activities: BTreeSet<Seq>,
    /// About how many bytes the events take, as [`EventAttributes::size`] counts them.
    pub history_size: u64,
    /// Whether somebody asked the run to cancel.
    pub cancel_requested: bool,
    /// Why the run was asked to cancel; none if it was not.
    pub cancel_reason: Option<String>,
    /// The request ids of the signals that came, one for each (rule SIG-3).
    pub signals: BTreeSet<Arc<str>>,
    /// How the run ended; none while it is open.
    pub closed: Option<WorkflowStatus>,
    /// The run in which it goes on, if it has ended and there is one.
    pub new_execution_run_id: Option<RunId>,
    seq_last: Seq,
    /// How many of `sent_cancels` are not to children.
    external_cancels: u32,
    /// The timers in the order in which they fire.
    timers_due: BTreeSet<(Timestamp, EventId, Seq)>,
    activity_seqs: BTreeMap<EventId, Seq>,
    /// Whether a signal can have been taken up together with the last event.
    is_joinable: bool,
}

/// An activity that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledActivity {
    /// The event that scheduled it.
    pub scheduled_event_id: EventId,
    /// When it was scheduled.
    pub scheduled_time: Timestamp,
    /// The event that tells its last attempt's start; none until its end is recorded too.
    pub started_event_id: Option<EventId>,
    /// Its id.
    pub activity_id: Arc<str>,
    /// Its durable name.
    pub activity_type: Arc<str>,
    /// How it is run.
    pub options: ActivityOptions,
    /// Whether the run asked it to cancel.
    pub cancel_requested: bool,
    /// Where the workflow issued it.
    pub source: SourceLocation,
}

/// A timer that has neither fired nor been cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct StartedTimer {
    /// The event that started it.
    pub started_event_id: EventId,
    /// When it was started.
    pub started_time: Timestamp,
    /// When it fires.
    pub due: Timestamp,
    /// Where the workflow started it.
    pub source: SourceLocation,
}

impl Default for HistoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl HistoryState {
    /// The state of a run without events.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next_event_id: EventId::FIRST,
            last_time: Timestamp::EPOCH,
            start_time: Timestamp::EPOCH,
            started: None,
            activities: BTreeMap::new(),
            timers: BTreeMap::new(),
            sent_signals: BTreeMap::new(),
            children: BTreeMap::new(),
            sent_cancels: BTreeMap::new(),
            local_activities: BTreeSet::new(),
            history_size: 0,
            cancel_requested: false,
            cancel_reason: None,
            signals: BTreeSet::new(),
            closed: None,
            new_execution_run_id: None,
            seq_last: Seq::new(0),
            external_cancels: 0,
            timers_due: BTreeSet::new(),
            activity_seqs: BTreeMap::new(),
            is_joinable: false,
        }
    }

    /// The state after a whole history.
    ///
    /// # Errors
    /// [`HistoryError`] names the first event that is wrong.
    pub fn from_events(events: &[Event]) -> Result<Self, HistoryError> {
        let mut state = Self::new();
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// Takes in the next event. After an error the state is as it was.
    ///
    /// # Errors
    /// [`HistoryError`] says why the event cannot follow the events before it.
    pub fn apply(&mut self, event: &Event) -> Result<(), HistoryError> {
        self.check_place(event)?;
        self.take_in(event)?;
        self.new_execution_run_id = event.attributes.new_execution_run_id();
        self.history_size += event.attributes.size();
        self.is_joinable = signals::is_joinable(&event.attributes);
        self.next_event_id = event.id.next();
        self.last_time = event.time;
        Ok(())
    }

    /// The pending activity that an event scheduled.
    #[must_use]
    pub fn activity_by_event(
        &self,
        scheduled_event_id: EventId,
    ) -> Option<(Seq, &ScheduledActivity)> {
        let seq = *self.activity_seqs.get(&scheduled_event_id)?;
        Some((seq, self.activities.get(&seq)?))
    }

    /// Checks what does not depend on what the event tells.
    pub(crate) fn check_place(&self, event: &Event) -> Result<(), HistoryError> {
        let (expected, found) = (self.next_event_id, event.id);
        if found != expected {
            return Err(HistoryError::Gap { expected, found });
        }
        let event_type = event.attributes.event_type();
        if self.closed.is_some() {
            return Err(HistoryError::AfterClose { event_id: event.id, event_type });
        }
        let is_start = matches!(event.attributes, EventAttributes::WorkflowExecutionStarted(_));
        if self.started.is_none() && !is_start {
            return Err(HistoryError::NotStarted { event_type });
        }
        if event.time < self.last_time {
            let (event_id, time, last) = (event.id, event.time, self.last_time);
            return Err(HistoryError::TimeWentBack { event_id, time, last });
        }
        Ok(())
    }

    fn take_in(&mut self, event: &Event) -> Result<(), HistoryError> {
        match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(started) => self.start(event, started)?,
            EventAttributes::WorkflowExecutionCompleted(_) => self.close(WorkflowStatus::Completed),
            EventAttributes::WorkflowExecutionFailed(_) => self.close(WorkflowStatus::Failed),
            EventAttributes::WorkflowExecutionCanceled(_) => self.close(WorkflowStatus::Canceled),
            EventAttributes::WorkflowExecutionTerminated(_) => {
                self.close(WorkflowStatus::Terminated);
            }
            EventAttributes::WorkflowExecutionTimedOut(_) => self.close(WorkflowStatus::TimedOut),
            EventAttributes::WorkflowExecutionContinuedAsNew(_) => {
                self.close(WorkflowStatus::ContinuedAsNew);
            }
            EventAttributes::WorkflowExecutionCancelRequested(request) => {
                self.cancel_requested = true;
                self.cancel_reason.get_or_insert_with(|| request.reason.clone());
            }
            EventAttributes::WorkflowExecutionSignaled(signaled) => self.signal(event, signaled)?,
            EventAttributes::ActivityTaskScheduled(scheduled) => self.schedule(event, scheduled)?,
            EventAttributes::ActivityTaskStarted(started) => {
                let activity = self.activity_mut(event, started.scheduled_event_id)?;
                activity.started_event_id = Some(event.id);
            }
            EventAttributes::ActivityTaskCompleted(end) => {
                self.end_activity(event, end.scheduled_event_id, end.started_event_id)?;
            }
            EventAttributes::ActivityTaskFailed(end) => {
                self.end_activity(event, end.scheduled_event_id, end.started_event_id)?;
            }
            EventAttributes::ActivityTaskTimedOut(end) => {
                self.end_activity(event, end.scheduled_event_id, end.started_event_id)?;
            }
            EventAttributes::ActivityTaskCanceled(end) => {
                self.end_activity(event, end.scheduled_event_id, end.started_event_id)?;
            }
            EventAttributes::ActivityTaskCancelRequested(request) => {
                self.activity_mut(event, request.scheduled_event_id)?.cancel_requested = true;
            }
            EventAttributes::TimerStarted(timer) => self.start_timer(event, timer)?,
            EventAttributes::TimerFired(end) => {
                self.end_timer(event, end.seq, end.started_event_id)?;
            }
            EventAttributes::TimerCanceled(end) => {
                self.end_timer(event, end.seq, end.started_event_id)?;
            }
            EventAttributes::MarkerRecorded(recorded) => self.record_marker(event, recorded)?,
            EventAttributes::SignalExternalWorkflowExecutionInitiated(initiated) => {
                self.send_signal(event, initiated)?;
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(end) => {
                self.end_sent_signal(event, end.seq, end.initiated_event_id)?;
            }
            EventAttributes::ExternalWorkflowExecutionSignaled(end) => {
                self.end_sent_signal(event, end.seq, end.initiated_event_id)?;
            }
            other => return self.take_in_child(event, other),
        }
        Ok(())
    }

    fn take_in_child(
        &mut self,
        event: &Event,
        attributes: &EventAttributes,
    ) -> Result<(), HistoryError> {
        use EventAttributes as A;
        match attributes {
            A::StartChildWorkflowExecutionInitiated(child) => self.initiate_child(event, child),
            A::StartChildWorkflowExecutionFailed(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, false)
            }
            A::ChildWorkflowExecutionStarted(started) => self.start_child(event, started),
            A::ChildWorkflowExecutionCompleted(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, true)
            }
            A::ChildWorkflowExecutionFailed(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, true)
            }
            A::ChildWorkflowExecutionCanceled(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, true)
            }
            A::ChildWorkflowExecutionTimedOut(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, true)
            }
            A::ChildWorkflowExecutionTerminated(end) => {
                self.end_child(event, end.seq, end.initiated_event_id, true)
            }
            A::RequestCancelExternalWorkflowExecutionInitiated(sent) => {
                self.send_cancel(event, sent)
            }
            A::RequestCancelExternalWorkflowExecutionFailed(end) => {
                self.end_sent_cancel(event, end.initiated_event_id)
            }
            A::ExternalWorkflowExecutionCancelRequested(end) => {
                self.end_sent_cancel(event, end.initiated_event_id)
            }
            other => {
                let event_type = other.event_type();
                Err(HistoryError::UnknownEvent { event_id: event.id, event_type })
            }
        }
    }

    fn start(
        &mut self,
        event: &Event,
        started: &WorkflowExecutionStarted,
    ) -> Result<(), HistoryError> {
        if self.started.is_some() {
            return Err(HistoryError::StartedAgain { event_id: event.id });
        }
        let (found, supported) = (started.format_version, HISTORY_FORMAT_VERSION);
        if found > supported {
            return Err(HistoryError::NewerFormat { found, supported });
        }
        self.start_time = event.time;
        self.started = Some(started.clone());
        Ok(())
    }

    /// What was pending stays listed: it tells what has to be stopped.
    fn close(&mut self, status: WorkflowStatus) {
        self.closed = Some(status);
    }

    /// Numbers only grow; some are missing, where an operation vanished in its own turn.
    fn take_seq(&mut self, event: &Event, seq: Seq) -> Result<(), HistoryError> {
        if seq <= self.seq_last {
            return Err(HistoryError::RepeatedSeq { event_id: event.id, seq, last: self.seq_last });
        }
        self.seq_last = seq;
        Ok(())
    }

    fn schedule(
        &mut self,
        event: &Event,
        scheduled: &ActivityTaskScheduled,
    ) -> Result<(), HistoryError> {
        self.take_seq(event, scheduled.seq)?;
        let activity = ScheduledActivity {
            scheduled_event_id: event.id,
            scheduled_time: event.time,
            started_event_id: None,
            activity_id: Arc::clone(&scheduled.activity_id),
            activity_type: Arc::clone(&scheduled.activity_type),
            options: scheduled.options.clone(),
            cancel_requested: false,
            source: scheduled.source.clone(),
        };
        self.activities.insert(scheduled.seq, activity);
        self.activity_seqs.insert(event.id, scheduled.seq);
        Ok(())
    }

    fn activity_mut(
        &mut self,
        event: &Event,
        scheduled_event_id: EventId,
    ) -> Result<&mut ScheduledActivity, HistoryError> {
        let seq = self.activity_seqs.get(&scheduled_event_id);
        let activity = seq.and_then(|seq| self.activities.get_mut(seq));
        activity.ok_or_else(|| HistoryError::UnknownActivity {
            event_id: event.id,
            event_type: event.attributes.event_type(),
            scheduled_event_id,
        })
    }

    fn end_activity(
        &mut self,
        event: &Event,
        scheduled_event_id: EventId,
        started_event_id: EventId,
    ) -> Result<(), HistoryError> {
        let activity = self.activity_mut(event, scheduled_event_id)?;
        // Zero says that no attempt had started.
        if started_event_id != activity.started_event_id.unwrap_or_default() {
            return Err(HistoryError::UnknownAttempt { event_id: event.id, started_event_id });
        }
        if let Some(seq) = self.activity_seqs.remove(&scheduled_event_id) {
            self.activities.remove(&seq);
        }
        Ok(())
    }

    fn start_timer(&mut self, event: &Event, timer: &TimerStarted) -> Result<(), HistoryError> {
        self.take_seq(event, timer.seq)?;
        let timer_state = StartedTimer {
            started_event_id: event.id,
            started_time: event.time,
            due: event.time.saturating_add(timer.start_to_fire_timeout),
            source: timer.source.clone(),
        };
        self.timers_due.insert((timer_state.due, event.id, timer.seq));
        self.timers.insert(timer.seq, timer_state);
        Ok(())
    }

    /// The timers that are due at a time, in the order in which they fire (rule TIM-5).
    pub fn due_timers(&self, now: Timestamp) -> impl Iterator<Item = Seq> {
        let due = self.timers_due.iter().take_while(move |(due, ..)| *due <= now);
        due.map(|(.., seq)| *seq)
    }

    fn end_timer(
        &mut self,
        event: &Event,
        seq: Seq,
        started_event_id: EventId,
    ) -> Result<(), HistoryError> {
        let pending = self.timers.get(&seq);
        if pending.is_none_or(|timer| timer.started_event_id != started_event_id) {
            let event_type = event.attributes.event_type();
            return Err(HistoryError::UnknownTimer { event_id: event.id, event_type, seq });
        }
        if let Some(timer) = self.timers.remove(&seq) {
            self.timers_due.remove(&(timer.due, started_event_id, seq));
        }
        Ok(())
    }
}
