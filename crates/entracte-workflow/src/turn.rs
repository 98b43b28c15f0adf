//! One turn of a run: an external event in, the events of its commands out.

mod chain;
mod children;
mod command_events;
mod drive;
mod job;
mod local_activities;

use std::iter::Peekable;

use entracte_model::{Event, EventAttributes, EventId, RunId, Timestamp};

pub(crate) use self::drive::{Head, TurnEvents, drive};
pub(crate) use self::job::{Role, is_command_event, is_with_previous, role};
use crate::history::HistoryState;
use crate::machine::{Job, Machine, TurnFailure};

/// Takes external events in and gives all events to journal: each external event, then those
/// of the commands that it led to.
///
/// The ids are consecutive from the state's next one. All events have the time `now`, or the
/// last event's if that is later. The state is not changed: the caller applies the events once
/// they count.
///
/// - A signal that stands [with the event before
///   it](entracte_model::event::WorkflowExecutionSignaled::with_previous) is applied together
///   with that event: the workflow is polled once for both.
/// - `ActivityTaskStarted` makes no job; it stands right before the event that ends its
///   activity, in the same call.
/// - An activity whose cancellation the workflow requests under
///   [`TryCancel`](entracte_model::ActivityCancellationType::TryCancel) or
///   [`Abandon`](entracte_model::ActivityCancellationType::Abandon) and still awaits resolves
///   as cancelled within the turn, in the order of the numbers; its own end, when it comes
///   later, is recorded and changes nothing. Under `Abandon` no `ActivityTaskCancelRequested`
///   is recorded: the attempt goes on undisturbed.
/// - The same goes for a child workflow under
///   [`TryCancel`](entracte_model::ChildWorkflowCancellationType::TryCancel) or
///   [`Abandon`](entracte_model::ChildWorkflowCancellationType::Abandon).
/// - Local activities leave no event before the marker of their end: what is to be run of them,
///   the machine tells afterwards
///   ([`take_local_activity_changes`](Machine::take_local_activity_changes)). A marker must be
///   that of a local activity that the workflow waits for.
/// - `WorkflowExecutionTerminated` and `WorkflowExecutionTimedOut` poll nothing.
/// - External events that follow the one that closed the run are left out.
///
/// # Errors
/// [`TurnFailure`]: nothing is to be journaled, and the machine is dead.
pub fn turn(
    machine: &mut Machine,
    state: &HistoryState,
    run_id: RunId,
    now: Timestamp,
    external: Vec<EventAttributes>,
) -> Result<Vec<Event>, TurnFailure> {
    let time = now.max(state.last_time);
    let mut produced = TurnEvents::new(state, time);
    let mut external = external.into_iter().peekable();
    while let Some(attributes) = external.next() {
        let is_close = attributes.event_type().is_close();
        let (jobs, event_id) = take_in(machine, &mut produced, attributes, &mut external)?;
        if !jobs.is_empty() {
            let history_size = produced.history_size();
            let head = Head { run_id, time, is_replaying: false, event_id, history_size };
            drive(machine, &mut produced, &head, jobs)?;
        }
        if is_close || machine.is_closed() {
            break;
        }
    }
    Ok(produced.into_events())
}

/// Takes an external event in, with those behind it that are taken up together with it; gives
/// what they mean for the machine, and the id of the last of them.
pub(crate) fn take_in(
    machine: &Machine,
    turn: &mut TurnEvents<'_>,
    attributes: EventAttributes,
    behind: &mut Peekable<impl Iterator<Item = EventAttributes>>,
) -> Result<(Vec<Job>, EventId), TurnFailure> {
    let mut jobs = Vec::with_capacity(1);
    let mut next = Some(attributes);
    let mut event_id = turn.next_event_id();
    while let Some(attributes) = next {
        local_activities::check(machine, turn.next_event_id(), &attributes)?;
        if let Role::Job(job) = role(turn, &attributes)? {
            jobs.push(job);
        }
        event_id = turn.push(attributes);
        next = behind.next_if(is_with_previous);
    }
    Ok((jobs, event_id))
}
