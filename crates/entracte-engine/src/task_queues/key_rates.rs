//! From when on each fairness key of a queue may start its next attempt (rule PRI-3).
//!
//! Of a key whose bucket is full nothing is kept, so that what is kept is as much as has started
//! lately. Keys for which nobody waits are *idle*, and only those are forgotten. Of the others
//! those are *held* that have to wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::rate::{BURST, ready_after};

/// How many idle keys are remembered that have started something lately. Past it, those are
/// forgotten that have the least left to wait.
const IDLE_KEYS_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct KeyRates {
    /// From when on each key may start its next one. Looked up only.
    ready: HashMap<Arc<str>, Instant>,
    /// The keys for which nobody waits.
    idle: BTreeSet<(Instant, Arc<str>)>,
    /// The keys that have to wait, and for which somebody waits. A key that may start, and for
    /// which somebody waits, is in neither set.
    held: BTreeSet<(Instant, Arc<str>)>,
}

impl KeyRates {
    /// Whether the key has to wait before it may start one.
    pub(super) fn has_to_wait(&self, key: &str, now: Instant) -> bool {
        self.ready.get(key).is_some_and(|ready| *ready > now)
    }

    /// Takes one start of a key that may. If others wait for the key and have to from now on, the
    /// key is held: gives it as it is kept here.
    #[must_use = "the waiters of a key that is held stand aside"]
    pub(super) fn take(
        &mut self,
        key: &str,
        interval: Duration,
        is_waited_for: bool,
        now: Instant,
    ) -> Option<Arc<str>> {
        let (name, before) = match self.ready.get_key_value(key) {
            Some((name, ready)) => (Arc::clone(name), Some(*ready)),
            None => (key.into(), None),
        };
        if let Some(before) = before {
            self.idle.remove(&(before, Arc::clone(&name)));
        }
        let ready = ready_after(before, interval, now);
        self.ready.insert(Arc::clone(&name), ready);
        let is_held = is_waited_for && ready > now;
        if is_held {
            self.held.insert((ready, Arc::clone(&name)));
        } else if !is_waited_for {
            self.idle.insert((ready, Arc::clone(&name)));
        }
        self.forget_full(now);
        self.forget_too_many();
        is_held.then_some(name)
    }

    /// Somebody waits for the key; tells whether the key is held.
    #[must_use = "the waiters of a key that is held stand aside"]
    pub(super) fn wait(&mut self, key: &Arc<str>, now: Instant) -> bool {
        let Some(ready) = self.ready.get(key) else { return false };
        let (is_held, entry) = (*ready > now, (*ready, Arc::clone(key)));
        self.idle.remove(&entry);
        if is_held {
            self.held.insert(entry);
        }
        is_held
    }

    /// Nobody waits for the key any more.
    pub(super) fn let_go(&mut self, key: &Arc<str>) {
        let Some(ready) = self.ready.get(key) else { return };
        let entry = (*ready, Arc::clone(key));
        self.held.remove(&entry);
        self.idle.insert(entry);
        self.forget_too_many();
    }

    /// A key that was held and may start again.
    pub(super) fn release(&mut self, now: Instant) -> Option<Arc<str>> {
        self.next().filter(|ready| *ready <= now)?;
        self.held.pop_first().map(|(_, key)| key)
    }

    /// When the next one of those that are held may start again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.first().map(|(ready, _)| *ready)
    }

    /// How many keys are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Forgets the keys that could not be told from new ones.
    fn forget_full(&mut self, now: Instant) {
        let is_full = |ready: &Instant| ready.checked_add(BURST).is_some_and(|full| full <= now);
        while self.idle.first().is_some_and(|(ready, _)| is_full(ready)) {
            self.forget_first();
        }
    }

    /// Forgets the keys that have the least left to wait, as far as they are too many.
    fn forget_too_many(&mut self) {
        while self.idle.len() > IDLE_KEYS_MAX {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.idle.pop_first() {
            self.ready.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
