//! What an activity attempt knows of itself, how it learns of its cancellation, and how it
//! tells that it is alive.

mod heartbeat;
mod result_pending;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entracte_model::options::DEFAULT_TASK_QUEUE;
use entracte_model::{DecodeError, Headers, Payload, RunId, TaskToken, Timestamp, WorkflowId};
use event_listener::{Event, Listener};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::heartbeat::Heartbeats;
pub use self::heartbeat::{HeartbeatError, HeartbeatSink};
pub use self::result_pending::is_result_pending;

/// What an activity attempt knows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityInfo {
    /// The workflow that scheduled the activity.
    pub workflow_id: WorkflowId,
    /// The durable name of that workflow.
    pub workflow_type: Arc<str>,
    /// The run that scheduled the activity.
    pub run_id: RunId,
    /// The id of the activity within its run.
    pub activity_id: Arc<str>,
    /// The token of the attempt; none where nothing can be ended from elsewhere.
    pub task_token: Option<TaskToken>,
    /// The durable name of the activity.
    pub activity_type: Arc<str>,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The queue that admitted the attempt.
    pub task_queue: Arc<str>,
    /// When the activity was scheduled.
    pub scheduled_time: Timestamp,
    /// When this attempt started.
    pub started_time: Timestamp,
    /// When this attempt times out.
    pub deadline: Option<Timestamp>,
    /// What the last heartbeat of an earlier attempt said.
    pub heartbeat_details: Option<Payload>,
    /// Whether it is an attempt at a [local
    /// activity](crate::WorkflowContext::local_activity): its task queue is empty then, and its
    /// heartbeats are not stored (rule LAC-7).
    pub is_local: bool,
    /// What travels along with the call.
    pub headers: Headers,
}

/// Why an activity attempt is asked to stop (rule HB-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelCause {
    /// The workflow asked for it.
    Cancelled,
    /// A timeout of the attempt passed; its result is no longer wanted.
    TimedOut,
    /// The attempt's actor, or its run's, was stopped from outside, or the engine was dropped:
    /// the attempt counts as lost, and its result is no longer wanted.
    Lost,
    /// The workflow closed; its result is no longer wanted.
    WorkflowClosed,
    /// The attempt was completed, failed or reported as cancelled from elsewhere; its own result
    /// is no longer wanted.
    EndedElsewhere,
    /// The activity was paused: there is no further attempt until it is unpaused. This one may
    /// go on to its end, or stop; what it returns as cancelled counts as a failed attempt
    /// (rules PAU-2 and ACX-8).
    Paused,
    /// The activity was reset: the next attempt is its first again. This one may go on to its
    /// end, or stop; what it returns as cancelled counts as a failed attempt (rules PAU-3 and
    /// ACX-8).
    Reset,
    /// The engine shuts down; the attempt has the shutdown's grace period to end.
    EngineShutdown,
    /// The engine stopped without grace, because its storage failed.
    EngineStopped,
}

impl CancelCause {
    /// Whether an attempt that goes on in spite of it may be asked to stop once more.
    const fn is_provisional(self) -> bool {
        matches!(self, Self::Paused | Self::Reset)
    }
}

impl fmt::Display for CancelCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled by the workflow",
            Self::TimedOut => "timed out",
            Self::Lost => "the attempt was lost",
            Self::WorkflowClosed => "the workflow closed",
            Self::EndedElsewhere => "ended from elsewhere",
            Self::Paused => "the activity was paused",
            Self::Reset => "the activity was reset",
            Self::EngineShutdown => "the engine shuts down",
            Self::EngineStopped => "the engine stopped",
        })
    }
}

#[derive(Debug, Default)]
struct Cancellation {
    cause: Mutex<Option<CancelCause>>,
    event: Event,
}

impl Cancellation {
    /// Sets the cause, unless there is one that stays; tells whether it did.
    fn set(&self, cause: CancelCause) -> bool {
        let mut current = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        let is_set = current.is_none_or(CancelCause::is_provisional);
        if is_set {
            *current = Some(cause);
        }
        is_set
    }

