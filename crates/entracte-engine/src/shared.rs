//! What all actors of one engine share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use entracte_store::Store;
use entracte_workflow::Registry;

use crate::clock::EngineClock;
use crate::errors::EngineStopped;
use crate::live::LiveEngine;
use crate::open_children::OpenChildren;
use crate::options::EngineOptions;
use crate::overrunning::Codes;
use crate::task_queues::TaskQueues;
use crate::watchers::Watchers;

/// What all actors of one engine share: everything here is safe to touch from any of them.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) options: EngineOptions,
    pub(crate) clock: EngineClock,
    pub(crate) health: Health,
    pub(crate) counters: JournalCounters,
    pub(crate) codes: Arc<Codes>,
    pub(crate) task_queues: Arc<TaskQueues>,
    pub(crate) live: LiveEngine,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) open_children: OpenChildren,
    /// Whether the root is under an actor of the host, which waits for the engine's end.
    pub(crate) is_supervised: bool,
}

/// Whether the engine still takes up and acknowledges anything.
#[derive(Debug, Default)]
pub(crate) struct Health {
    poisoned: OnceLock<String>,
    shutting_down: AtomicBool,
}

impl Health {
    /// Records that nothing is acknowledged from now on; the first reason is kept, a second
    /// one is a consequence of it.
    pub(crate) fn poison(&self, reason: impl Into<String>) {
        let _ = self.poisoned.set(reason.into());
    }

    /// Records that nothing new is taken up from now on.
    pub(crate) fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }

    /// Why nothing is acknowledged any more, if that is so.
    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poisoned.get().map(String::as_str)
    }

    /// Why nothing new is taken up any more, if that is so.
    pub(crate) fn stopped(&self) -> Option<EngineStopped> {
        let reason = match self.poisoned() {
            Some(reason) => reason.to_owned(),
            None if self.is_shutting_down() => "it was shut down".to_owned(),
            None => return None,
        };
        Some(EngineStopped { reason })
    }
}

/// How much the journal has written since the engine started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStats {
    /// Appends that were accepted: turns of runs, and changes of attempts.
    pub appends: u64,
    /// Appends that were refused because their author was out of date.
    pub appends_refused: u64,
    /// Events that were written.
    pub events: u64,
    /// Group commits.
    pub commits: u64,
    /// Commits and intervals that were synced to the disk.
    pub syncs: u64,
    /// Replays of runs: after an opening, a failed turn, or a time out of memory.
    pub replays: u64,
}

#[derive(Debug, Default)]
pub(crate) struct JournalCounters {
    pub(crate) appends: AtomicU64,
    pub(crate) appends_refused: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) replays: AtomicU64,
}

impl JournalCounters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> JournalStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JournalStats {
            appends: read(&self.appends),
            appends_refused: read(&self.appends_refused),
            events: read(&self.events),
            commits: read(&self.commits),
            syncs: read(&self.syncs),
            replays: read(&self.replays),
        }
    }
}
