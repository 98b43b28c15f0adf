//! Calls of activities.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use entracte_model::failure::ActivityFailure;
use entracte_model::options::ActivityOptionsError;
use entracte_model::{
    ActivityCancellationType, ActivityOptions, DecodeError, Failure, Headers, Payload, Priority,
    RetryPolicy, RetryState, id,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::{Core, Limited};
use super::operation::{OperationKind, Outcome};
use crate::define::Activity;
use crate::interceptor::WorkflowCallKind;
use crate::machine::{ActivityResolution, Command};

/// A call of an activity that has not started.
///
/// `.await` starts it and waits for its output, [`start`](Self::start) only starts it.
#[must_use = "an activity call does nothing until it is awaited or started"]
pub struct ActivityCall<O> {
    call: UntypedCall,
    read: ReadOutput<O>,
}

impl<O> ActivityCall<O> {
    pub(super) fn new<I: Serialize>(
        core: Arc<Core>,
        activity: &Activity<I, O>,
        input: &I,
        source: &'static Location<'static>,
    ) -> Self {
        let call = UntypedCall {
            activity_type: activity.name().into(),
            input: encode(activity.name(), input),
            headers: Headers::new(),
            options: activity.options_in(&core.info.task_queue),
            source,
            core,
        };
        Self { call, read: ReadOutput::Decode }
    }

    pub(super) fn by_name(
        core: Arc<Core>,
        activity_type: Arc<str>,
        input: Vec<Payload>,
        source: &'static Location<'static>,
    ) -> ActivityCall<Payload> {
        let (input, headers) = (Ok(input), Headers::new());
        let task_queue = core.info.task_queue.as_ref().to_owned();
        let options = ActivityOptions { task_queue, ..ActivityOptions::default() };
        let call = UntypedCall { core, activity_type, input, headers, options, source };
        ActivityCall { call, read: ReadOutput::Payload(std::convert::identity) }
    }

    /// Sets how long one attempt may run. Default: the constant's.
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.call.options.start_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long the whole activity may take. Default: the constant's.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.call.options.schedule_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long an attempt may wait until it starts. Default: the constant's.
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.call.options.schedule_to_start_timeout = Some(timeout);
        self
    }

    /// Sets how long a running attempt may be silent. Default: the constant's.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.call.options.heartbeat_timeout = Some(timeout);
        self
    }

    /// Sets how failed attempts are retried. Default: the constant's.
    pub fn retry_policy(mut self, retry_policy: impl Into<RetryPolicy>) -> Self {
        self.call.options.retry_policy = retry_policy.into();
        self
    }

    /// Sets the queue that admits the attempts. Default: the constant's, and else that of this
    /// run ([`WorkflowContext::task_queue`](crate::WorkflowContext::task_queue)).
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.call.options.task_queue = task_queue.into();
        self
    }

    /// Sets what a cancellation of the activity waits for (rule ACX-1). Default: the constant's.
    pub fn cancellation_type(mut self, cancellation_type: ActivityCancellationType) -> Self {
        self.call.options.cancellation_type = cancellation_type;
        self
    }

    /// Sets how urgent an attempt is while it waits in its queue (rule PRI-1). Default: the
    /// constant's.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.call.options.priority.priority = Some(priority);
        self
    }

    /// Sets with whom the attempts share what their priority gets of the queue; at most 64 bytes
    /// (rule PRI-2). Default: the constant's.
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.call.options.priority.fairness_key = Some(key.into().into_boxed_str());
        self
    }

    /// Sets how much the fairness key gets, in proportion to the others (rule PRI-2). Default:
    /// the constant's.
    pub fn fairness_weight(mut self, weight: f32) -> Self {
        self.call.options.priority.fairness_weight = Some(weight);
        self
    }

    /// Sets what travels along with the call. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.call.headers = headers;
        self
    }

    /// Starts the activity without waiting for it. Dropping the future requests the
    /// activity's cancellation.
    pub fn start(self) -> ActivityFuture<O> {
        ActivityFuture { activity: self.call.start(), read: self.read }
    }

    pub(super) fn into_untyped(self) -> UntypedCall {
        self.call
    }
}

impl<O: DeserializeOwned> IntoFuture for ActivityCall<O> {
    type Output = Result<O, Failure>;
    type IntoFuture = ActivityFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

impl<O> fmt::Debug for ActivityCall<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActivityCall").field(&self.call.activity_type).finish()
    }
}

/// An activity that was started. Dropping it requests the activity's cancellation.
#[must_use = "dropping a started activity requests its cancellation"]
pub struct ActivityFuture<O> {
    activity: UntypedActivity,
    read: ReadOutput<O>,
}

impl<O> ActivityFuture<O> {
    pub(super) fn new(activity: UntypedActivity) -> Self {
        Self { activity, read: ReadOutput::Decode }
    }
}

impl<O: DeserializeOwned> Future for ActivityFuture<O> {
    type Output = Result<O, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { activity, read } = &mut *self;
        Pin::new(&mut *activity).poll(cx).map(|result| {
            read.output(result?).map_err(|error| {
                let message = format!("result of activity `{}`: {error}", activity.activity_type);
                Failure::non_retryable("DecodeError", message)
            })
        })
    }
}

impl<O> fmt::Debug for ActivityFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActivityFuture").field(&self.activity.activity_type).finish()
    }
}