    fn get(&self) -> Option<CancelCause> {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an activity gets besides its input. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ActivityContext {
    info: Arc<ActivityInfo>,
    cancellation: Arc<Cancellation>,
    heartbeats: Arc<Heartbeats>,
}

/// The engine's side of an [`ActivityContext`].
#[derive(Debug, Clone)]
pub struct ActivityCanceller {
    cancellation: Arc<Cancellation>,
}

impl ActivityCanceller {
    /// Asks the attempt to stop. Only the first cause counts, except that what asks an attempt
    /// of a paused or reset activity afterwards takes the place of that; tells whether this
    /// cause counts now.
    pub fn cancel(&self, cause: CancelCause) -> bool {
        let counts = self.cancellation.set(cause);
        self.cancellation.event.notify(usize::MAX);
        counts
    }
}

impl ActivityContext {
    /// Makes the context of an attempt, and the means to cancel it.
    #[must_use]
    pub fn new(info: ActivityInfo) -> (Self, ActivityCanceller) {
        let cancellation = Arc::new(Cancellation::default());
        let canceller = ActivityCanceller { cancellation: Arc::clone(&cancellation) };
        let heartbeats = Arc::new(Heartbeats::new(None, info.heartbeat_details.clone()));
        (Self { info: Arc::new(info), cancellation, heartbeats }, canceller)
    }

    /// Sets who is told of heartbeats. Default nobody: they are only remembered.
    #[must_use]
    pub fn with_heartbeats(mut self, sink: Arc<dyn HeartbeatSink>) -> Self {
        let earlier = self.info.heartbeat_details.clone();
        self.heartbeats = Arc::new(Heartbeats::new(Some(sink), earlier));
        self
    }

    /// Makes a context for calling an activity as an ordinary function in a test.
    #[must_use]
    pub fn test() -> Self {
        #[expect(clippy::expect_used, reason = "the id is neither empty nor too long")]
        let workflow_id = WorkflowId::new("test").expect("a valid id");
        let info = ActivityInfo {
            workflow_id,
            workflow_type: "test".into(),
            run_id: RunId::from_time_and_random(Timestamp::EPOCH, [0; 10]),
            activity_id: "1".into(),
            task_token: None,
            activity_type: "test".into(),
            attempt: 1,
            task_queue: DEFAULT_TASK_QUEUE.into(),
            scheduled_time: Timestamp::EPOCH,
            started_time: Timestamp::EPOCH,
            deadline: None,
            heartbeat_details: None,
            is_local: false,
            headers: Headers::new(),
        };
        Self::new(info).0
    }

    /// What the attempt knows of itself.
    #[must_use]
    pub fn info(&self) -> &ActivityInfo {
        &self.info
    }

    /// What travels along with the call: what the workflow, and interceptors, have set.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.info.headers
    }

    /// The same context with other headers, for an interceptor to hand on.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        Arc::make_mut(&mut self.info).headers = headers;
        self
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.info.attempt
    }

