//! What actors are told, and what they answer.
//!
//! It is all data, and knows no actor. The actors know it, and so does whoever tells them
//! something: two actors that tell each other something need not know each other. What is done
//! for a message stands with the actor that gets it.

mod activity_operation;
mod async_activity;
mod call;
mod directory;
mod journal;
mod root;
mod run;
mod task_queue;
mod verdict;

pub(crate) use self::activity_operation::{
    ActivityOperation, ActivityOperationCall, ActivityOperationReply, OperationTarget,
    ResetOptions, UnpauseOptions,
};
pub use self::async_activity::HeartbeatAnswer;
pub(crate) use self::async_activity::{
    AsyncActivityAction, AsyncActivityCall, AsyncActivityReply, AttemptTarget,
};
pub(crate) use self::call::{
    CancelRequest, DescribeReply, DoneReply, QueryReply, ResultReply, RunCall, SignalReply,
    StartReply, StartRequest, StartedRun,
};
pub(crate) use self::directory::{DirectoryMessage, LostRun};
pub(crate) use self::journal::{
    Acknowledgement, Append, JournalMessage, JournalWake, WorkflowIdClaim,
};
pub(crate) use self::root::RootMessage;
pub(crate) use self::run::{AttemptOutcome, RunMessage};
pub(crate) use self::task_queue::TaskQueueMessage;
pub(crate) use self::verdict::{AppendOutcome, Epoch, Refusal};
