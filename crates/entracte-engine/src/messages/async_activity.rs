//! What an attempt is told from elsewhere than its code.

use entracte_model::{Failure, Payload, TaskToken};
use tokio::sync::oneshot;

use crate::errors::AsyncActivityError;

/// Something that somebody tells an attempt from elsewhere.
pub(crate) struct AsyncActivityCall {
    pub(crate) target: AttemptTarget,
    pub(crate) action: AsyncActivityAction,
    pub(crate) reply: AsyncActivityReply,
}

/// Which attempt is meant.
#[derive(Debug, Clone)]
pub(crate) enum AttemptTarget {
    Token(TaskToken),
    /// The attempt that is under way at the activity of this id.
    Id(String),
}

#[derive(Debug, Clone)]
pub(crate) enum AsyncActivityAction {
    Complete(Payload),
    Fail(Failure),
    ReportCancelled(Option<Payload>),
    Heartbeat(Payload),
}

/// What a heartbeat is answered (rule HB-1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeartbeatAnswer {
    /// The workflow has asked the activity to cancel: the attempt may be reported as cancelled.
    pub cancel_requested: bool,
    /// The activity is paused: it gets no further attempt until it is unpaused.
    pub paused: bool,
    /// The activity was reset while the attempt ran: the next attempt is its first again.
    pub reset: bool,
}

pub(crate) type AsyncActivityReply = oneshot::Sender<Result<HeartbeatAnswer, AsyncActivityError>>;
