//! The waker of a run: tells wakes that come from the run's own turn from foreign ones.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

/// Called on the first foreign wake, from whichever thread it comes.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

thread_local! {
    /// The address of the waker whose turn runs on this thread; zero if none does.
    static TURN: Cell<usize> = const { Cell::new(0) };
}

/// A wake is the run's own if it comes on the thread, and within the turn, in which the run is
/// being polled. Holding or cloning the waker says nothing; only waking does.
#[derive(Default)]
pub(crate) struct TurnWaker {
    woken: AtomicBool,
    foreign: AtomicBool,
    /// Set when nothing is polled any more, so that wakes have no meaning.
    closed: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl TurnWaker {
    /// Begins a turn on this thread, which ends when the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> TurnScope {
        TurnScope { outer: TURN.replace(self.address()) }
    }

    /// Sets what a foreign wake calls, at least once. One that came before calls it at once.
    pub(crate) fn set_hook(&self, hook: Hook) {
        let mut slot = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = slot.replace(Arc::clone(&hook));
        drop(slot);
        drop(replaced);
        // A wake that comes right now may call the hook too: twice is not too often.
        if self.is_foreign() {
            hook();
        }
    }

    pub(crate) fn clear_woken(&self) {
        self.woken.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

impl Wake for TurnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A thread that is ending has no turn.
        if TURN.try_with(|turn| turn.get() == self.address()).unwrap_or(false) {
            self.woken.store(true, Ordering::Relaxed);
            return;
        }
        if self.closed.load(Ordering::Acquire) || self.foreign.swap(true, Ordering::AcqRel) {
            return;
        }
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hook) = hook {
            hook();
        }
    }
}

impl fmt::Debug for TurnWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnWaker").field("foreign", &self.is_foreign()).finish_non_exhaustive()
    }
}

/// Ends a turn when dropped; machines may run inside each other's turns.
#[derive(Debug)]
pub(crate) struct TurnScope {
    outer: usize,
}

impl Drop for TurnScope {
    fn drop(&mut self) {
        TURN.set(self.outer);
    }
}
