//! Who watches the events of runs, and is woken when there are more.
//!
//! Nothing is handed over here: whoever is woken reads the store. So a watcher costs no more than
//! its place in this list, however far it lags behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entracte_model::RunId;
use event_listener::{Event, EventListener};

#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// By run, with how many watch it. Looked up only.
    runs: HashMap<RunId, (Arc<Event>, usize)>,
    /// Whether nothing more will come.
    is_closed: bool,
}

impl Watchers {
    /// Adds a watcher of a run.
    pub(crate) fn subscribe(self: &Arc<Self>, run_id: RunId) -> Subscription {
        let mut watched = self.lock();
        let (event, watchers) = watched.runs.entry(run_id).or_default();
        *watchers += 1;
        Subscription { watchers: Arc::clone(self), run_id, event: Arc::clone(event) }
    }

    /// There may be new events of these runs in the store.
    pub(crate) fn wake(&self, runs: impl IntoIterator<Item = RunId>) {
        let watched = self.lock();
        if watched.runs.is_empty() {
            return;
        }
        for run_id in runs {
            if let Some((event, _)) = watched.runs.get(&run_id) {
                event.notify(usize::MAX);
            }
        }
    }

    /// Nothing more will come: the engine has stopped.
    pub(crate) fn close(&self) {
        let mut watched = self.lock();
        watched.is_closed = true;
        for (event, _) in watched.runs.values() {
            event.notify(usize::MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watcher's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    watchers: Arc<Watchers>,
    run_id: RunId,
    event: Arc<Event>,
}

impl Subscription {
    /// Listens from now on.
    pub(crate) fn listen(&self) -> EventListener {
        self.event.listen()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.watchers.lock().is_closed
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut watched = self.watchers.lock();
        if let Some((_, watchers)) = watched.runs.get_mut(&self.run_id) {
            *watchers -= 1;
            if *watchers == 0 {
                watched.runs.remove(&self.run_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_run_is_forgotten_with_its_last_watcher_and_others_are_not_woken() {
        let watchers = Arc::new(Watchers::default());
        let [run, other] = [1, 2].map(|number| {
            RunId::from_time_and_random(
                entracte_model::Timestamp::from_unix_millis(number),
                [0; 10],
            )
        });
        let (first, second) = (watchers.subscribe(run), watchers.subscribe(run));
        let mut heard = [first.listen(), second.listen()];
        watchers.wake([other]);
        assert!(heard.iter_mut().all(|listener| listener.now_or_never().is_none()));
        watchers.wake([other, run]);
        assert!(heard.iter_mut().all(|listener| listener.now_or_never().is_some()));
        drop(first);
        assert_eq!(watchers.lock().runs.len(), 1);
        drop(second);
        assert_eq!(watchers.lock().runs.len(), 0);
    }
}
