//! Keys for which nobody waits, and whose next turn is still to come.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Turn;

/// How many keys that have nothing waiting are remembered until their time has come. Past it,
/// those go first whose time comes first: they have the least to make up for.
pub(super) const ABSENT_KEYS_MAX: usize = 10_000;

/// Keys for which nobody waits, and whose next turn is still to come.
#[derive(Debug, Default)]
pub(super) struct AbsentKeys {
    pub(super) by_key: HashMap<Arc<str>, Turn>,
    pub(super) by_turn: BTreeSet<(Turn, Arc<str>)>,
}

impl AbsentKeys {
    pub(super) fn put(&mut self, key: Arc<str>, next: Turn) {
        self.by_turn.insert((next, Arc::clone(&key)));
        self.by_key.insert(key, next);
        if self.by_key.len() > ABSENT_KEYS_MAX {
            self.pop();
        }
    }

    pub(super) fn take(&mut self, key: &Arc<str>) -> Option<Turn> {
        let next = self.by_key.remove(key)?;
        self.by_turn.remove(&(next, Arc::clone(key)));
        Some(next)
    }

    /// Forgets the keys that would begin no later than a new one.
    pub(super) fn forget_until(&mut self, now: Turn) {
        while self.by_turn.first().is_some_and(|(next, _)| *next <= now) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, key)) = self.by_turn.pop_first() {
            self.by_key.remove(&key);
        }
    }
}
