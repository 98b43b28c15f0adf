//! The signals that came and were not read, and who waits for more.
//!
//! There is one queue per name, in the order of arrival, whether or not anything in the workflow
//! has asked for signals of that name (rules SIG-1 and SIG-2). A signal is taken in the very
//! poll that hands it out, so that nothing is lost with a receiver that is dropped.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EventId, Headers, Payload};

use super::Core;
use super::machine_side::wake;
use crate::machine::{AwaitedSignal, UnreadSignals};

/// All queues, by the names of the signals.
#[derive(Debug, Default)]
pub(super) struct SignalQueues {
    queues: BTreeMap<Arc<str>, Queue>,
    waiter_last: u64,
}

#[derive(Debug, Default)]
struct Queue {
    unread: VecDeque<UnreadSignal>,
    waiters: BTreeMap<u64, Waiter>,
}

/// A signal that nothing has read.
#[derive(Debug)]
pub(crate) struct UnreadSignal {
    /// The event that tells of it.
    pub(crate) event_id: EventId,
    pub(crate) input: Vec<Payload>,
    pub(crate) headers: Headers,
    /// The request that sent it.
    pub(crate) request_id: Arc<str>,
}

#[derive(Debug)]
struct Waiter {
    /// None from the moment it was woken until it is polled again.
    waker: Option<Waker>,
    source: &'static Location<'static>,
}

impl SignalQueues {
    pub(super) fn is_awaited(&self) -> bool {
        self.queues.values().any(|queue| !queue.waiters.is_empty())
    }

    /// Gives up all receivers; their wakers must not be dropped under the lock.
    pub(super) fn take_waiters(&mut self) -> Vec<Waker> {
        let waiters = self.queues.values_mut().flat_map(|queue| std::mem::take(&mut queue.waiters));
        waiters.filter_map(|(_, waiter)| waiter.waker).collect()
    }
}

impl Core {
    /// Puts a signal behind the others of its name, and wakes all who wait for one; the first
    /// that is polled gets it.
    pub(crate) fn signal(&self, name: Arc<str>, signal: UnreadSignal) {
        let mut state = self.lock();
        let queue = state.signals.queues.entry(name).or_default();
        queue.unread.push_back(signal);
        let waiters = queue.waiters.values_mut();
        let wakers: Vec<_> = waiters.filter_map(|waiter| waiter.waker.take()).collect();
        drop(state);
        wake(wakers);
    }

    /// Takes the oldest signal of a name, if there is one.
    pub(crate) fn take_signal(&self, name: &str) -> Option<UnreadSignal> {
        let mut state = self.lock();
        if state.is_deaf() {
            return None;
        }
        state.signals.queues.get_mut(name)?.unread.pop_front()
    }

    /// Takes the oldest signal of a name, or registers a receiver under its number, or a new
    /// one.
    pub(crate) fn poll_signal(
        &self,
        name: &'static str,
        number: &mut Option<u64>,
        waker: &Waker,
        source: &'static Location<'static>,
    ) -> Poll<UnreadSignal> {
        // Before the lock, so that it is dropped after it.
        let waker = waker.clone();
        let mut state = self.lock();
        if state.is_deaf() {
            return Poll::Pending;
        }
        let SignalQueues { queues, waiter_last } = &mut state.signals;
        if !queues.contains_key(name) {
            queues.insert(name.into(), Queue::default());
        }
        let Some(queue) = queues.get_mut(name) else { return Poll::Pending };
        let (replaced, taken) = match queue.unread.pop_front() {
            Some(signal) => {
                let waiter = number.take().and_then(|number| queue.waiters.remove(&number));
                (waiter, Poll::Ready(signal))
            }
            None => {
                let key = *number.get_or_insert_with(|| {
                    *waiter_last += 1;
                    *waiter_last
                });
                let waiter = Waiter { waker: Some(waker), source };
                (queue.waiters.insert(key, waiter), Poll::Pending)
            }
        };
        drop(state);
        drop(replaced);
        taken
    }

    pub(crate) fn release_signal_waiter(&self, name: &str, number: u64) {
        let mut state = self.lock();
        let queue = state.signals.queues.get_mut(name);
        let released = queue.and_then(|queue| queue.waiters.remove(&number));
        drop(state);
        drop(released);
    }

    /// Takes all signals that are unread, as they came.
    pub(crate) fn take_unread(&self) -> Vec<WorkflowExecutionSignaled> {
        let mut state = self.lock();
        let mut unread = Vec::new();
        for (name, queue) in &mut state.signals.queues {
            unread.extend(queue.unread.drain(..).map(|signal| (Arc::clone(name), signal)));
        }
        drop(state);
        unread.sort_by_key(|(_, signal)| signal.event_id);
        let event = |(signal_name, signal): (Arc<str>, UnreadSignal)| {
            let UnreadSignal { input, headers, request_id, .. } = signal;
            let with_previous = false;
            WorkflowExecutionSignaled { signal_name, input, headers, request_id, with_previous }
        };
        unread.into_iter().map(event).collect()
    }

    /// How many signals are unread, by name.
    pub(crate) fn unread_signals(&self) -> Vec<UnreadSignals> {
        let state = self.lock();
        let queues = state.signals.queues.iter().filter(|(_, queue)| !queue.unread.is_empty());
        queues
            .map(|(name, queue)| UnreadSignals {
                signal_name: Arc::clone(name),
                count: queue.unread.len(),
            })
            .collect()
    }

    /// What signals something waits for, by name, then in the order in which it began to wait.
    pub(crate) fn awaited_signals(&self) -> Vec<AwaitedSignal> {
        let state = self.lock();
        let queues = state.signals.queues.iter();
        let awaited = |(name, queue): (&Arc<str>, &Queue)| {
            let name = Arc::clone(name);
            let sources: Vec<_> = queue.waiters.values().map(|waiter| waiter.source).collect();
            sources.into_iter().map(move |source| AwaitedSignal {
                signal_name: Arc::clone(&name),
                source: source.into(),
            })
        };
        queues.flat_map(awaited).collect()
    }
}
