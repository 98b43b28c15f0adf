//! Futures side by side, of which only those are polled that were woken.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

use crate::context::{ScopeId, scope_here};

/// Futures by their numbers, each with a waker of its own: a resolution polls only what it
/// concerns, and finds it without looking at the others. So waiting for n operations costs n
/// polls, and not n².
pub(super) struct Pool<F> {
    running: BTreeMap<usize, Running<F>>,
    woken: Arc<Woken>,
    /// The scope of the last poll.
    scope: ScopeId,
}

struct Running<F> {
    future: Pin<Box<F>>,
    waker: Waker,
}

/// What was woken since the last poll, and who is to be woken for it.
#[derive(Debug, Default)]
struct Woken {
    numbers: Mutex<BTreeSet<usize>>,
    parent: AtomicWaker,
}

/// Wakes one future of a pool.
struct Flag {
    number: usize,
    woken: Arc<Woken>,
}

impl Woken {
    fn numbers(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.numbers().insert(self.number);
        self.woken.parent.wake();
    }
}

impl<F: Future> Pool<F> {
    pub(super) fn new() -> Self {
        Self { running: BTreeMap::new(), woken: Arc::default(), scope: ScopeId::ROOT }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Drops all futures, in order.
    pub(super) fn clear(&mut self) {
        while self.running.pop_first().is_some() {}
    }

    /// Takes a future in, which is to be polled.
    pub(super) fn push(&mut self, number: usize, future: F) {
        let waker = Waker::from(Arc::new(Flag { number, woken: Arc::clone(&self.woken) }));
        self.running.insert(number, Running { future: Box::pin(future), waker });
        self.woken.numbers().insert(number);
    }

    /// Begins a round of polls. In another scope than before all are due: they learn of it only
    /// by being polled.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>) {
        self.woken.parent.register(cx.waker());
        let scope = scope_here();
        if std::mem::replace(&mut self.scope, scope) != scope {
            self.woken.numbers().extend(self.running.keys());
        }
    }

    /// Takes the first number from one on that is due, also one that was woken in this round.
    pub(super) fn take_from(&self, from: usize) -> Option<usize> {
        let mut numbers = self.woken.numbers();
        let number = *numbers.range(from..).next()?;
        numbers.remove(&number);
        Some(number)
    }

    /// Polls one future; its output is what it leaves.
    pub(super) fn poll(&mut self, number: usize) -> Option<F::Output> {
        let running = self.running.get_mut(&number)?;
        let mut cx = Context::from_waker(&running.waker);
        match running.future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => {
                self.running.remove(&number);
                Some(output)
            }
            Poll::Pending => None,
        }
    }
}
