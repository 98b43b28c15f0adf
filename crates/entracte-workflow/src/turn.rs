//! One turn of a run: an external event in, the events of its commands out.

mod command_events;
mod drive;
mod job;

use entracte_model::{Event, EventAttributes, RunId, Timestamp};

pub(crate) use self::drive::{Head, TurnEvents, drive};
pub(crate) use self::job::{Role, is_command_event, role};
use crate::history::HistoryState;
use crate::machine::{Machine, TurnFailure};

/// Takes external events in and gives all events to journal: each external event, then those
/// of the commands that it led to.
///
/// The ids are consecutive from the state's next one. All events have the time `now`, or the
/// last event's if that is later. The state is not changed: the caller applies the events once
/// they count.
///
/// - `ActivityTaskStarted` makes no job; it stands right before the event that ends its
///   activity, in the same call.
/// - An activity whose cancellation the workflow requests under
///   [`TryCancel`](entracte_model::ActivityCancellationType::TryCancel) or
///   [`Abandon`](entracte_model::ActivityCancellationType::Abandon) and still awaits resolves
///   as cancelled within the turn, in the order of the numbers; its own end, when it comes
///   later, is recorded and changes nothing. Under `Abandon` no `ActivityTaskCancelRequested`
///   is recorded: the attempt goes on undisturbed.
/// - `WorkflowExecutionTerminated` polls nothing.
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
    for attributes in external {
        let is_close = attributes.event_type().is_close();
        let role = role(&produced, &attributes)?;
        let event_id = produced.push(attributes);
        if let Role::Job(job) = role {
            let head = Head { run_id, time, is_replaying: false, event_id };
            drive(machine, &mut produced, &head, job)?;
        }
        if is_close || machine.is_closed() {
            break;
        }
    }
    Ok(produced.into_events())
}
