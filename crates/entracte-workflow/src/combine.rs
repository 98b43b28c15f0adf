//! Waiting for several things at once, deterministically.
//!
//! Everything here starts and polls in the order in which it was written, always: what wins
//! or fails first depends on the journal's order alone.

mod concurrent;
mod join_all;
mod macros;
mod pool;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::MaybeDone;

pub use self::concurrent::{
    for_each_concurrent, map_concurrent, try_for_each_concurrent, try_map_concurrent,
};
pub use self::join_all::{JoinAll, TryJoinAll, join_all, try_join_all};

/// The output of the first ready future of a list: the head's, or one of the rest.
#[derive(Debug)]
pub enum Either<L, R> {
    /// The head's.
    Left(L),
    /// One of the rest.
    Right(R),
}

/// A list of pinned futures, as nested pairs that end in a unit.
pub trait SelectList {
    /// The output of whichever is ready first.
    type Output;

    /// Polls the futures in order until one is ready.
    fn poll_select(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

impl SelectList for () {
    type Output = std::convert::Infallible;

    fn poll_select(&mut self, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl<F: Future, R: SelectList> SelectList for (Pin<&mut F>, R) {
    type Output = Either<F::Output, R::Output>;

    fn poll_select(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Either::Left(output)),
            Poll::Pending => self.1.poll_select(cx).map(Either::Right),
        }
    }
}

/// Polls one future of a `join!`; tells whether it is done.
pub fn poll_joined<F: Future>(future: Pin<&mut MaybeDone<F>>, cx: &mut Context<'_>) -> bool {
    future.poll(cx).is_ready()
}

/// Takes the output of one future of a `join!` that is done.
///
/// # Panics
/// If it is not done, or was taken.
#[must_use]
pub fn take_output<F: Future>(future: Pin<&mut MaybeDone<F>>) -> F::Output {
    #[expect(clippy::expect_used, reason = "`join!` takes each output once, when all are done")]
    future.take_output().expect("the future is done")
}
