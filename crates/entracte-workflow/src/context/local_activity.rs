//! Calls of local activities.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::{
    ActivityCancellationType, Failure, Headers, LocalActivityOptions, Payload, RetryPolicy,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::WorkflowContext;
use super::activity::{
    ActivityFuture, Progress, UntypedActivity, cancelled, check, encode, prepare,
};
use super::core::Core;
use crate::define::Activity;
use crate::interceptor::WorkflowCallKind;

impl WorkflowContext {
    /// Prepares a call of an activity that runs beside this workflow, as a part of its run.
    /// Nothing happens until it is awaited or [started](LocalActivityCall::start).
    ///
    /// It is for short, cheap and repeatable work: to look something up, to compute, to read a
    /// file. A local activity leaves one event, its end, where an ordinary one leaves three; its
    /// retries are not journaled. The price: after a crash it begins again with attempt 1
    /// (rule LAC-1), so `maximum_attempts` holds for one life of the engine only; it has no
    /// queue, its heartbeats are not stored, and nobody but its own code can complete it
    /// (rule LAC-7). What may run for long, or must not be repeated lightly, is an
    /// [`activity`](Self::activity).
    ///
    /// The function is the one that is registered for the constant. Of the constant's options,
    /// the start-to-close and schedule-to-close timeouts and the retry policy are taken over.
    ///
    /// The output is that of an [`activity`](Self::activity), with the same failures. The input
    /// is not stored, and so as large as you like; the result is, and may not be larger than the
    /// engine's `payload_bytes_max`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use entracte_workflow::{Activity, ActivityContext, ActivityResult, WorkflowContext, WorkflowResult};
    ///
    /// const RATE: Activity<String, f64> =
    ///     Activity::new("rate").start_to_close_timeout(Duration::from_secs(5));
    ///
    /// async fn convert(ctx: WorkflowContext, cents: f64) -> WorkflowResult<f64> {
    ///     Ok(cents * ctx.local_activity(RATE, "EUR".to_owned()).await?)
    /// }
    /// ```
    #[track_caller]
    pub fn local_activity<I: Serialize, O: DeserializeOwned>(
        &self,
        activity: Activity<I, O>,
        input: I,
    ) -> LocalActivityCall<O> {
        let of_constant = activity.options();
        LocalActivityCall {
            core: Arc::clone(&self.core),
            activity_type: activity.name().into(),
            input: encode(activity.name(), &input),
            headers: Headers::new(),
            options: LocalActivityOptions {
                start_to_close_timeout: of_constant.start_to_close_timeout,
                schedule_to_close_timeout: of_constant.schedule_to_close_timeout,
                retry_policy: of_constant.retry_policy,
                ..LocalActivityOptions::default()
            },
            source: Location::caller(),
            output: PhantomData,
        }
    }
}

/// A call of a local activity that has not started; see
/// [`WorkflowContext::local_activity`].
///
/// `.await` starts it and waits for its output, [`start`](Self::start) only starts it.
#[must_use = "an activity call does nothing until it is awaited or started"]
pub struct LocalActivityCall<O> {
    core: Arc<Core>,
    activity_type: Arc<str>,
    input: Result<Vec<Payload>, Failure>,
    headers: Headers,
    options: LocalActivityOptions,
    source: &'static Location<'static>,
    output: PhantomData<fn() -> O>,
}

impl<O> LocalActivityCall<O> {
    /// Sets how long one attempt may run. Default: the constant's; this or
    /// [`schedule_to_close_timeout`](Self::schedule_to_close_timeout) must be set (rule LAC-2).
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.options.start_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how long the whole activity may take, with its retries and waits; a crash does not
    /// begin it anew. Default: the constant's.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.options.schedule_to_close_timeout = Some(timeout);
        self
    }

    /// Sets how failed attempts are retried. Default: the constant's.
    pub fn retry_policy(mut self, retry_policy: impl Into<RetryPolicy>) -> Self {
        self.options.retry_policy = retry_policy.into();
        self
    }

    /// Sets what a cancellation of the activity waits for (rules ACX-1 and LAC-5). Default
    /// [`WaitCancellationCompleted`](ActivityCancellationType::WaitCancellationCompleted),
    /// whatever the constant says.
    pub fn cancellation_type(mut self, cancellation_type: ActivityCancellationType) -> Self {
        self.options.cancellation_type = cancellation_type;
        self
    }

    /// Sets how long a back-off between two attempts may be that passes in memory. A longer one
    /// is a durable timer of the run: it is not begun anew by a crash, and the attempts before
    /// it stay counted (rule LAC-3). Default 1 min.
    pub fn local_retry_threshold(mut self, threshold: Duration) -> Self {
        self.options.local_retry_threshold = threshold;
        self
    }

    /// Sets what travels along with the call. Default none.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Starts the activity without waiting for it. Dropping the future cancels the activity, of
    /// which no event tells then; under
    /// [`Abandon`](ActivityCancellationType::Abandon) its attempt goes on as long as the run
    /// is in memory.
    pub fn start(self) -> ActivityFuture<O> {
        ActivityFuture::new(self.start_untyped())
    }

    pub(super) fn activity_type(&self) -> &Arc<str> {
        &self.activity_type
    }

    /// Tells whether it could be started at all.
    pub(super) fn check(&self) -> Result<(), Failure> {
        check(&self.activity_type, &self.input, self.options.validate())
    }

    pub(super) fn start_untyped(self) -> UntypedActivity {
        let Self { core, activity_type, input, headers, options, source, .. } = self;
        let progress = match prepare(&core, &activity_type, input, options.validate()) {
            Err(failure) => Progress::Immediate(failure),
            Ok(input) => {
                let name = || Arc::clone(&activity_type);
                let called = || WorkflowCallKind::ScheduleLocalActivity { activity_type: name() };
                let (input, headers) = core.intercept(called, input, headers);
                match core.issue_local(name(), input, headers, options, source) {
                    Some(seq) => Progress::Started(seq),
                    None => Progress::Immediate(cancelled(&activity_type)),
                }
            }
        };
        UntypedActivity::new(core, activity_type, progress)
    }
}

impl<O: DeserializeOwned> IntoFuture for LocalActivityCall<O> {
    type Output = Result<O, Failure>;
    type IntoFuture = ActivityFuture<O>;

    fn into_future(self) -> Self::IntoFuture {
        self.start()
    }
}

impl<O> fmt::Debug for LocalActivityCall<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalActivityCall").field(&self.activity_type).finish()
    }
}
