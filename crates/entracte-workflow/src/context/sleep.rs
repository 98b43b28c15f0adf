//! Durable timers.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use entracte_model::{Failure, Seq};

use super::core::Core;
use super::operation::{OperationKind, Outcome};
use crate::machine::Command;

/// The future of [`WorkflowContext::sleep`](crate::WorkflowContext::sleep). Dropping it cancels
/// the timer.
#[must_use = "dropping a sleep cancels its timer"]
#[derive(Debug)]
pub struct Sleep {
    core: Arc<Core>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// The scope in which it was made is cancelled; a shield around it may start it still.
    Refused {
        duration: Duration,
        source: &'static Location<'static>,
    },
    Over {
        cancelled: bool,
    },
    Started(Seq),
    Done,
}

impl Sleep {
    pub(super) fn new(
        core: Arc<Core>,
        duration: Duration,
        source: &'static Location<'static>,
    ) -> Self {
        let mut sleep = Self { core, progress: Progress::Refused { duration, source } };
        sleep.start();
        sleep
    }

    /// Starts the timer, unless the scope is cancelled.
    fn start(&mut self) {
        let Progress::Refused { duration, source } = self.progress else { return };
        if self.core.is_scope_cancelled() {
            return;
        }
        if duration.is_zero() {
            self.progress = Progress::Over { cancelled: false };
            return;
        }
        let start_to_fire_timeout = duration;
        let kind = OperationKind::Timer { start_to_fire_timeout };
        let issued = self.core.issue(kind, source, |seq| Command::StartTimer {
            seq,
            start_to_fire_timeout,
            source: source.into(),
        });
        self.progress = issued.map_or(Progress::Over { cancelled: true }, Progress::Started);
    }

    /// Tells whether the sleep was over early.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.start();
        let cancelled = match self.progress {
            Progress::Refused { .. } | Progress::Over { .. } if !self.core.admit_immediate() => {
                return Poll::Pending;
            }
            Progress::Refused { .. } => true,
            Progress::Over { cancelled } => cancelled,
            Progress::Started(seq) => match self.core.poll_operation(seq, cx.waker()) {
                Poll::Ready(Outcome::Fired) => false,
                Poll::Ready(Outcome::TimerCancelled) => true,
                // The machine gives timers no other outcome.
                Poll::Ready(_) | Poll::Pending => return Poll::Pending,
            },
            Progress::Done => panic!("a sleep was awaited again after it was over"),
        };
        self.progress = Progress::Done;
        Poll::Ready(cancelled)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_over(cx).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Progress::Started(seq) = self.progress {
            self.core.release(seq);
        }
    }
}

/// The future of [`WorkflowContext::sleep_or_cancelled`](crate::WorkflowContext::sleep_or_cancelled).
/// Dropping it cancels the timer.
#[must_use = "dropping a sleep cancels its timer"]
#[derive(Debug)]
pub struct SleepOrCancelled {
    sleep: Sleep,
}

impl SleepOrCancelled {
    pub(super) fn new(sleep: Sleep) -> Self {
        Self { sleep }
    }
}

impl Future for SleepOrCancelled {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.sleep.poll_over(cx).map(
            |cancelled| {
                if cancelled { Err(Failure::canceled()) } else { Ok(()) }
            },
        )
    }
}
