//! What a run's actor tells of itself, for those who look at the tree.

use std::sync::Arc;

use entracte_workflow::ActivityInfo;
use ractor::{ActorCell, ActorId};

use super::state::{Child, Mode, RunState};
use crate::live::{LiveActor, LiveChild, LiveChildKind, LivePlace};
use crate::tree::RunActorState;

impl RunState {
    /// Tells where the run stands; called after every message.
    pub(super) fn tell_where_it_stands(&mut self) {
        self.live.set_waiting(self.inputs.len() + self.appends.len() + self.deferred_calls.len());
        let state = match self.mode {
            _ if self.is_closed() => RunActorState::Closing,
            Mode::Draining | Mode::CutOff | Mode::Leaving { .. } | Mode::Stopped => {
                RunActorState::Leaving
            }
            Mode::Running if self.parked.is_some() => RunActorState::Parked,
            Mode::Running if self.rows.is_none() => RunActorState::Opening,
            Mode::Running if self.asleep_until().is_some() => RunActorState::Sleeping,
            Mode::Running => RunActorState::Running,
        };
        if state != self.told {
            self.told = state;
            self.live.set_state(state, self.workflow_type());
        }
    }

    /// An actor has started under the run.
    pub(super) fn child_started(&mut self, cell: ActorCell, child: Child, kind: LiveChildKind) {
        let place = match child {
            Child::Attempt { seq, attempt } => LivePlace::Attempt(seq, attempt),
            Child::LocalAttempt { seq, attempt } => LivePlace::LocalAttempt(seq, attempt),
            Child::Timer { seq } => LivePlace::Timer(seq),
        };
        self.children.insert(cell.get_id(), child);
        let actor = LiveActor::new(cell, self.now());
        self.live.child_started(place, LiveChild { actor, kind });
    }

    /// An actor under the run is gone; gives what it was.
    pub(super) fn take_child(&mut self, actor: ActorId) -> Option<Child> {
        self.live.child_ended(actor);
        self.children.remove(&actor)
    }
}

/// What is told of an attempt.
pub(super) fn attempt_line(info: &ActivityInfo) -> LiveChildKind {
    LiveChildKind::Attempt {
        activity_id: Arc::clone(&info.activity_id),
        activity_type: Arc::clone(&info.activity_type),
        attempt: info.attempt,
        is_local: info.is_local,
    }
}
