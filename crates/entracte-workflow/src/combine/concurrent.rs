//! Work on many inputs, so many at a time.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::pool::Pool;

/// Runs a future for each of the inputs, at most `limit` of them at a time, and waits for all.
///
/// Inputs are taken in order, each when it is its turn: the first `limit` when the future is
/// first polled, the next one when one of those before it has ended. Which one that is, is
/// decided by the journal's order alone, so that a replay does the same. A limit of zero counts
/// as one.
///
/// Time and memory are linear in the number of inputs; at any time, only those are in memory
/// that run. Dropping it drops what runs, which requests its cancellation.
///
/// ```
/// # use std::time::Duration;
/// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, for_each_concurrent};
/// # const DELETE: Activity<u64, ()> =
/// #     Activity::new("delete").start_to_close_timeout(Duration::from_secs(5));
/// # const REPORT: Activity<u64, ()> =
/// #     Activity::new("report").start_to_close_timeout(Duration::from_secs(5));
/// // Deletes ten thousand files, twenty at a time, and reports those that cannot be deleted.
/// async fn clean_up(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
///     for_each_concurrent(0..10_000, 20, async |file| {
///         if ctx.activity(DELETE, file).await.is_err() {
///             let _ = ctx.activity(REPORT, file).await;
///         }
///     })
///     .await;
///     Ok(())
/// }
/// ```
pub async fn for_each_concurrent<I, F, Fut>(inputs: I, limit: usize, f: F)
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: IntoFuture<Output = ()>,
{
    let Ok(()) = Concurrent::new(inputs, limit, f, Ok::<(), std::convert::Infallible>, ()).await;
}

/// As [`for_each_concurrent`], until the first that fails: then those that run are dropped, which
/// requests their cancellation, and no further one is started.
///
/// # Errors
/// That of the first that fails.
pub async fn try_for_each_concurrent<I, F, Fut, E>(inputs: I, limit: usize, f: F) -> Result<(), E>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: IntoFuture<Output = Result<(), E>>,
{
    Concurrent::new(inputs, limit, f, |output| output, ()).await
}

/// As [`for_each_concurrent`], and gives the outputs in the order of the inputs.
///
/// ```
/// # use std::time::Duration;
/// # use entracte_workflow::{Activity, WorkflowContext, WorkflowResult, map_concurrent};
/// # const QUOTE: Activity<String, u64> =
/// #     Activity::new("quote").start_to_close_timeout(Duration::from_secs(5));
/// async fn total(ctx: WorkflowContext, items: Vec<String>) -> WorkflowResult<u64> {
///     let quotes = map_concurrent(items, 8, |item| ctx.activity(QUOTE, item)).await;
///     quotes.into_iter().sum()
/// }
/// ```
pub async fn map_concurrent<I, F, Fut>(inputs: I, limit: usize, f: F) -> Vec<Fut::Output>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: IntoFuture,
{
    let ok = Ok::<_, std::convert::Infallible>;
    let Ok(outputs) = Concurrent::new(inputs, limit, f, ok, InOrder(Vec::new())).await;
    outputs.0.into_iter().flatten().collect()
}

/// As [`map_concurrent`], until the first that fails: then those that run are dropped, which
/// requests their cancellation, and no further one is started.
///
/// # Errors
/// That of the first that fails.
pub async fn try_map_concurrent<I, F, Fut, T, E>(inputs: I, limit: usize, f: F) -> Result<Vec<T>, E>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: IntoFuture<Output = Result<T, E>>,
{
    let outputs = Concurrent::new(inputs, limit, f, |output| output, InOrder(Vec::new())).await?;
    Ok(outputs.0.into_iter().flatten().collect())
}

/// Where the outputs go.
trait Collect<T>: Default {
    fn put(&mut self, number: usize, output: T);
}

impl Collect<()> for () {
    fn put(&mut self, _: usize, (): ()) {}
}

struct InOrder<T>(Vec<Option<T>>);

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Collect<T> for InOrder<T> {
    fn put(&mut self, number: usize, output: T) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number] = Some(output);
    }
}

/// Inputs that wait, the futures of those that run, and the outputs of those that have ended.
struct Concurrent<I: Iterator, F, Fut, G, C> {
    inputs: std::iter::Fuse<I>,
    next: usize,
    limit: usize,
    start: F,
    pool: Pool<Fut>,
    take: G,
    outputs: C,
}

// Nothing in it is pinned in place: the futures are boxed.
impl<I: Iterator, F, Fut, G, C> Unpin for Concurrent<I, F, Fut, G, C> {}

impl<I, F, Fut, G, C> Concurrent<I, F, Fut, G, C>
where
    I: Iterator,
    Fut: Future,
{
    fn new<In, Into>(inputs: In, limit: usize, start: F, take: G, outputs: C) -> Self
    where
        In: IntoIterator<IntoIter = I, Item = I::Item>,
        F: FnMut(I::Item) -> Into,
        Into: IntoFuture<IntoFuture = Fut, Output = Fut::Output>,
    {
        let (inputs, limit) = (inputs.into_iter().fuse(), limit.max(1));
        Self { inputs, next: 0, limit, start, pool: Pool::new(), take, outputs }
    }
}

impl<I, F, In, G, C, T, E> Future for Concurrent<I, F, In::IntoFuture, G, C>
where
    I: Iterator,
    F: FnMut(I::Item) -> In,
    In: IntoFuture,
    G: Fn(In::Output) -> Result<T, E>,
    C: Collect<T>,
{
    type Output = Result<C, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inputs, next, limit, start, pool, take, outputs } = &mut *self;
        pool.begin(cx);
        let mut from = 0;
        loop {
            while pool.len() < *limit
                && let Some(input) = inputs.next()
            {
                pool.push(*next, start(input).into_future());
                *next += 1;
            }
            // What has just been started is polled at once, as it would be alone.
            let Some(number) = pool.take_from(from) else { break };
            from = number + 1;
            let Some(output) = pool.poll(number) else { continue };
            match take(output) {
                Ok(output) => outputs.put(number, output),
                Err(error) => {
                    pool.clear();
                    return Poll::Ready(Err(error));
                }
            }
        }
        if pool.len() > 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(std::mem::take(outputs)))
    }
}

impl<I: Iterator, F, Fut: Future, G, C> fmt::Debug for Concurrent<I, F, Fut, G, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrent").field("running", &self.pool.len()).finish_non_exhaustive()
    }
}
