//! A durable multi-stage workflow engine inside a Rust program, with the semantics of Temporal.
//!
//! A workflow is a plain `async fn`; its local variables are its state. The engine journals
//! what happens to it, and after a crash, a deploy or a month of waiting rebuilds it by replay,
//! exactly where it was. Activities do the work that touches the world; they run at least once.
//!
//! ```
//! use std::time::Duration;
//!
//! use entracte::prelude::*;
//!
//! const GREET: Activity<String, String> =
//!     Activity::new("greet").start_to_close_timeout(Duration::from_secs(5));
//! const WELCOME: Workflow<String, String> = Workflow::new("welcome");
//!
//! async fn greet(_ctx: ActivityContext, name: String) -> ActivityResult<String> {
//!     Ok(format!("hello, {name}"))
//! }
//!
//! async fn welcome(ctx: WorkflowContext, name: String) -> WorkflowResult<String> {
//!     ctx.activity(GREET, name).await.context("greet the guest")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::in_memory().workflow(WELCOME, welcome).activity(GREET, greet).start().await?;
//! let run = engine.start_workflow(WELCOME, "Ada".to_owned()).workflow_id("welcome-ada").await?;
//! assert_eq!(run.result().await?, "hello, Ada");
//! engine.shutdown().await?;
//! # Ok(())
//! # }
//! ```

pub use entracte_engine::{
    ActivityNotFound, ActorKind, ActorNode, ActorTree, AsyncActivity, AsyncActivityError,
    CancelWorkflow, Durability, Engine, EngineBuilder, EngineOptions, EngineState, EngineStopped,
    EventPosition, EventStream, HeartbeatAnswer, JournalStats, OverrunningAttempt, ParkCause,
    ParkedDescription, ParseDurabilityError, PauseActivity, PendingActivities, PendingActivity,
    PendingActivityDescription, PendingActivityError, PendingActivityState,
    PendingChildDescription, PendingLocalActivityDescription, PendingTimerDescription, QueryError,
    ResetActivity, RunActorState, RunError, RunNotFound, SendSignal, ShutdownError, SignalError,
    SignalsDescription, StartEngineError, StartWorkflow, StartWorkflowError, TaskQueueDescription,
    TaskQueueOptions, TaskQueueOptionsError, UnpauseActivity, UpdateActivityOptions, WatchError,
    WorkflowDescription, WorkflowError, WorkflowHandle, actor,
};
pub use entracte_inspect::{export, verify};
pub use entracte_model as model;
pub use entracte_model::{
    ActivityCancellationType, ActivityOptions, ActivityOptionsUpdate,
    ChildWorkflowCancellationType, CodecError, Event, EventAttributes, EventId, EventType,
    FailedCompensation, Failure, FailureError, FailureKind, Headers, ParentClosePolicy,
    ParentCloseScope, Payload, PayloadCodec, Priority, PriorityError, PriorityOptions, ResultExt,
    RetryState, RunId, SourceLocation, TaskToken, TimeoutType, Timestamp, WorkflowId,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStatus,
};
pub use entracte_store as store;
pub use entracte_workflow as workflow;
pub use entracte_workflow::{
    Activities, Activity, ActivityContext, ActivityRegistry, ActivityResult, AwaitedSignal,
    BoxFuture, CancelCause, ChildWorkflowHandle, ClientCall, ClientCallKind, ExternalWorkflow,
    HeartbeatError, Interceptor, LocalActivityCall, NextActivity, PropagateHeaders, Query,
    RetryPolicy, Saga, Scope, Signal, Signals, TurnFailure, UnreadSignals, Workflow, WorkflowCall,
    WorkflowCallKind, WorkflowContext, WorkflowInfo, WorkflowResult, for_each_concurrent, join,
    join_all, map_concurrent, select, try_for_each_concurrent, try_join_all, try_map_concurrent,
};

/// What most programs need, in one import.
pub mod prelude {
    pub use crate::{
        Activities, Activity, ActivityContext, ActivityRegistry, ActivityResult, CancelCause,
        ChildWorkflowCancellationType, Durability, Engine, Failure, ParentClosePolicy,
        ParentCloseScope, Priority, Query, QueryError, ResultExt, RetryPolicy, Saga, Scope, Signal,
        SignalError, Signals, TaskQueueOptions, Workflow, WorkflowContext, WorkflowError,
        WorkflowHandle, WorkflowId, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
        WorkflowResult, WorkflowStatus, for_each_concurrent, join, join_all, map_concurrent,
        select, try_for_each_concurrent, try_join_all, try_map_concurrent,
    };
}
