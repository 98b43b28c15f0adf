//! The engine: actors around the pure machine, and the journal beneath them.
//!
//! Every run, activity attempt and timer is an actor, supervised under its parent. The journal
//! is the truth, supervision is the nervous system: an actor's end by itself never decides what
//! becomes of a workflow. See `ARCHITECTURE.md` at the root of the repository for the map.

pub mod actor;
mod actors;
mod address;
mod builder;
mod chain;
mod client;
mod clock;
mod description;
mod engine;
mod errors;
mod live;
mod messages;
mod open_children;
mod options;
mod overrunning;
mod shared;
mod task_queues;
mod tree;
mod watchers;

pub use self::builder::EngineBuilder;
pub use self::client::{
    AsyncActivity, CancelWorkflow, EventPosition, EventStream, SendSignal, StartWorkflow,
    WorkflowHandle,
};
pub use self::client::{
    PauseActivity, PendingActivities, PendingActivity, ResetActivity, UnpauseActivity,
    UpdateActivityOptions,
};
pub use self::description::{
    ParkedDescription, PendingActivityDescription, PendingActivityState, PendingChildDescription,
    PendingLocalActivityDescription, PendingTimerDescription, SignalsDescription,
    WorkflowDescription,
};
pub use self::engine::Engine;
pub use self::errors::{
    ActivityNotFound, AsyncActivityError, EngineStopped, ParkCause, PendingActivityError,
    QueryError, RunError, RunNotFound, ShutdownError, SignalError, StartEngineError,
    StartWorkflowError, TaskQueueOptionsError, WatchError, WorkflowError,
};
pub use self::messages::HeartbeatAnswer;
pub use self::options::{Durability, EngineOptions, ParseDurabilityError};
pub use self::overrunning::OverrunningAttempt;
pub use self::shared::JournalStats;
pub use self::task_queues::{TaskQueueDescription, TaskQueueOptions};
pub use self::tree::{ActorKind, ActorNode, ActorTree, EngineState, RunActorState};
