//! Failures: what went wrong in a workflow or an activity, as a typed chain.
//!
//! A failure has one of Temporal's kinds and, if something else brought it about, a cause.
//! An activity's error reaches its workflow as [`FailureKind::Activity`] whose cause is the
//! error itself; a child's as [`FailureKind::ChildWorkflow`] (rule FAIL-1). Each level keeps
//! its own message only (rule FAIL-10); [`Failure`]'s `Display` composes the text of the chain.

mod convert;
mod kind;
mod payloads;
mod render;
mod truncate;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::convert::{FailureError, ResultExt};
pub use self::kind::{
    ActivityFailure, ApplicationErrorCategory, ApplicationFailure, ChildWorkflowFailure,
    FailureKind, RetryState, TimeoutType,
};
use crate::payload::{DecodeError, EncodeError, Payload};

/// A failure and, behind it, the chain of its causes.
///
/// Any `std::error::Error` becomes a failure with `?`: a retryable application failure whose
/// type is the name of the error's type, without its module path and its parameters, and whose
/// causes are the error's sources (rule FAIL-2). A failure
/// that was received and is returned again stays the same failure (rule FAIL-11).
///
/// ```
/// use entracte_model::{Failure, ResultExt};
///
/// let refused: Result<(), Failure> = Err(Failure::application("Refused", "connection refused"));
/// let failure = refused.with_context(|| format!("stop container {}", "abc123")).unwrap_err();
/// assert_eq!(failure.to_string(), "stop container abc123: connection refused");
/// assert_eq!(failure.application_type(), Some("Refused"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parts {
    message: String,
    kind: FailureKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    context: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    source: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    stack_trace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Failure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed_compensations: Vec<Failure>,
    /// The name of the compensation that failed with this; empty if it is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    compensation: String,
}

/// A compensation that failed; see [`Failure::failed_compensations`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FailedCompensation<'a> {
    /// What was to be done: the durable name of an activity or a child workflow, or the name
    /// under which it was registered.
    pub name: &'a str,
    /// With what it failed.
    pub failure: &'a Failure,
}

