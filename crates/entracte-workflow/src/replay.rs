//! Rebuilding a run from its history.

mod compare;

use std::sync::Arc;

use entracte_model::{Event, RunId};

use self::compare::compare;
use crate::history::{HistoryError, HistoryState};
use crate::machine::{Machine, TurnFailure};
use crate::registry::ErasedWorkflow;
use crate::turn::{Head, TurnEvents, drive, is_with_previous, take_in};

/// A run rebuilt from its history, ready for its next turn.
#[derive(Debug)]
pub struct Replayed {
    /// The machine, as it was after the last turn.
    pub machine: Machine,
    /// What the history says.
    pub state: HistoryState,
}

/// Says why a run cannot be rebuilt.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// A turn failed, or did not do what the history says.
    #[error(transparent)]
    Turn(#[from] TurnFailure),
    /// The history itself is wrong.
    #[error("the history is not sound: {0}")]
    History(#[from] HistoryError),
}

/// Rebuilds a run: takes each external event of a history in, and compares what the code
/// decides with the events that follow.
///
/// A history is a number of whole turns; one that was cut inside a turn is a mismatch.
/// Compared are kinds, names and ids, not inputs, timeouts and other options (rule DET-1).
///
/// # Errors
/// [`ReplayError`] says why the run cannot be rebuilt; a difference between code and history
/// is [`TurnFailure::Nondeterminism`].
pub fn replay(
    workflow: Arc<dyn ErasedWorkflow>,
    run_id: RunId,
    events: &[Event],
) -> Result<Replayed, ReplayError> {
    if events.is_empty() {
        return Err(HistoryError::Empty.into());
    }
    let mut machine = Machine::new(workflow);
    let mut state = HistoryState::new();
    let mut rest = events;
    while let Some((external, following)) = rest.split_first() {
        rest = replay_turn(&mut machine, &mut state, run_id, external, following)?;
    }
    Ok(Replayed { machine, state })
}

/// Takes in one external event, or several that were taken up together, and the command events that belong to it; gives what follows.
fn replay_turn<'e>(
    machine: &mut Machine,
    state: &mut HistoryState,
    run_id: RunId,
    external: &Event,
    following: &'e [Event],
) -> Result<&'e [Event], ReplayError> {
    state.check_place(external)?;
    let joined = following.iter().take_while(|event| is_with_previous(&event.attributes)).count();
    let (joined, following) = following.split_at(joined);
    let mut turn = TurnEvents::new(state, external.time);
    let mut behind = joined.iter().map(|event| event.attributes.clone()).peekable();
    let taken_in = take_in(machine, &mut turn, external.attributes.clone(), &mut behind);
    let driven = taken_in.and_then(|(jobs, event_id)| {
        if jobs.is_empty() {
            return Ok(());
        }
        let (time, history_size) = (external.time, turn.history_size());
        let head = Head { run_id, time, is_replaying: true, event_id, history_size };
        drive(machine, &mut turn, &head, jobs)
    });
    let produced = turn.into_events();
    // If an event is not sound, that is the better error.
    for event in std::iter::once(external).chain(joined) {
        state.apply(event)?;
    }
    driven?;
    compare(state, produced.get(1 + joined.len()..).unwrap_or_default(), following)
}
