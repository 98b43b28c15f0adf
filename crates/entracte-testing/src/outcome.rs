//! How runs end.

use std::fmt;

use entracte_model::{EventAttributes, Payload};

/// How a run ended, as far as its client can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It returned this.
    Completed(Payload),
    /// It returned a failure that reads like this.
    Failed(String),
    /// It was cancelled, with a failure that reads like this.
    Canceled(String),
    /// It was terminated for this reason.
    Terminated(String),
    /// It ran into a timeout of its own.
    TimedOut,
    /// It continued as new.
    ContinuedAsNew,
}

impl Outcome {
    /// Reads the outcome from the last event of a history; none if the event does not close it.
    #[must_use]
    pub fn of(event: &EventAttributes) -> Option<Self> {
        match event {
            EventAttributes::WorkflowExecutionCompleted(completed) => {
                Some(Self::Completed(completed.result.clone()))
            }
            EventAttributes::WorkflowExecutionFailed(failed) => {
                Some(Self::Failed(failed.failure.to_string()))
            }
            EventAttributes::WorkflowExecutionCanceled(canceled) => {
                Some(Self::Canceled(canceled.failure.to_string()))
            }
            EventAttributes::WorkflowExecutionTerminated(terminated) => {
                Some(Self::Terminated(terminated.reason.clone()))
            }
            EventAttributes::WorkflowExecutionTimedOut(_) => Some(Self::TimedOut),
            EventAttributes::WorkflowExecutionContinuedAsNew(_) => Some(Self::ContinuedAsNew),
            _ => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(result) => {
                write!(f, "completed with {} {:02x?}", result.encoding(), result.data().as_ref())
            }
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Canceled(failure) => write!(f, "canceled: {failure}"),
            Self::Terminated(reason) => write!(f, "terminated: {reason}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::ContinuedAsNew => f.write_str("continued as new"),
        }
    }
}