impl Failure {
    /// Makes a failure of any kind; `message` is its own message, without its cause's.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            message: message.into(),
            kind,
            context: Vec::new(),
            source: String::new(),
            stack_trace: String::new(),
            cause: None,
            failed_compensations: Vec::new(),
            compensation: String::new(),
        }))
    }

    /// Makes an application failure that is retried under the retry policy in force.
    #[must_use]
    pub fn application(r#type: impl Into<String>, message: impl Into<String>) -> Self {
        let kind = ApplicationFailure { r#type: r#type.into(), ..ApplicationFailure::default() };
        Self::new(FailureKind::Application(kind), message)
    }

    /// Makes an application failure that no retry policy retries.
    #[must_use]
    pub fn non_retryable(r#type: impl Into<String>, message: impl Into<String>) -> Self {
        let kind = ApplicationFailure {
            r#type: r#type.into(),
            non_retryable: true,
            ..ApplicationFailure::default()
        };
        Self::new(FailureKind::Application(kind), message)
    }

    /// Makes a timeout.
    #[must_use]
    pub fn timeout(timeout_type: TimeoutType, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Timeout { timeout_type, last_heartbeat_details: None }, message)
    }

    /// Makes a cancellation, with Temporal's message "canceled".
    #[must_use]
    pub fn canceled() -> Self {
        Self::new(FailureKind::Canceled { details: None }, "canceled")
    }

    /// Makes a termination.
    #[must_use]
    pub fn terminated(reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Terminated, reason)
    }

    /// Wraps what failed in an activity (rule FAIL-1).
    #[must_use]
    pub fn activity(activity: ActivityFailure, cause: Self) -> Self {
        let message = match (&cause.0.kind, &activity.retry_state) {
            (FailureKind::Canceled { .. }, _) => "Activity cancelled",
            (FailureKind::Timeout { .. }, _) => "Activity task timed out",
            _ => "Activity task failed",
        };
        Self::new(FailureKind::Activity(activity), message).with_cause(cause)
    }

    /// Wraps what failed in a child workflow (rules FAIL-1 and FAIL-12).
    #[must_use]
    pub fn child_workflow(child: ChildWorkflowFailure, cause: Self) -> Self {
        let message = match &cause.0.kind {
            FailureKind::Canceled { .. } => "Child Workflow execution cancelled",
            FailureKind::Timeout { .. } => "Child Workflow execution timed out",
            FailureKind::Terminated => "Child Workflow execution terminated",
            _ => "Child Workflow execution failed",
        };
        Self::new(FailureKind::ChildWorkflow(child), message).with_cause(cause)
    }

    /// Sets what brought the failure about.
    ///
    /// A failure is at most [`LEVELS_MAX`](Self::LEVELS_MAX) levels deep: the innermost causes
    /// of a longer chain are left out, and the last one that is kept says so.
    #[must_use]
    pub fn with_cause(mut self, cause: Self) -> Self {
        self.0.cause = Some(cause.limited(Self::LEVELS_MAX - 1));
        self
    }

    /// How deep a failure can be, with its causes and failed compensations: deep enough for
    /// whatever a person reads, and no danger to the stack of whoever writes it down.
    pub const LEVELS_MAX: usize = 64;

    /// Leaves out what is deeper than so many levels.
    fn limited(mut self, levels: usize) -> Self {
        let Parts { message, cause, failed_compensations, .. } = &mut *self.0;
        if levels > 1 {
            *cause = cause.take().map(|cause| cause.limited(levels - 1));
            for failed in failed_compensations {
                let whole = std::mem::replace(failed, Self::application("", ""));
                *failed = whole.limited(levels - 1);
            }
        } else if cause.is_some() || !failed_compensations.is_empty() {
            (*cause, *failed_compensations) = (None, Vec::new());
            message.push_str(" (its causes are left out)");
        }
        self
    }

    /// Sets the stack trace, as text.
    #[must_use]
    pub fn with_stack_trace(mut self, stack_trace: impl Into<String>) -> Self {
        self.0.stack_trace = stack_trace.into();
        self
    }

    /// Says in which system the failure arose; empty by default.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.0.source = source.into();
        self
    }

    /// Reports a compensation that failed while this failure was being undone; as deep as
    /// [`with_cause`](Self::with_cause) allows.
    ///
    /// The failure keeps its own kind and type: what failed to be undone changes neither what
    /// went wrong nor whether it is retried.
    ///
    /// ```
    /// use entracte_model::Failure;
    ///
    /// let declined = Failure::application("Declined", "card declined");
    /// let closed = Failure::application("Closed", "bank is closed");
    /// let failure = declined.with_failed_compensation("refund", closed);
    /// assert_eq!(
    ///     failure.to_string(),
    ///     "card declined; compensation `refund` failed too: bank is closed"
    /// );
    /// assert_eq!(failure.application_type(), Some("Declined"));
    /// let failed = failure.failed_compensations();
    /// assert_eq!(failed[0].name, "refund");
    /// assert_eq!(failed[0].failure.application_type(), Some("Closed"));
    /// ```
    #[must_use]
    pub fn with_failed_compensation(mut self, name: impl Into<String>, failure: Self) -> Self {
        let mut failure = failure.limited(Self::LEVELS_MAX - 1);
        failure.0.compensation = name.into();
        self.0.failed_compensations.push(failure);
        self
    }

    /// Attaches a value to an application, timeout or cancelled failure; other kinds ignore it.
    ///
    /// # Errors
    /// [`EncodeError`] if the value cannot be encoded.
    pub fn with_details<T: Serialize>(mut self, details: &T) -> Result<Self, EncodeError> {
        let payload = Payload::encode(details)?;
        match &mut self.0.kind {
            FailureKind::Application(ApplicationFailure { details, .. })
            | FailureKind::Canceled { details }
            | FailureKind::Timeout { last_heartbeat_details: details, .. } => {
                *details = Some(payload);
            }
            _ => {}
        }
        Ok(self)
    }

    /// Says how long to wait before the next attempt, instead of what the retry policy
    /// computes (rule RET-16); zero is ignored, and so are kinds other than application.
    #[must_use]
    pub fn with_next_retry_delay(mut self, delay: std::time::Duration) -> Self {
        if let FailureKind::Application(application) = &mut self.0.kind
            && !delay.is_zero()
        {
            application.next_retry_delay = Some(delay);
        }
        self
    }

    /// Marks an application failure as expected: logged quietly, and no alarm (rule FAIL-8).
    /// In all else it is a failure as any other.
    #[must_use]
    pub fn benign(mut self) -> Self {
        if let FailureKind::Application(application) = &mut self.0.kind {
            application.category = ApplicationErrorCategory::Benign;
        }
        self
    }

    /// Says what was being done when the failure arose.
    ///
    /// The text stands before the failure's own and does not change its kind, type or
    /// retryability: context never makes a failure retryable that was not.
    #[must_use]
    pub fn context(mut self, context: impl std::fmt::Display) -> Self {
        self.0.context.push(context.to_string());
        self
    }

    /// The failure's own message, without context and causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The kind of the failure and what that kind tells.
    #[must_use]
    pub fn kind(&self) -> &FailureKind {
        &self.0.kind
    }

    /// What was being done, outermost first.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.0.context.iter().rev().map(String::as_str)
    }

    /// What brought the failure about.
    #[must_use]
    pub fn cause(&self) -> Option<&Self> {
        self.0.cause.as_ref()
    }

    /// In which system the failure arose, if it said so.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The stack trace, as text; empty if there is none.
    #[must_use]
    pub fn stack_trace(&self) -> &str {
        &self.0.stack_trace
    }

    /// The compensations that failed while this failure, or a cause of it, was being undone: from
    /// the outermost failure inwards, each in the order in which they were run.
    #[must_use]
    pub fn failed_compensations(&self) -> Vec<FailedCompensation<'_>> {
        let failed = self.chain().flat_map(|failure| &failure.0.failed_compensations);
        failed
            .map(|failure| FailedCompensation { name: &failure.0.compensation, failure })
            .collect()
    }

    /// The failure and its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |failure| failure.cause())
    }

    /// The innermost cause.
    #[must_use]
    pub fn root_cause(&self) -> &Self {
        self.chain().last().unwrap_or(self)
    }

    /// The type of the first application failure in the chain.
    #[must_use]
    pub fn application_type(&self) -> Option<&str> {
        self.chain().find_map(|failure| match failure.kind() {
            FailureKind::Application(application) => Some(application.r#type.as_str()),
            _ => None,
        })
    }

    /// Reads the details of the first failure in the chain that has some.
    ///
    /// # Errors
    /// [`DecodeError`] if the details are not such a value.
    pub fn details<T: DeserializeOwned>(&self) -> Option<Result<T, DecodeError>> {
        self.chain().find_map(|failure| failure.kind().details()).map(Payload::decode)
    }

    /// Whether the chain holds a cancellation (rule FAIL-6).
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.chain().any(|failure| matches!(failure.kind(), FailureKind::Canceled { .. }))
    }

    /// Whether the failure is an expected one: whether the first application failure in the
    /// chain is [benign](Self::benign) (rule FAIL-8).
    #[must_use]
    pub fn is_benign(&self) -> bool {
        let first = self.chain().find_map(|failure| match failure.kind() {
            FailureKind::Application(application) => Some(application.category),
            _ => None,
        });
        first == Some(ApplicationErrorCategory::Benign)
    }

    /// The type of the first timeout in the chain.
    #[must_use]
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        self.chain().find_map(|failure| match failure.kind() {
            FailureKind::Timeout { timeout_type, .. } => Some(*timeout_type),
            _ => None,
        })
    }

    /// Whether a retry policy that lists these types as non-retryable would retry the failure.
    ///
    /// Only the top of the chain counts (rule RET-10): terminated and cancelled are final;
    /// of the timeouts only start-to-close and heartbeat are retried, unless listed as
    /// `TemporalTimeout:StartToClose` and so on (rule RET-9); application failures unless
    /// marked or listed (the match is exact, rule RET-8); wrappers always.
    #[must_use]
    pub fn is_retryable(&self, non_retryable_error_types: &[String]) -> bool {
        let listed = |name: &str| non_retryable_error_types.iter().any(|listed| listed == name);
        match self.kind() {
            FailureKind::Terminated | FailureKind::Canceled { .. } => false,
            FailureKind::Timeout { timeout_type, .. } => match timeout_type {
                TimeoutType::StartToClose | TimeoutType::Heartbeat => {
                    !listed(&timeout_type.as_error_type())
                }
                TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose => false,
            },
            FailureKind::Server { non_retryable } => !non_retryable,
            FailureKind::Application(application) => {
                !application.non_retryable && !listed(&application.r#type)
            }
            FailureKind::Activity(_)
            | FailureKind::ChildWorkflow(_)
            | FailureKind::ResetWorkflow { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(types: &[&str]) -> Vec<String> {
        types.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn ret_8_types_match_exactly() {
        let declined = Failure::application("Declined", "no");
        assert!(!declined.is_retryable(&listed(&["Declined"])));
        assert!(declined.is_retryable(&listed(&["declined", "Decline"])));
    }

    #[test]
    fn ret_9_timeouts_can_be_listed() {
        let timeout = Failure::timeout(TimeoutType::StartToClose, "slow");
        assert!(timeout.is_retryable(&[]));
        assert!(!timeout.is_retryable(&listed(&["TemporalTimeout:StartToClose"])));
        assert!(timeout.is_retryable(&listed(&["TemporalTimeout:Heartbeat"])));
    }

    #[test]
    fn ret_10_only_the_top_of_the_chain_counts() {
        let cause = Failure::non_retryable("Declined", "no");
        assert!(!cause.is_retryable(&[]));
        let wrapped = Failure::activity(ActivityFailure::default(), cause);
        assert!(wrapped.is_retryable(&[]));
        for timeout_type in [TimeoutType::ScheduleToStart, TimeoutType::ScheduleToClose] {
            assert!(!Failure::timeout(timeout_type, "late").is_retryable(&[]));
        }
        assert!(Failure::timeout(TimeoutType::Heartbeat, "silent").is_retryable(&[]));
        assert!(!Failure::canceled().is_retryable(&[]));
        assert!(!Failure::terminated("by hand").is_retryable(&[]));
    }

    #[test]
    fn context_keeps_a_failure_non_retryable() {
        let failure = Failure::non_retryable("Declined", "no").context("charge the card");
        assert!(!failure.is_retryable(&[]));
    }

    #[test]
    fn fail_8_a_benign_failure_is_one_through_its_wrappers_and_is_retried_as_any_other() {
        let benign = Failure::application("NotYet", "not yet").benign();
        assert!(benign.is_benign() && benign.is_retryable(&[]));
        let wrapped = Failure::activity(ActivityFailure::default(), benign.clone());
        assert!(wrapped.context("wait for it").is_benign());
        let around = Failure::application("Late", "too late").with_cause(benign);
        assert!(!around.is_benign());
        assert!(!Failure::timeout(TimeoutType::StartToClose, "slow").benign().is_benign());
        let stored = serde_json::to_string(&Failure::application("T", "m").benign()).unwrap();
        assert!(serde_json::from_str::<Failure>(&stored).unwrap().is_benign());
    }

    #[test]
    fn fail_6_a_cancellation_anywhere_in_the_chain_counts() {
        let failure = Failure::activity(ActivityFailure::default(), Failure::canceled());
        assert!(failure.is_canceled());
        assert_eq!(failure.message(), "Activity cancelled");
    }

    #[test]
    fn a_failure_is_not_deeper_than_allowed_and_says_where_it_was_cut() {
        let deep = (0..1_000).fold(Failure::application("E", "first"), |cause, number| {
            let failure = Failure::application("E", format!("number {number}"));
            match number % 3 {
                0 => failure.with_failed_compensation("undo", cause),
                _ => failure.with_cause(cause),
            }
        });
        let levels = |failure: &Failure| {
            let mut deepest = (1, failure);
            let mut waiting = vec![deepest];
            while let Some((level, failure)) = waiting.pop() {
                if level > deepest.0 {
                    deepest = (level, failure);
                }
                let below = failure.cause().into_iter().chain(&failure.0.failed_compensations);
                waiting.extend(below.map(|failure| (level + 1, failure)));
            }
            (deepest.0, deepest.1.message().to_owned())
        };
        let (level, message) = levels(&deep);
        assert_eq!(level, Failure::LEVELS_MAX);
        assert!(message.ends_with("(its causes are left out)"), "{message}");
        assert_eq!(levels(&deep.limited(Failure::LEVELS_MAX)), (level, message));
    }

    #[test]
    fn details_are_typed() {
        let failure = Failure::application("Declined", "no").with_details(&42_u32).unwrap();
        assert_eq!(failure.details::<u32>(), Some(Ok(42)));
        assert!(failure.details::<String>().unwrap().is_err());
    }
}
