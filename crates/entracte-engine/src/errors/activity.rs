//! Errors of what is done to activities from outside of their code.

use entracte_model::options::ActivityOptionsError;
use entracte_model::{EncodeError, IdError, RunId, TaskToken};
use entracte_store::StoreError;

use super::{EngineStopped, RunNotFound};
use crate::errors::ParkCause;

/// There is no such activity, or no such attempt of it (rule ASY-2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivityNotFound {
    /// There is no such run.
    #[error(transparent)]
    Run(#[from] RunNotFound),
    /// The run is closed, and with it all of its activities.
    #[error("workflow execution already completed: run {run_id}")]
    RunClosed {
        /// The run.
        run_id: RunId,
    },
    /// The run has no such activity that is still open.
    #[error("activity {activity} of run {run_id} is not pending: it has ended, or never was")]
    NotPending {
        /// The run.
        run_id: RunId,
        /// The activity's id or, where a token names it, its number.
        activity: String,
    },
    /// The attempt has ended, or no attempt is under way.
    #[error(
        "activity {activity} of run {run_id} is pending, but {}",
        attempt_text(*token)
    )]
    Attempt {
        /// The run.
        run_id: RunId,
        /// The activity's id or, where a token names it, its number.
        activity: String,
        /// The token that names the attempt, if one does.
        token: Option<TaskToken>,
    },
}

fn attempt_text(token: Option<TaskToken>) -> String {
    match token {
        Some(token) => format!("its attempt {} has ended", token.attempt),
        None => "none of its attempts is under way".to_owned(),
    }
}

/// Says why an attempt was not ended, or not heard, from elsewhere.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AsyncActivityError {
    /// The workflow id cannot be an id.
    #[error("`{id}` cannot be an id: {source}")]
    InvalidId {
        /// The beginning of the id.
        id: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// The result or the details cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The result, the failure or the details are larger than the engine's `payload_bytes_max`
    /// (rule LIM-4).
    #[error("{what} of {bytes} bytes is larger than the {limit} bytes allowed")]
    PayloadTooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// There is no such attempt under way: it has ended, also because somebody was faster.
    #[error(transparent)]
    NotFound(#[from] ActivityNotFound),
    /// Only an attempt that was asked to cancel can be reported as cancelled (rule ACX-4).
    #[error(
        "unable to mark activity {activity} of run {run_id} as canceled without activity being \
         request canceled first"
    )]
    CancelNotRequested {
        /// The run.
        run_id: RunId,
        /// The id of the activity.
        activity: String,
    },
    /// What is stored of the run cannot be read, so that nothing can be added to it.
    #[error("run {run_id} cannot be changed: {cause}")]
    HistoryUnusable {
        /// The run.
        run_id: RunId,
        /// What cannot be read.
        cause: ParkCause,
    },
    /// The store could not be read; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before this was taken up: nothing was changed.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
    /// The engine stopped before it could answer: this may have been carried out or not. Doing
    /// it again is safe, and refused if it was.
    #[error("whether an activity of run {run_id} was told is not known: {reason}")]
    OutcomeUnknown {
        /// The run.
        run_id: RunId,
        /// Why the answer is missing.
        reason: String,
    },
}

impl From<RunNotFound> for AsyncActivityError {
    fn from(not_found: RunNotFound) -> Self {
        Self::NotFound(not_found.into())
    }
}

/// Says why a pending activity was not paused, unpaused, reset or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PendingActivityError {
    /// There is no such activity, or none of the type, that is pending.
    #[error(transparent)]
    NotFound(#[from] ActivityNotFound),
    /// The activity is paused already (rule PAU-2); of several activities, all are.
    #[error("activity {activity} of run {run_id} is already paused")]
    AlreadyPaused {
        /// The run.
        run_id: RunId,
        /// The activity's id, or the type of the activities.
        activity: String,
    },
    /// The options would be wrong after the change; nothing was changed.
    #[error("activity {activity} of run {run_id} cannot have these options: {source}")]
    InvalidOptions {
        /// The run.
        run_id: RunId,
        /// The id of the activity.
        activity: String,
        /// What is wrong with them.
        source: ActivityOptionsError,
    },
    /// What is stored of the run cannot be read, so that nothing can be changed.
    #[error("run {run_id} cannot be changed: {cause}")]
    HistoryUnusable {
        /// The run.
        run_id: RunId,
        /// What cannot be read.
        cause: ParkCause,
    },
    /// The store could not be read; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before this was taken up: nothing was changed.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
    /// The engine stopped before it could answer, or an answer was lost and the activity has
    /// ended since: this may have been carried out or not. `describe` tells what is still
    /// pending, and doing it again is safe.
    #[error("whether the activities of run {run_id} were changed is not known: {reason}")]
    OutcomeUnknown {
        /// The run.
        run_id: RunId,
        /// Why the answer is missing.
        reason: String,
    },
}

impl From<RunNotFound> for PendingActivityError {
    fn from(not_found: RunNotFound) -> Self {
        Self::NotFound(not_found.into())
    }
}
