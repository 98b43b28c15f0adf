//! From when on each fairness key of a queue may start its next attempt (rule PRI-3).
//!
//! Of a key whose bucket is full nothing is kept, so that what is kept is as much as has started
//! lately. Keys for which somebody waits until then are *held*; the others are idle.

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
    /// The keys for which nobody waits, and those that may start.
    idle: BTreeSet<(Instant, Arc<str>)>,
    /// The keys that have to wait, and for which somebody waits.
    held: BTreeSet<(Instant, Arc<str>)>,
}

impl KeyRates {
    /// Whether the key has to wait before it may start one.
    pub(super) fn has_to_wait(&self, key: &str, now: Instant) -> bool {
        self.ready.get(key).is_some_and(|ready| *ready > now)
    }

    /// Takes one start of a key that may; gives the key as it is kept here.
    pub(super) fn take(&mut self, key: &str, interval: Duration, now: Instant) -> Arc<str> {
        let (name, before) = match self.ready.get_key_value(key) {
            Some((name, ready)) => (Arc::clone(name), Some(*ready)),
            None => (key.into(), None),
        };
        if let Some(before) = before {
            self.idle.remove(&(before, Arc::clone(&name)));
        }
        let ready = ready_after(before, interval, now);
        self.ready.insert(Arc::clone(&name), ready);
        self.idle.insert((ready, Arc::clone(&name)));
        self.forget_full(now);
        name
    }

    /// Somebody waits until the key may start again.
    pub(super) fn hold(&mut self, key: &Arc<str>) {
        let Some(ready) = self.ready.get(key) else { return };
        let entry = (*ready, Arc::clone(key));
        self.idle.remove(&entry);
        self.held.insert(entry);
    }

    /// Nobody waits for the key any more.
    pub(super) fn let_go(&mut self, key: &Arc<str>) {
        let Some(ready) = self.ready.get(key) else { return };
        let entry = (*ready, Arc::clone(key));
        if self.held.remove(&entry) {
            self.idle.insert(entry);
        }
    }

    /// A key that was held and may start again.
    pub(super) fn release(&mut self, now: Instant) -> Option<Arc<str>> {
        self.next().filter(|ready| *ready <= now)?;
        let entry = self.held.pop_first()?;
        let key = Arc::clone(&entry.1);
        self.idle.insert(entry);
        Some(key)
    }

    /// When the next one of those that are held may start again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.first().map(|(ready, _)| *ready)
    }

    /// How many keys are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Forgets the keys that could not tell themselves from new ones, and those that are too many.
    fn forget_full(&mut self, now: Instant) {
        while let Some((ready, key)) = self.idle.first() {
            let is_full = ready.checked_add(BURST).is_some_and(|full| full <= now);
            if !is_full && self.idle.len() <= IDLE_KEYS_MAX {
                return;
            }
            self.ready.remove(key);
            self.idle.pop_first();
        }
    }
}

#[cfg(test)]
mod tests;
