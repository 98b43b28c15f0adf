//! When a run is woken, and for which of its activities.

use std::collections::{BTreeMap, BTreeSet};

use entracte_model::Seq;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A message that the run sends to itself later, unless this is dropped before.
pub(super) struct Wake(pub(super) AbortHandle);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The run's wake-up, and when it comes.
pub(super) struct Alarm {
    pub(super) at: Instant,
    /// Dropped with the alarm, which calls the wake-up off.
    _wake: Wake,
}

impl Alarm {
    pub(super) const fn new(at: Instant, wake: Wake) -> Self {
        Self { at, _wake: wake }
    }
}

/// When to look at which activity, at the latest.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(Instant, Seq)>,
    by_seq: BTreeMap<Seq, Instant>,
}

impl Deadlines {
    /// The activity is to be looked at then, unless it is before.
    pub(super) fn note(&mut self, seq: Seq, at: Instant) {
        match self.by_seq.get(&seq) {
            Some(noted) if *noted <= at => return,
            Some(noted) => self.by_time.remove(&(*noted, seq)),
            None => false,
        };
        self.by_seq.insert(seq, at);
        self.by_time.insert((at, seq));
    }

    /// The activity has ended.
    pub(super) fn forget(&mut self, seq: Seq) {
        if let Some(at) = self.by_seq.remove(&seq) {
            self.by_time.remove(&(at, seq));
        }
    }

    /// Takes those that are to be looked at now.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<Seq> {
        let mut due = BTreeSet::new();
        while let Some((at, seq)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            self.by_time.remove(&(at, seq));
            self.by_seq.remove(&seq);
            due.insert(seq);
        }
        due
    }

    pub(super) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