    /// A key that is the same for every attempt of this activity and for nothing else.
    ///
    /// Attempts happen at least once: an activity that changes another system hands the key
    /// over, so that the other system can tell a repetition.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.info.run_id, self.info.activity_id)
    }

    /// Tells that the attempt is alive, and how far it has come; the latest details win.
    ///
    /// Returns at once, and can be called as often as one likes: the heartbeat timeout starts
    /// again with every call, while the store gets the first details at once and then the
    /// latest ones, at most once per 0.8 × the heartbeat timeout, or 30 s without one, or 60 s
    /// (rule HB-4). So after a crash the details can be that old; when an attempt fails or
    /// times out, nothing is lost (rule HB-3).
    ///
    /// Heartbeats are not needed for cancellation, which reaches the attempt at once.
    ///
    /// # Errors
    /// [`HeartbeatError`] if the details cannot be encoded, or are larger than the engine's
    /// largest payload. The heartbeat does not count then.
    pub fn heartbeat<T: Serialize + ?Sized>(&self, details: &T) -> Result<(), HeartbeatError> {
        self.heartbeats.record(details)
    }

    /// Reads what the last heartbeat said: of this attempt, or else of an earlier one, which
    /// got that far (rule HB-2). None if there was none.
    ///
    /// ```
    /// use entracte_workflow::{ActivityContext, ActivityResult};
    ///
    /// async fn import(ctx: ActivityContext, lines: Vec<String>) -> ActivityResult<usize> {
    ///     let done: usize = ctx.heartbeat_details()?.unwrap_or(0);
    ///     for (index, line) in lines.iter().enumerate().skip(done) {
    ///         println!("{line}");
    ///         ctx.heartbeat(&(index + 1))?;
    ///     }
    ///     Ok(lines.len())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`DecodeError`] if the details are not such a value.
    pub fn heartbeat_details<T: DeserializeOwned>(&self) -> Result<Option<T>, DecodeError> {
        self.heartbeats.details()
    }

    /// Whether the attempt was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel_cause().is_some()
    }

    /// Why the attempt was asked to stop; if several times, as of an activity that is paused
    /// and then cancelled, why the last time.
    #[must_use]
    pub fn cancel_cause(&self) -> Option<CancelCause> {
        self.cancellation.get()
    }

    /// Waits until the attempt is asked to stop.
    pub async fn cancelled(&self) -> CancelCause {
        loop {
            // The listener stands before the check, so no cancellation falls between them.
            let listener = self.cancellation.event.listen();
            if let Some(cause) = self.cancel_cause() {
                return cause;
            }
            listener.await;
        }
    }

    /// Waits until the attempt is asked to stop, at most so long: for
    /// [blocking activities](crate::Registry::blocking_activity), instead of sleeping. Holds
    /// its thread: async activities await [`cancelled`](Self::cancelled).
    #[must_use = "an attempt that is asked to stop should"]
    pub fn wait_cancelled(&self, at_most: Duration) -> Option<CancelCause> {
        let listener = self.cancellation.event.listen();
        if self.cancel_cause().is_none() {
            listener.wait_timeout(at_most);
        }
        self.cancel_cause()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_first_cause_wins_and_wakes_every_waiter() {
        let (ctx, canceller) = ActivityContext::new(ActivityContext::test().info().clone());
        let mut waiters =
            [ctx.clone(), ctx.clone()].map(|ctx| async move { ctx.cancelled().await }.boxed());
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        for waiter in &mut waiters {
            assert!(waiter.poll_unpin(&mut task).is_pending());
        }
        assert!(!ctx.is_cancelled());
        assert!(canceller.cancel(CancelCause::TimedOut));
        assert!(!canceller.cancel(CancelCause::EngineShutdown));
        for waiter in waiters {
            assert_eq!(waiter.now_or_never(), Some(CancelCause::TimedOut));
        }
        assert_eq!(ctx.cancel_cause(), Some(CancelCause::TimedOut));
        assert_eq!(CancelCause::TimedOut.to_string(), "timed out");
    }

    #[test]
    fn hb_7_what_comes_after_a_pause_or_a_reset_takes_its_place() {
        let (ctx, canceller) = ActivityContext::new(ActivityContext::test().info().clone());
        assert!(canceller.cancel(CancelCause::Paused));
        assert!(canceller.cancel(CancelCause::Reset));
        assert_eq!(ctx.cancel_cause(), Some(CancelCause::Reset));
        assert!(canceller.cancel(CancelCause::Cancelled));
        assert!(!canceller.cancel(CancelCause::Paused));
        assert_eq!(ctx.cancelled().now_or_never(), Some(CancelCause::Cancelled));
    }

    #[test]
    fn a_blocking_wait_ends_with_the_cancellation_or_the_time() {
        let (ctx, canceller) = ActivityContext::new(ActivityContext::test().info().clone());
        assert_eq!(ctx.wait_cancelled(Duration::from_millis(1)), None);
        canceller.cancel(CancelCause::Cancelled);
        assert_eq!(ctx.wait_cancelled(Duration::MAX), Some(CancelCause::Cancelled));
    }

    #[test]
    fn the_idempotency_key_does_not_depend_on_the_attempt() {
        let mut info = ActivityContext::test().info().clone();
        let first = ActivityContext::new(info.clone()).0.idempotency_key();
        info.attempt = 2;
        assert_eq!(ActivityContext::new(info.clone()).0.idempotency_key(), first);
        assert_eq!(first, format!("{}/1", info.run_id));
    }
}
