//! Finer moments than `yield_now`.

use std::future::poll_fn;
use std::task::Poll;

/// Lets every task that can run run once, so many times.
///
/// `tokio::task::yield_now` comes back only when nothing else can run, or after 61 polls of
/// others: what stands in between is never interrupted by whoever waits with it. The same holds
/// for the future of `block_on`, and of a test: call this in a task of its own.
pub async fn rounds(rounds: u64) {
    let mut left = rounds;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
