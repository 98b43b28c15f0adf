//! Waiting for all of a list.

use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

use crate::context::{ScopeId, scope_here};

/// Waits for all of a list and gives the outputs in its order.
///
/// Items are anything that can be awaited. They are started at the call, in order.
///
/// ```
/// # use std::time::Duration;
/// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, join_all};
/// # const QUOTE: Activity<String, u64> =
/// #     Activity::new("quote").start_to_close_timeout(Duration::from_secs(5));
/// async fn total(ctx: WorkflowContext, items: Vec<String>) -> WorkflowResult<u64> {
///     let quotes = join_all(items.into_iter().map(|item| ctx.activity(QUOTE, item))).await;
///     quotes.into_iter().sum()
/// }
/// ```
pub fn join_all<I>(futures: I) -> JoinAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture,
{
    JoinAll { list: List::new(futures) }
}

/// Waits for all of a list to succeed, or for the first that fails; then the others are
/// dropped, which requests their cancellation.
///
/// Items are anything that can be awaited. They are started at the call, in order.
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<<I::Item as IntoFuture>::IntoFuture, T, E>
where
    I: IntoIterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
{
    let list = List::new(futures);
    let outputs = list.slots.iter().map(|_| None).collect();
    TryJoinAll { list, outputs, error: std::marker::PhantomData }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    list: List<F>,
}

/// The future of [`try_join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinAll<F: Future, T, E> {
    list: List<F>,
    outputs: Vec<Option<T>>,
    error: std::marker::PhantomData<fn() -> E>,
}

/// Futures in order, each with a waker of its own: a resolution polls only what it concerns,
/// and finds it without looking through the others, so that waiting for n operations costs n
/// polls and not n².
struct List<F: Future> {
    slots: Vec<Slot<F>>,
    pending: usize,
    woken: Arc<Woken>,
    /// The scope of the last poll.
    scope: ScopeId,
}

struct Slot<F: Future> {
    state: SlotState<F>,
    waker: Waker,
}

enum SlotState<F: Future> {
    Pending(Pin<Box<F>>),
    Done(F::Output),
    Taken,
}

/// Which futures of a list were woken, and who is to be woken for them.
struct Woken {
    indices: Mutex<BTreeSet<usize>>,
    parent: AtomicWaker,
}

/// The waker of one future of a list.
struct Flag {
    index: usize,
    woken: Arc<Woken>,
}

impl Woken {
    fn indices(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.indices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first one from an index on.
    fn take_from(&self, from: usize) -> Option<usize> {
        let mut indices = self.indices();
        let index = *indices.range(from..).next()?;
        indices.remove(&index);
        Some(index)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.indices().insert(self.index);
        self.woken.parent.wake();
    }
}

impl<F: Future> List<F> {
    fn new<I>(futures: I) -> Self
    where
        I: IntoIterator,
        I::Item: IntoFuture<IntoFuture = F, Output = F::Output>,
    {
        let woken = Arc::new(Woken { indices: Mutex::default(), parent: AtomicWaker::new() });
        let slots: Vec<_> = futures
            .into_iter()
            .enumerate()
            .map(|(index, future)| {
                let waker = Waker::from(Arc::new(Flag { index, woken: Arc::clone(&woken) }));
                Slot { state: SlotState::Pending(Box::pin(future.into_future())), waker }
            })
            .collect();
        woken.indices().extend(0..slots.len());
        Self { pending: slots.len(), slots, woken, scope: ScopeId::ROOT }
    }

    /// Polls what was woken, in order; each output goes to `done`, which may stop the round.
    fn poll<B>(
        &mut self,
        cx: &mut Context<'_>,
        mut done: impl FnMut(usize, F::Output) -> Result<SlotState<F>, B>,
    ) -> Result<(), B> {
        self.woken.parent.register(cx.waker());
        let scope = scope_here();
        if std::mem::replace(&mut self.scope, scope) != scope {
            // What is polled in another scope learns of it only by being polled.
            self.woken.indices().extend(0..self.slots.len());
        }
        let mut next = 0;
        while let Some(index) = self.woken.take_from(next) {
            next = index + 1;
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let SlotState::Pending(future) = &mut slot.state else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&slot.waker))
            {
                slot.state = done(index, output)?;
                self.pending -= 1;
            }
        }
        Ok(())
    }
}

// Nothing in it is pinned in place: the futures are boxed.
impl<F: Future> Unpin for JoinAll<F> {}
impl<F: Future, T, E> Unpin for TryJoinAll<F, T, E> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let list = &mut self.list;
        let Ok(()) =
            list.poll::<std::convert::Infallible>(cx, |_, output| Ok(SlotState::Done(output)));
        if list.pending > 0 {
            return Poll::Pending;
        }
        let outputs = std::mem::take(&mut list.slots).into_iter();
        Poll::Ready(
            outputs
                .filter_map(|slot| match slot.state {
                    SlotState::Done(output) => Some(output),
                    SlotState::Pending(_) | SlotState::Taken => None,
                })
                .collect(),
        )
    }
}

impl<F, T, E> Future for TryJoinAll<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { list, outputs, .. } = &mut *self;
        let round = list.poll(cx, |index, output| {
            outputs[index] = Some(output?);
            Ok(SlotState::Taken)
        });
        match round {
            Err(error) => {
                list.slots.clear();
                Poll::Ready(Err(error))
            }
            Ok(()) if list.pending > 0 => Poll::Pending,
            Ok(()) => Poll::Ready(Ok(std::mem::take(outputs).into_iter().flatten().collect())),
        }
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("pending", &self.list.pending).finish_non_exhaustive()
    }
}

impl<F: Future, T, E> fmt::Debug for TryJoinAll<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinAll").field("pending", &self.list.pending).finish_non_exhaustive()
    }
}
