//! Where a run stands.

use serde::{Deserialize, Serialize};

/// Where a run stands; Temporal's numbers, which are part of the stored format (rule VIS-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
#[non_exhaustive]
pub enum WorkflowStatus {
    /// Open.
    Running = 1,
    /// Returned a result.
    Completed = 2,
    /// Returned a failure.
    Failed = 3,
    /// Returned a cancellation.
    Canceled = 4,
    /// Ended from outside, at once.
    Terminated = 5,
    /// Went on in a new run.
    ContinuedAsNew = 6,
    /// Ran into a timeout of its own.
    TimedOut = 7,
}

impl WorkflowStatus {
    /// Whether the run is still open.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether a closed run counts as failed for
    /// [`AllowDuplicateFailedOnly`](super::WorkflowIdReusePolicy::AllowDuplicateFailedOnly).
    #[must_use]
    pub const fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Terminated | Self::TimedOut)
    }
}

/// A stored status has a number that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("workflow status {0} is unknown")]
pub struct UnknownStatus(pub u8);

impl TryFrom<u8> for WorkflowStatus {
    type Error = UnknownStatus;
    fn try_from(number: u8) -> Result<Self, UnknownStatus> {
        Ok(match number {
            1 => Self::Running,
            2 => Self::Completed,
            3 => Self::Failed,
            4 => Self::Canceled,
            5 => Self::Terminated,
            6 => Self::ContinuedAsNew,
            7 => Self::TimedOut,
            unknown => return Err(UnknownStatus(unknown)),
        })
    }
}

impl From<WorkflowStatus> for u8 {
    fn from(status: WorkflowStatus) -> Self {
        status as Self
    }
}

impl std::fmt::Display for WorkflowStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Terminated => "terminated",
            Self::ContinuedAsNew => "continued as new",
            Self::TimedOut => "timed out",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vis_5_unknown_status_numbers_are_named() {
        for number in 1..=7 {
            assert_eq!(u8::from(WorkflowStatus::try_from(number).unwrap()), number);
        }
        assert_eq!(WorkflowStatus::try_from(99), Err(UnknownStatus(99)));
    }
}
