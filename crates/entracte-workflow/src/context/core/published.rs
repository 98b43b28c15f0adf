//! What a turn publishes, and failures that code of the context brings about.

use std::sync::Arc;

use entracte_model::Payload;

use super::Core;
use crate::machine::TurnFailure;

impl Core {
    /// Whether something that is published now is to be written: not on replay, which writes
    /// nothing again, not once inert, and not between two jobs.
    pub(crate) fn may_publish(&self) -> bool {
        let state = self.lock();
        !state.is_deaf() && !state.is_replaying
    }

    /// Keeps a value until the turn is over, in place of an earlier one of the same name.
    pub(crate) fn publish(&self, name: &'static str, value: Payload) {
        let mut state = self.lock();
        let replaced = state.published.insert(name.into(), value);
        drop(state);
        drop(replaced);
    }

    /// Takes what was published since the last call, in the order of the names.
    pub(crate) fn take_published(&self) -> Vec<(Arc<str>, Payload)> {
        std::mem::take(&mut self.lock().published).into_iter().collect()
    }

    /// Fails the turn, once whatever runs has come to rest; the first failure counts.
    pub(crate) fn fail_turn(&self, failure: TurnFailure) {
        let mut state = self.lock();
        if !state.is_deaf() {
            state.failure.get_or_insert(failure);
        }
    }

    pub(crate) fn turn_failure(&self) -> Option<TurnFailure> {
        self.lock().failure.clone()
    }
}
