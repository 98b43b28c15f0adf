//! A machine's turn and the events it makes; the same live and on replay.

use std::collections::BTreeSet;

use entracte_model::event::ActivityTaskScheduled;
use entracte_model::failure::ActivityFailure;
use entracte_model::{
    ActivityCancellationType, Event, EventAttributes, EventId, RetryState, RunId, Seq, Timestamp,
};

use super::command_events::command_event;
use super::job::cancelled;
use crate::history::HistoryState;
use crate::machine::{Activation, ActivityResolution, Command, Job, Machine, TurnFailure};

/// What holds for all activations of a turn.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) run_id: RunId,
    pub(crate) time: Timestamp,
    pub(crate) is_replaying: bool,
    /// The external event of the turn; of several that are taken up together, the last.
    pub(crate) event_id: EventId,
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
        let (resolution, is_local) = match (machine.local_activity(seq), turn.activity(seq)) {
            (Some(local), _) => (ActivityResolution::Cancelled(local.cancelled()), true),
            (None, Some(pending)) => (cancelled(pending.wrapper), false),
            (None, None) => continue,
        };
        let job = Job::ResolveActivity { seq, resolution, is_local };
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
        jobs,
    })?;
    for command in commands {
        if let Command::RequestCancelActivity { seq } = command {
            let Some(pending) = turn.activity(seq) else { continue };
            match pending.cancellation_type {
                ActivityCancellationType::WaitCancellationCompleted => {}
                ActivityCancellationType::Abandon => {
                    to_resolve.insert(seq);
                    continue;
                }
                _ => {
                    to_resolve.insert(seq);
                }
            }
        }
        if let Command::RequestCancelLocalActivity { seq } = command
            && let Some(local) = machine.local_activity(seq)
            && local.options.cancellation_type
                != ActivityCancellationType::WaitCancellationCompleted
        {
            to_resolve.insert(seq);
        }
        if !leaves_no_event(&command) {
            let attributes = command_event(turn, command)?;
            turn.push(attributes);
        }
    }
    Ok(())
}

/// Whether nothing of the command gets into the history: whoever runs local activities asks the
/// machine for them.
fn leaves_no_event(command: &Command) -> bool {
    matches!(
        command,
        Command::ScheduleLocalActivity { .. } | Command::RequestCancelLocalActivity { .. }
    )
}

/// The events of a turn so far, on top of the state before it.
#[derive(Debug)]
pub(crate) struct TurnEvents<'a> {
    state: &'a HistoryState,
    time: Timestamp,
    next_event_id: EventId,
    events: Vec<Event>,
}

/// What a cancellation must know of an activity.
pub(crate) struct PendingActivity {
    pub(crate) wrapper: ActivityFailure,
    pub(crate) cancellation_type: ActivityCancellationType,
}

impl<'a> TurnEvents<'a> {
    pub(crate) fn new(state: &'a HistoryState, time: Timestamp) -> Self {
        Self { state, time, next_event_id: state.next_event_id, events: Vec::new() }
    }

    pub(crate) fn push(&mut self, attributes: EventAttributes) -> EventId {
        let id = self.next_event_id;
        self.next_event_id = id.next();
        self.events.push(Event { id, time: self.time, attributes });
        id
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
        let mut scheduled = self.events.iter().filter_map(as_scheduled);
        let (event_id, scheduled) = scheduled.find(|(_, scheduled)| scheduled.seq == seq)?;
        let wrapper = wrapper(event_id, &scheduled.activity_type, &scheduled.activity_id);
        let cancellation_type = scheduled.options.cancellation_type;
        Some(PendingActivity { wrapper, cancellation_type })
    }

    /// A pending activity by the event that scheduled it, for the failure that wraps its end.
    pub(crate) fn activity_by_event(&self, event_id: EventId) -> Option<(Seq, ActivityFailure)> {
        let (seq, _) = self.state.activity_by_event(event_id)?;
        Some((seq, self.activity(seq)?.wrapper))
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
        self.events.iter().find_map(|event| match &event.attributes {
            EventAttributes::TimerStarted(timer) if timer.seq == seq => Some(event.id),
            _ => None,
        })
    }
}

fn as_scheduled(event: &Event) -> Option<(EventId, &ActivityTaskScheduled)> {
    match &event.attributes {
        EventAttributes::ActivityTaskScheduled(scheduled) => Some((event.id, scheduled)),
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
