//! How far the commits of an open store have come.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How far the commits of an open store have come, shared between whoever commits and the
/// keeper. Who holds the lock may commit; nobody else can then.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// Something may be to do for the keeper.
    changed: Condvar,
    /// After so many bytes of commits the keeper looks at the memtables, in bytes.
    look_after_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the last commit.
    pub(super) last: u64,
    /// The highest number that is known to be synced.
    pub(super) synced: u64,
    /// How much was committed, roughly, in bytes: since the store was opened, and before, as far
    /// as it is not in the tables.
    pub(super) bytes: u64,
    /// Whether there was ever a commit that was not synced at once.
    pub(super) is_buffered: bool,
    /// Whether the keeper is closing a memtable while others may commit: what reaches it must be
    /// synced in the journal.
    pub(super) is_rotating: bool,
    /// Whether the keeper is to look at the memtables.
    pub(super) is_look_due: bool,
    /// Whether the keeper is to end.
    pub(super) is_ending: bool,
    /// Whether a commit or a sync has begun and not come to a good end: what it has left is not
    /// known, so that no other one may follow.
    pub(super) is_broken: bool,
    unlooked_bytes: usize,
}

/// The right to commit.
#[derive(Debug)]
pub(super) struct Guard<'a> {
    state: MutexGuard<'a, State>,
    progress: &'a Progress,
}

impl Progress {
    /// Begins behind the last commit, which is known to be synced. So many bytes of commits are
    /// in memtables already: the first commit has the keeper look at them.
    pub(super) fn new(last: u64, bytes: u64, look_after_bytes: usize) -> Self {
        let unlooked_bytes = look_after_bytes;
        let state = State { last, synced: last, bytes, unlooked_bytes, ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new(), look_after_bytes }
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        // What a commit that panicked has left is told by `is_broken`.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Guard { state, progress: self }
    }

    pub(super) fn end(&self) {
        self.lock().is_ending = true;
        self.changed.notify_all();
    }
}

impl Guard<'_> {
    /// Counts a commit.
    pub(super) fn committed(&mut self, bytes: usize, is_synced: bool) {
        self.state.last += 1;
        self.state.bytes += bytes as u64;
        self.state.unlooked_bytes = self.state.unlooked_bytes.saturating_add(bytes);
        if self.state.unlooked_bytes >= self.progress.look_after_bytes {
            self.state.unlooked_bytes = 0;
            self.state.is_look_due = true;
            self.progress.changed.notify_all();
        }
        if is_synced {
            self.all_synced();
        }
    }

    /// Notes that everything so far is synced.
    pub(super) fn all_synced(&mut self) {
        if self.state.synced < self.state.last {
            self.state.synced = self.state.last;
            self.progress.changed.notify_all();
        }
    }

    /// Lets others commit until something changes, or the time is over.
    pub(super) fn wait(self, timeout: Option<std::time::Duration>) -> Self {
        let Self { state, progress } = self;
        let state = match timeout {
            None => progress.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = progress.changed.wait_timeout(state, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        Self { state, progress }
    }
}

impl std::ops::Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}