/// How an output comes out of its payload.
enum ReadOutput<O> {
    Decode,
    /// It is the payload itself.
    Payload(fn(Payload) -> O),
}

impl<O: DeserializeOwned> ReadOutput<O> {
    fn output(&self, payload: Payload) -> Result<O, DecodeError> {
        match self {
            Self::Decode => payload.decode(),
            Self::Payload(take) => Ok(take(payload)),
        }
    }
}

/// A call without its output type.
pub(super) struct UntypedCall {
    core: Arc<Core>,
    activity_type: Arc<str>,
    input: Result<Vec<Payload>, Failure>,
    headers: Headers,
    options: ActivityOptions,
    source: &'static Location<'static>,
}

impl UntypedCall {
    pub(super) fn activity_type(&self) -> &Arc<str> {
        &self.activity_type
    }

    /// Tells whether it could be started at all.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check(&self.activity_type, &self.input, self.options.validate())
    }

    pub(super) fn start(self) -> UntypedActivity {
        let Self { core, activity_type, input, headers, options, source } = self;
        let prepared = prepare(&core, &activity_type, input, options.validate());
        let admitted = |input| core.admit_pending(Limited::Activities).map(|()| input);
        let progress = match prepared.and_then(admitted) {
            Err(failure) => Progress::Immediate(failure),
            Ok(input) => {
                let name = Arc::clone(&activity_type);
                let called =
                    || WorkflowCallKind::ScheduleActivity { activity_type: Arc::clone(&name) };
                let (input, headers) = core.intercept(called, input, headers);
                let kind = OperationKind::Activity { activity_type: Arc::clone(&name) };
                let issued = core.issue(kind, source, |seq| Command::ScheduleActivity {
                    seq,
                    activity_id: seq.to_string().into(),
                    activity_type: name,
                    input,
                    headers,
                    options,
                    source: source.into(),
                });
                match issued {
                    Some(seq) => Progress::Started(seq),
                    None => Progress::Immediate(cancelled(&activity_type)),
                }
            }
        };
        UntypedActivity::new(core, activity_type, progress)
    }
}

/// Writes the input of a call; the failure is that of the call.
pub(super) fn encode<I: Serialize>(
    activity_type: &str,
    input: &I,
) -> Result<Vec<Payload>, Failure> {
    Payload::encode(input).map(|input| vec![input]).map_err(|reason| {
        let message = format!("input of activity `{activity_type}`: {reason}");
        Failure::non_retryable("EncodeError", message)
    })
}

/// Checks what can be wrong before anything is scheduled.
pub(super) fn prepare(
    core: &Core,
    activity_type: &str,
    input: Result<Vec<Payload>, Failure>,
    options: Result<(), ActivityOptionsError>,
) -> Result<Vec<Payload>, Failure> {
    if core.is_scope_cancelled() {
        return Err(cancelled(activity_type));
    }
    check(activity_type, &input, options)?;
    input
}

/// Checks what is wrong with a call wherever it is started.
pub(super) fn check(
    activity_type: &str,
    input: &Result<Vec<Payload>, Failure>,
    options: Result<(), ActivityOptionsError>,
) -> Result<(), Failure> {
    let invalid = |reason: String| {
        let message = format!("activity `{activity_type}`: {reason}");
        Failure::non_retryable("InvalidActivityOptions", message)
    };
    id::check(activity_type).map_err(|error| invalid(error.to_string()))?;
    options.map_err(|error| invalid(error.to_string()))?;
    input.as_ref().map(|_| ()).map_err(Failure::clone)
}

/// The failure of a call that was cancelled before it was scheduled; no event tells of it.
pub(in crate::context) fn cancelled(activity_type: &str) -> Failure {
    let activity = ActivityFailure {
        activity_type: activity_type.to_owned(),
        retry_state: RetryState::CancelRequested,
        ..ActivityFailure::default()
    };
    Failure::activity(activity, Failure::canceled())
}

pub(super) enum Progress {
    Immediate(Failure),
    Started(entracte_model::Seq),
    Done,
}

/// A started activity without its output type.
pub(super) struct UntypedActivity {
    core: Arc<Core>,
    activity_type: Arc<str>,
    progress: Progress,
}

impl UntypedActivity {
    pub(super) fn new(core: Arc<Core>, activity_type: Arc<str>, progress: Progress) -> Self {
        Self { core, activity_type, progress }
    }
}

impl Future for UntypedActivity {
    type Output = Result<Payload, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &self.progress {
            Progress::Immediate(_) if !self.core.admit_immediate() => return Poll::Pending,
            Progress::Immediate(failure) => Err(failure.clone()),
            Progress::Started(seq) => match self.core.poll_operation(*seq, cx.waker()) {
                Poll::Ready(Outcome::Activity(ActivityResolution::Completed(output))) => Ok(output),
                Poll::Ready(Outcome::Activity(
                    ActivityResolution::Failed(failure) | ActivityResolution::Cancelled(failure),
                )) => Err(failure),
                // The machine gives activities no other outcome.
                Poll::Ready(_) | Poll::Pending => return Poll::Pending,
            },
            Progress::Done => panic!("an activity was awaited again after it had ended"),
        };
        self.progress = Progress::Done;
        Poll::Ready(result)
    }
}

impl Drop for UntypedActivity {
    fn drop(&mut self) {
        if let Progress::Started(seq) = self.progress {
            self.core.release(seq);
        }
    }
}
