//! What operators want to be done to pending activities.

use entracte_model::ActivityOptionsUpdate;
use tokio::sync::oneshot;

use crate::errors::PendingActivityError;

/// Something that is to be done to pending activities of a run.
pub(crate) struct ActivityOperationCall {
    pub(crate) target: OperationTarget,
    pub(crate) operation: ActivityOperation,
    pub(crate) reply: ActivityOperationReply,
}

/// Which activities are meant.
#[derive(Debug, Clone)]
pub(crate) enum OperationTarget {
    Id(String),
    Type(String),
}

#[derive(Debug, Clone)]
pub(crate) enum ActivityOperation {
    Pause {
        reason: String,
    },
    Unpause(UnpauseOptions),
    /// Its request, and how.
    Reset(Box<str>, ResetOptions),
    UpdateOptions(Box<ActivityOptionsUpdate>),
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UnpauseOptions {
    pub(crate) reset_attempts: bool,
    pub(crate) reset_heartbeat: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ResetOptions {
    pub(crate) reset_heartbeat: bool,
    pub(crate) keep_paused: bool,
    pub(crate) restore_original_options: bool,
}

pub(crate) type ActivityOperationReply = oneshot::Sender<Result<(), PendingActivityError>>;
