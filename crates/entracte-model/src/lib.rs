//! The vocabulary of the Entracte workflow engine.
//!
//! Ids, payloads, failures, retry policies, options and history events: plain data with
//! `serde`, without clock, I/O or runtime. Everything else in the workspace speaks in it.

pub mod event;
pub mod failure;
pub mod headers;
pub mod id;
mod limits;
pub mod options;
pub mod options_update;
pub mod payload;
pub mod priority;
pub mod retry;
pub mod task_token;
pub mod time;
pub mod timeouts;

pub use self::event::{Event, EventAttributes, EventType, SourceLocation};
pub use self::failure::{
    FailedCompensation, Failure, FailureError, FailureKind, ResultExt, RetryState, TimeoutType,
};
pub use self::headers::Headers;
pub use self::id::{EventId, IdError, RunId, Seq, WorkflowId};
pub use self::limits::PendingLimits;
pub use self::options::{
    ActivityCancellationType, ActivityOptions, ChildWorkflowCancellationType, ChildWorkflowOptions,
    LocalActivityOptions, ParentClosePolicy, ParentCloseScope, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowOptionsError, WorkflowStatus,
};
pub use self::options_update::ActivityOptionsUpdate;
pub use self::payload::{CodecError, DecodeError, EncodeError, HasPayloads, Payload, PayloadCodec};
pub use self::priority::{Priority, PriorityError, PriorityOptions};
pub use self::retry::{RetryPolicy, RetryPolicyError};
pub use self::task_token::{TaskToken, TaskTokenError};
pub use self::time::Timestamp;
pub use self::timeouts::ActivityTimeouts;
