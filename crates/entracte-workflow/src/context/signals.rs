//! Receiving signals.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use entracte_model::{DecodeError, Failure, Headers, Payload, id};
use serde::de::DeserializeOwned;

use super::core::{CancelWaiter, Core, UnreadSignal};
use crate::define::Signal;
use crate::machine::TurnFailure;

/// Receives the signals of one name; see
/// [`WorkflowContext::signals`](crate::WorkflowContext::signals).
///
/// Receivers of the same name share one queue: each signal is read once, by the receiver that
/// is polled first.
#[must_use = "signals are read by `recv` or `try_recv`"]
pub struct Signals<T> {
    core: Arc<Core>,
    name: &'static str,
    headers: Headers,
    carries: PhantomData<fn() -> T>,
}

impl<T> Signals<T> {
    pub(super) fn new(core: Arc<Core>, signal: &Signal<T>) -> Self {
        let name = signal.name();
        if let Err(source) = id::check(name) {
            core.fail_turn(TurnFailure::InvalidName { what: "signal", source });
        }
        Self { core, name, headers: Headers::new(), carries: PhantomData }
    }

    /// The headers of the signal that this receiver has given last; none before the first.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }
}

impl<T: DeserializeOwned> Signals<T> {
    /// Waits for the next signal. Dropping the future loses nothing: a signal is taken only
    /// when it is handed out.
    ///
    /// The run's cancellation does not end the wait;
    /// [`recv_or_cancelled`](Self::recv_or_cancelled) reacts to it.
    ///
    /// A signal that does not carry a `T` fails the turn: the run is parked with a message that
    /// names the signal, which stays where it is, and goes on when the code is mended.
    /// [`recv_checked`](Self::recv_checked) gives an error instead.
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { next: self.next(Location::caller()) }
    }

    /// Waits for the next signal, or until the [scope](crate::Scope) of the wait is cancelled;
    /// outside of all others that is the run's.
    ///
    /// The output is a failure of the kind `Canceled` if the scope is cancelled, also if there
    /// are signals to read: those can still be read by [`try_recv`](Self::try_recv). In all else
    /// it is as [`recv`](Self::recv).
    #[track_caller]
    pub fn recv_or_cancelled(&mut self) -> RecvOrCancelled<'_, T> {
        RecvOrCancelled { next: self.next(Location::caller()), cancel_waiter: None }
    }

    /// Waits for the next signal, and takes it even if it does not carry a `T`: then the output
    /// says why it cannot be read. For signals of senders that nobody controls.
    #[track_caller]
    pub fn recv_checked(&mut self) -> RecvChecked<'_, T> {
        RecvChecked { next: self.next(Location::caller()) }
    }

    /// Takes the next signal if there is one, without waiting.
    ///
    /// A signal that does not carry a `T` fails the turn, as with [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Option<T> {
        let signal = self.core.take_signal(self.name)?;
        self.read(signal)
    }

    /// Reads what a signal carries; if that cannot be done, the turn fails.
    fn read(&mut self, UnreadSignal { event_id, input, headers, .. }: UnreadSignal) -> Option<T> {
        let failed = |source| {
            let signal_name = self.name.to_owned();
            self.core.fail_turn(TurnFailure::SignalUndecodable { signal_name, event_id, source });
        };
        self.headers = headers;
        Payload::decode_one(&input).map_err(failed).ok()
    }

    fn next(&mut self, source: &'static Location<'static>) -> Next<'_, T> {
        Next { signals: self, source, waiter: None }
    }
}

impl<T> fmt::Debug for Signals<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.name).finish()
    }
}

/// A wait for the next signal; what all such futures have in common.
struct Next<'a, T> {
    signals: &'a mut Signals<T>,
    source: &'static Location<'static>,
    waiter: Option<u64>,
}

impl<T: DeserializeOwned> Next<'_, T> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<UnreadSignal> {
        let Signals { core, name, .. } = &*self.signals;
        core.poll_signal(name, &mut self.waiter, cx.waker(), self.source)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        match self.poll_next(cx) {
            Poll::Ready(signal) => self.signals.read(signal).map_or(Poll::Pending, Poll::Ready),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T> Drop for Next<'_, T> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.signals.core.release_signal_waiter(self.signals.name, waiter);
        }
    }
}

impl<T> fmt::Debug for Next<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signals.fmt(f)
    }
}

/// The future of [`Signals::recv`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Recv<'a, T> {
    next: Next<'a, T>,
}

impl<T: DeserializeOwned> Future for Recv<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.next.poll_read(cx)
    }
}

/// The future of [`Signals::recv_checked`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct RecvChecked<'a, T> {
    next: Next<'a, T>,
}

impl<T: DeserializeOwned> Future for RecvChecked<'_, T> {
    type Output = Result<T, DecodeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let next = &mut self.next;
        next.poll_next(cx).map(|UnreadSignal { input, headers, .. }| {
            next.signals.headers = headers;
            Payload::decode_one(&input)
        })
    }
}

/// The future of [`Signals::recv_or_cancelled`].
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct RecvOrCancelled<'a, T> {
    next: Next<'a, T>,
    cancel_waiter: Option<CancelWaiter>,
}

impl<T: DeserializeOwned> Future for RecvOrCancelled<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { next, cancel_waiter } = &mut *self;
        let core = Arc::clone(&next.signals.core);
        if core.is_scope_cancelled() {
            if !core.admit_immediate() {
                return Poll::Pending;
            }
            return Poll::Ready(Err(Failure::canceled()));
        }
        if let Poll::Ready(signal) = next.poll_read(cx) {
            return Poll::Ready(Ok(signal));
        }
        let _ = core.poll_cancelled(core.scope_here(), cancel_waiter, cx.waker());
        Poll::Pending
    }
}

impl<T> Drop for RecvOrCancelled<'_, T> {
    fn drop(&mut self) {
        if let Some(waiter) = self.cancel_waiter {
            self.next.signals.core.release_cancel_waiter(waiter);
        }
    }
}
