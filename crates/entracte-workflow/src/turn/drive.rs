//! A machine's turn and the events it makes; the same live and on replay.

use std::collections::{BTreeMap, BTreeSet};

use entracte_model::event::RequestCancelExternalWorkflowExecutionInitiated;
use entracte_model::failure::ActivityFailure;
use entracte_model::{
    ActivityCancellationType, ChildWorkflowCancellationType, Event, EventAttributes, EventId,
    RetryState, RunId, Seq, Timestamp,
};

use super::children::PendingChild;
use super::command_events::command_event;
use super::job::cancelled;
use crate::history::{ChildExecution, HistoryState, count};
use crate::machine::{
    Activation, ActivityResolution, Command, Job, Machine, PendingCounts, TurnFailure,
};

/// What holds for all activations of a turn.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) run_id: RunId,
    pub(crate) time: Timestamp,
    pub(crate) is_replaying: bool,
    /// The external event of the turn; of several that are taken up together, the last.
    pub(crate) event_id: EventId,
    /// About how many bytes the history has, with that event.
    pub(crate) history_size: u64,
}

/// Applies a job, or several that are taken up together, then what follows within the turn, and
/// records every command.
///
/// An activity that is to be cancelled without waiting for its end resolves here and now,
/// in a further activation: as Temporal's core does it. No external event tells of these, so
/// replay comes to them by the same way.
pub(crate) fn drive(
    machine: &mut Machine,
    turn: &mut TurnEvents<'_>,
    head: &Head,
    jobs: Vec<Job>,
) -> Result<(), TurnFailure> {
    let mut to_resolve = BTreeSet::new();
    activate(machine, turn, head, jobs, &mut to_resolve)?;
    while let Some(seq) = to_resolve.pop_first() {
        if !machine.awaits(seq) {
            continue;
        }
        let job = if let Some(local) = machine.local_activity(seq) {
            let resolution = ActivityResolution::Cancelled(local.cancelled());
            Job::ResolveActivity { seq, resolution, is_local: true }
        } else if let Some(pending) = turn.activity(seq) {
            let resolution = cancelled(pending.wrapper);
            Job::ResolveActivity { seq, resolution, is_local: false }
        } else if let Some(pending) = turn.child(seq) {
            pending.cancelled(seq)
        } else {
            continue;
        };
        activate(machine, turn, head, vec![job], &mut to_resolve)?;
    }
    Ok(())
}

fn activate(
    machine: &mut Machine,
    turn: &mut TurnEvents<'_>,
    head: &Head,
    jobs: Vec<Job>,
    to_resolve: &mut BTreeSet<Seq>,
) -> Result<(), TurnFailure> {
    let commands = machine.activate(Activation {
        run_id: head.run_id,
        time: head.time,
        is_replaying: head.is_replaying,
        history_length: head.event_id.get(),
        history_size: head.history_size,
        pending: turn.pending,
        jobs,
    })?;
    for command in commands {
        let (is_recorded, resolves) = cancels(machine, turn, &command);
        to_resolve.extend(resolves);
        if is_recorded {
            let attributes = command_event(turn, head.run_id, command)?;
            turn.push(attributes);
        }
    }
    Ok(())
}

/// Whether a command leaves an event, and which operation it ends within the turn: what a
/// cancellation does is said by the type of its operation (rules ACX-1 and CHD-12).
fn cancels(machine: &Machine, turn: &TurnEvents<'_>, command: &Command) -> (bool, Option<Seq>) {
    match *command {
        Command::RequestCancelActivity { seq } => {
            let Some(pending) = turn.activity(seq) else { return (false, None) };
            match pending.cancellation_type {
                ActivityCancellationType::WaitCancellationCompleted => (true, None),
                ActivityCancellationType::Abandon => (false, Some(seq)),
                _ => (true, Some(seq)),
            }
        }
        Command::CancelChildWorkflowExecution { child_workflow_seq: seq, .. } => {
            let Some(pending) = turn.child(seq) else { return (false, None) };
            match pending.cancellation_type {
                ChildWorkflowCancellationType::Abandon => (false, Some(seq)),
                ChildWorkflowCancellationType::TryCancel => (true, Some(seq)),
                _ => (true, None),
            }
        }
        // Whoever runs local activities asks the machine for them.
        Command::ScheduleLocalActivity { .. } => (false, None),
        Command::RequestCancelLocalActivity { seq } => {
            let waits = ActivityCancellationType::WaitCancellationCompleted;
            let local = machine.local_activity(seq);
            let resolves = local.is_some_and(|local| local.options.cancellation_type != waits);
            (false, resolves.then_some(seq))
        }
        _ => (true, None),
    }
}

/// The events of a turn so far, on top of the state before it.
#[derive(Debug)]
pub(crate) struct TurnEvents<'a> {
    state: &'a HistoryState,
    time: Timestamp,
    next_event_id: EventId,
    events: Vec<Event>,
    /// Where among the events the operations begin that the turn started, by their numbers.
    begun: BTreeMap<Seq, usize>,
    /// What is pending after the events so far.
    pending: PendingCounts,
    size: u64,
}

/// What a cancellation must know of an activity.
pub(crate) struct PendingActivity {
    pub(crate) wrapper: ActivityFailure,
    pub(crate) cancellation_type: ActivityCancellationType,
}

