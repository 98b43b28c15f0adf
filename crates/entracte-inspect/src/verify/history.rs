//! What the events of a run tell, and what is wrong with them.

use entracte_model::{Event, EventId, RunId, Timestamp, WorkflowStatus};
use entracte_workflow::HistoryState;

use super::problem::Problem;
use super::rows::Sink;
use super::walk::Walk;

/// What the events of a run tell.
pub(super) struct Told {
    /// How many there are.
    pub(super) events: u64,
    /// The time of the first event, and the latest time of any event.
    pub(super) times: Option<(Timestamp, Timestamp)>,
    /// What they say about the run; none if they are not a history.
    pub(super) state: Option<HistoryState>,
}

impl Told {
    /// Where the run stands by its history, if it has one.
    pub(super) fn status(&self) -> Option<WorkflowStatus> {
        let state = self.state.as_ref()?;
        Some(state.closed.unwrap_or(WorkflowStatus::Running))
    }
}

/// Reads the events of the run at which the walk stands.
pub(super) fn check(run_id: RunId, walk: &mut Walk<'_>, sink: Sink<'_>) -> Told {
    let mut told = Told { events: 0, times: None, state: Some(HistoryState::new()) };
    let mut expected = EventId::FIRST;
    while let Some((key, row)) = walk.history.next_of(run_id, sink) {
        let found = key.event_id;
        told.events += 1;
        if found != expected {
            sink(Problem::Gap { run_id, expected, found });
            told.state = None;
        }
        expected = EventId::new(found.get().saturating_add(1));
        match Event::from_bytes(found, &row.value) {
            Ok(event) => take_in(run_id, &event, &mut told, sink),
            Err(error) => {
                sink(Problem::Event { run_id, event_id: found, error });
                told.state = None;
            }
        }
    }
    if walk.history.is_broken() {
        // There may have been more.
        told.state = None;
    }
    told
}

fn take_in(run_id: RunId, event: &Event, told: &mut Told, sink: Sink<'_>) {
    let time = event.time;
    told.times = Some(told.times.map_or((time, time), |(first, last)| (first, last.max(time))));
    if let Some(state) = &mut told.state
        && let Err(error) = state.apply(event)
    {
        sink(Problem::History { run_id, error });
        told.state = None;
    }
}
