//! Waiting for all of a list.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::pool::Pool;

/// Waits for all of a list and gives the outputs in its order.
///
/// Items are anything that can be awaited. They are started at the call, in order; to have at
/// most so many at a time, see [`map_concurrent`](crate::map_concurrent()).
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
/// Items are anything that can be awaited. They are started at the call, in order; to have at
/// most so many at a time, see [`try_map_concurrent`](crate::try_map_concurrent()).
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<<I::Item as IntoFuture>::IntoFuture, T, E>
where
    I: IntoIterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
{
    TryJoinAll { list: List::new(futures), error: std::marker::PhantomData }
}

/// The future of [`join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    list: List<F, F::Output>,
}

/// The future of [`try_join_all`].
#[must_use = "futures do nothing unless awaited"]
pub struct TryJoinAll<F: Future, T, E> {
    list: List<F, T>,
    error: std::marker::PhantomData<fn() -> E>,
}

/// Futures and their outputs, in order.
struct List<F, T> {
    pool: Pool<F>,
    outputs: Vec<Option<T>>,
}

impl<F: Future, T> List<F, T> {
    fn new<I>(futures: I) -> Self
    where
        I: IntoIterator,
        I::Item: IntoFuture<IntoFuture = F, Output = F::Output>,
    {
        let mut pool = Pool::new();
        for (number, future) in futures.into_iter().enumerate() {
            pool.push(number, future.into_future());
        }
        let outputs = std::iter::repeat_with(|| None).take(pool.len()).collect();
        Self { pool, outputs }
    }

    /// Polls what is due, in order; an output that cannot be taken stops the round.
    fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl Fn(F::Output) -> Result<T, E>,
    ) -> Poll<Result<Vec<T>, E>> {
        self.pool.begin(cx);
        let mut next = 0;
        while let Some(number) = self.pool.take_from(next) {
            next = number + 1;
            if let Some(output) = self.pool.poll(number) {
                match take(output) {
                    Ok(output) => self.outputs[number] = Some(output),
                    Err(error) => {
                        self.pool.clear();
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
        if self.pool.len() > 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(std::mem::take(&mut self.outputs).into_iter().flatten().collect()))
    }
}

// Nothing in it is pinned in place: the futures are boxed.
impl<F: Future> Unpin for JoinAll<F> {}
impl<F: Future, T, E> Unpin for TryJoinAll<F, T, E> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.list.poll(cx, Ok::<_, std::convert::Infallible>).map(|Ok(outputs)| outputs)
    }
}

impl<F, T, E> Future for TryJoinAll<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.list.poll(cx, |output| output)
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("pending", &self.list.pool.len()).finish_non_exhaustive()
    }
}

impl<F: Future, T, E> fmt::Debug for TryJoinAll<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinAll").field("pending", &self.list.pool.len()).finish_non_exhaustive()
    }
}