impl<'a> TurnEvents<'a> {
    pub(crate) fn new(state: &'a HistoryState, time: Timestamp) -> Self {
        Self {
            state,
            time,
            next_event_id: state.next_event_id,
            events: Vec::new(),
            begun: BTreeMap::new(),
            pending: state.pending(),
            size: state.history_size,
        }
    }

    pub(crate) fn push(&mut self, attributes: EventAttributes) -> EventId {
        let id = self.next_event_id;
        self.next_event_id = id.next();
        self.size += attributes.size();
        count(&mut self.pending, self.state, &attributes);
        if let Some(seq) = begins(&attributes) {
            self.begun.insert(seq, self.events.len());
        }
        self.events.push(Event { id, time: self.time, attributes });
        id
    }

    /// What was before the turn.
    pub(super) fn state(&self) -> &HistoryState {
        self.state
    }

    /// The events so far.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// The time of all of them.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// About how many bytes the history has, with the events so far.
    pub(crate) fn history_size(&self) -> u64 {
        self.size
    }

    /// The id of the event that is pushed next.
    pub(crate) fn next_event_id(&self) -> EventId {
        self.next_event_id
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// A pending activity, scheduled before the turn or in it.
    pub(crate) fn activity(&self, seq: Seq) -> Option<PendingActivity> {
        if let Some(activity) = self.state.activities.get(&seq) {
            let (event_id, name) = (activity.scheduled_event_id, &activity.activity_type);
            let wrapper = wrapper(event_id, name, &activity.activity_id);
            let cancellation_type = activity.options.cancellation_type;
            return Some(PendingActivity { wrapper, cancellation_type });
        }
        let Event { id: event_id, attributes, .. } = self.begun(seq)?;
        let EventAttributes::ActivityTaskScheduled(scheduled) = attributes else { return None };
        let event_id = *event_id;
        let wrapper = wrapper(event_id, &scheduled.activity_type, &scheduled.activity_id);
        let cancellation_type = scheduled.options.cancellation_type;
        Some(PendingActivity { wrapper, cancellation_type })
    }

    /// A pending activity by the event that scheduled it, for the failure that wraps its end.
    pub(crate) fn activity_by_event(&self, event_id: EventId) -> Option<(Seq, ActivityFailure)> {
        let (seq, _) = self.state.activity_by_event(event_id)?;
        Some((seq, self.activity(seq)?.wrapper))
    }

    /// A pending child workflow, initiated before the turn or in it.
    pub(crate) fn child(&self, seq: Seq) -> Option<PendingChild> {
        if let Some(child) = self.state.children.get(&seq) {
            return Some(PendingChild::new(child));
        }
        let event = self.begun(seq)?;
        let EventAttributes::StartChildWorkflowExecutionInitiated(initiated) = &event.attributes
        else {
            return None;
        };
        Some(PendingChild::new(&ChildExecution {
            initiated_event_id: event.id,
            initiated_time: event.time,
            workflow_id: initiated.workflow_id.clone(),
            workflow_type: initiated.workflow_type.clone(),
            options: initiated.options.clone(),
            started: None,
            source: initiated.source.clone(),
        }))
    }

    /// The event with which an operation of the turn begins.
    fn begun(&self, seq: Seq) -> Option<&Event> {
        self.events.get(*self.begun.get(&seq)?)
    }

    /// A request to cancel another workflow that has not been answered.
    pub(crate) fn sent_cancel(
        &self,
        initiated_event_id: EventId,
    ) -> Option<&RequestCancelExternalWorkflowExecutionInitiated> {
        self.state.sent_cancels.get(&initiated_event_id).map(|sent| &sent.initiated)
    }

    /// The workflow to which a pending signal was sent.
    pub(crate) fn signal_target(&self, seq: Seq) -> Option<String> {
        let sent = self.state.sent_signals.get(&seq)?;
        Some(sent.initiated.workflow_id.as_str().to_owned())
    }

    /// The event that started a pending timer, before the turn or in it.
    pub(crate) fn timer_started_event(&self, seq: Seq) -> Option<EventId> {
        if let Some(timer) = self.state.timers.get(&seq) {
            return Some(timer.started_event_id);
        }
        let event = self.begun(seq)?;
        matches!(event.attributes, EventAttributes::TimerStarted(_)).then_some(event.id)
    }
}

/// The operation that begins with an event and can be cancelled.
fn begins(attributes: &EventAttributes) -> Option<Seq> {
    match attributes {
        EventAttributes::ActivityTaskScheduled(scheduled) => Some(scheduled.seq),
        EventAttributes::TimerStarted(timer) => Some(timer.seq),
        EventAttributes::StartChildWorkflowExecutionInitiated(initiated) => Some(initiated.seq),
        _ => None,
    }
}

/// The wrapper of a cancelled activity; other ends set what differs.
fn wrapper(event_id: EventId, activity_type: &str, activity_id: &str) -> ActivityFailure {
    ActivityFailure {
        scheduled_event_id: event_id,
        started_event_id: EventId::default(),
        activity_type: activity_type.to_owned(),
        activity_id: activity_id.to_owned(),
        retry_state: RetryState::CancelRequested,
    }
}
