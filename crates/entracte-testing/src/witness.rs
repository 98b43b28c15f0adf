//! A witness of what the journal writes.
//!
//! A [`Witness`] outlives engines and crashes. Each store that an engine writes through it is
//! wrapped in a [`WitnessStore`], which passes everything on and keeps the books: an event is
//! written once and never changed, behind the event before it; what a sync was answered for is
//! there after every crash; and what a crash takes away is the end of the journal, never
//! something from its middle.

mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use entracte_model::{EventId, RunId};
use entracte_store::keys::{HistoryKey, Key};
use entracte_store::{Batch, Op, Space, Store, StoreError};

pub use self::store::WitnessStore;

/// Something that a journal must never do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The id of an event was used twice.
    #[error("event {event_id} of run {run_id} was written twice")]
    WrittenTwice {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// An event was written without the one before it.
    #[error("event {event_id} of run {run_id} was written before the event in front of it")]
    Gap {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// An event was deleted.
    #[error("event {event_id} of run {run_id} was deleted")]
    Deleted {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// A reopened store holds an event that nobody wrote, or not as it was written.
    #[error("event {event_id} of run {run_id} is not what was written")]
    Changed {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// A reopened store lacks an event for which a sync had been answered.
    #[error("event {event_id} of run {run_id} was synced and is lost")]
    Lost {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
    /// A reopened store lacks an event, and holds another one that was written later.
    #[error("event {event_id} of run {run_id} is lost, though a later commit is not")]
    Mixture {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
    },
}

/// Keeps the books of everything that is written, over all the stores it watches. Cheap to
/// clone; all clones are the same witness.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    events: BTreeMap<HistoryKey, Entry>,
    /// The number of the last commit that was handed over, counted from 1 over all stores.
    commits: u64,
    /// The number of the last commit that must survive a power cut.
    synced: u64,
    violations: Vec<Violation>,
}

#[derive(Debug)]
struct Entry {
    commit: u64,
    value: Bytes,
}

impl Witness {
    /// A witness that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a store from now on, in place of the one before, of which it holds what is left.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn watch(&self, store: Arc<dyn Store>) -> Result<Arc<WitnessStore>, StoreError> {
        let rows = store.scan(Space::History, &[], None, usize::MAX)?;
        let mut survivors = BTreeMap::new();
        for row in rows {
            let key = HistoryKey::decode(&row.key)
                .map_err(|invalid| invalid.at(Space::History, &row.key))?;
            survivors.insert(key, row.value);
        }
        self.books().compare(&survivors);
        Ok(Arc::new(WitnessStore::new(self.clone(), store)))
    }

    /// Everything that was wrong so far, in the order in which it was found.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.books().violations.clone()
    }

    /// How many events have been written and not been lost.
    #[must_use]
    pub fn events(&self) -> usize {
        self.books().events.len()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // The books are changed by operations that cannot panic half-way.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Enters a batch that is about to be committed, and gives its number.
    fn enter(&mut self, batch: &Batch) -> u64 {
        self.commits += 1;
        for op in batch.ops().filter(|op| op.space() == Space::History) {
            let Ok(key) = HistoryKey::decode(op.key()) else { continue };
            let HistoryKey { run_id, event_id } = key;
            match op {
                Op::Delete { .. } => self.violations.push(Violation::Deleted { run_id, event_id }),
                Op::Put { value, .. } => {
                    let before = EventId::new(event_id.get().saturating_sub(1));
                    let follows = event_id == EventId::FIRST
                        || self.events.contains_key(&HistoryKey { run_id, event_id: before });
                    if !follows {
                        self.violations.push(Violation::Gap { run_id, event_id });
                    }
                    let entry =
                        Entry { commit: self.commits, value: Bytes::copy_from_slice(value) };
                    if self.events.insert(key, entry).is_some() {
                        self.violations.push(Violation::WrittenTwice { run_id, event_id });
                    }
                }
            }
        }
        self.commits
    }

    /// Enters that all commits up to one survive a power cut from now on.
    fn synced(&mut self, commit: u64) {
        self.synced = self.synced.max(commit);
    }

    /// Compares what a reopened store holds with what was written, and forgets what is lost.
    fn compare(&mut self, survivors: &BTreeMap<HistoryKey, Bytes>) {
        for (key, value) in survivors {
            if self.events.get(key).is_none_or(|entry| entry.value != *value) {
                let HistoryKey { run_id, event_id } = *key;
                self.violations.push(Violation::Changed { run_id, event_id });
            }
        }
        let survived = |(key, entry): (&HistoryKey, &Entry)| {
            survivors.contains_key(key).then_some(entry.commit)
        };
        let last_commit = self.events.iter().filter_map(survived).max().unwrap_or(0);
        let (synced, violations) = (self.synced, &mut self.violations);
        self.events.retain(|key, entry| {
            let HistoryKey { run_id, event_id } = *key;
            if survivors.contains_key(key) {
                return true;
            }
            if entry.commit <= synced {
                violations.push(Violation::Lost { run_id, event_id });
            } else if entry.commit <= last_commit {
                violations.push(Violation::Mixture { run_id, event_id });
            }
            false
        });
    }
}

#[cfg(test)]
mod tests;
