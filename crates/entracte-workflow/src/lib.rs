//! What authors of workflows and activities write against, and the pure machine that runs
//! workflows.
//!
//! A workflow is a plain `async fn` that takes a [`WorkflowContext`] and one input. It runs
//! inside a [`Machine`]: jobs in, commands out, without clock, I/O, threads or an async
//! runtime. [`turn()`] and [`replay()`] tie the machine to histories.
//!
//! ```
//! use std::time::Duration;
//!
//! use entracte_model::ActivityCancellationType;
//! use entracte_workflow::{Activity, RetryPolicy, Workflow, WorkflowContext, WorkflowResult};
//!
//! const CHARGE: Activity<u64, String> = Activity::new("payments.charge")
//!     .start_to_close_timeout(Duration::from_secs(30))
//!     .cancellation_type(ActivityCancellationType::WaitCancellationCompleted) // see `saga`
//!     .retry_policy(RetryPolicy::exponential(Duration::from_secs(1)).maximum_attempts(5));
//! const REFUND: Activity<u64, ()> =
//!     Activity::new("payments.refund").start_to_close_timeout(Duration::from_secs(30));
//! const ORDER: Workflow<u64, String> = Workflow::new("order");
//!
//! async fn order(ctx: WorkflowContext, cents: u64) -> WorkflowResult<String> {
//!     ctx.saga(async |saga| {
//!         saga.undo(ctx.activity(REFUND, cents));
//!         let receipt = ctx.activity(CHARGE, cents).await?;
//!         ctx.sleep_or_cancelled(Duration::from_secs(3600)).await?;
//!         Ok(receipt)
//!     })
//!     .await
//! }
//!
//! let mut registry = entracte_workflow::Registry::new();
//! registry.workflow(ORDER, order);
//! assert_eq!(registry.validate(), Ok(()));
//! ```

mod activity;
mod combine;
mod context;
mod define;
mod history;
mod interceptor;
mod machine;
mod registry;
mod replay;
mod turn;

/// What [`Interceptor::execute_activity`] gives: a future on the heap.
pub use futures_util::future::BoxFuture;

pub use self::activity::{
    ActivityCanceller, ActivityContext, ActivityInfo, CancelCause, HeartbeatError, HeartbeatSink,
    is_result_pending,
};
pub use self::combine::{
    JoinAll, TryJoinAll, for_each_concurrent, join_all, map_concurrent, try_for_each_concurrent,
    try_join_all, try_map_concurrent,
};
pub use self::context::{
    ActivityCall, ActivityFuture, CancelExternal, Cancelled, ChildWorkflowCall,
    ChildWorkflowFuture, ChildWorkflowHandle, Compensation, ContinueAsNew, ContinueAsNewFuture,
    ExternalWorkflow, LocalActivityCall, Recv, RecvChecked, RecvOrCancelled, Saga, Scope, Scoped,
    SignalExternal, Signals, Sleep, SleepOrCancelled, StartChildWorkflow, WorkflowContext,
};
pub use self::define::{Activity, Query, RetryPolicy, Signal, Workflow, WorkflowDefaults};
pub use self::history::{
    ChildExecution, HistoryError, HistoryState, ScheduledActivity, SentCancel, SentSignal,
    StartedTimer,
};
pub use self::interceptor::{
    ActivityCode, ClientCall, ClientCallKind, Interceptor, InterceptorChain, NextActivity,
    PropagateHeaders, WorkflowCall, WorkflowCallKind, WorkflowInfo,
};
pub use self::machine::{
    Activation, ActivityResolution, AwaitedSignal, ChildResolution, ChildStartResolution, Command,
    ContinueAsNewOptions, InitializeWorkflow, Job, LocalActivity, Machine, Mismatch, Outstanding,
    OutstandingKind, PendingCounts, TurnFailure, UnreadSignals,
};
pub use self::registry::{
    Activities, ActivityRegistry, AsyncActivity, BlockingActivity, ErasedActivity, ErasedWorkflow,
    Registry, RegistryError, WorkflowFuture,
};
pub use self::replay::{ReplayError, Replayed, replay};
pub use self::turn::turn;

use entracte_model::Failure;

/// What a workflow returns.
pub type WorkflowResult<T> = Result<T, Failure>;

/// What an activity returns.
pub type ActivityResult<T> = Result<T, Failure>;

/// What the macros of this crate expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use std::future::{IntoFuture, poll_fn};
    pub use std::pin::pin;

    pub use futures_util::future::maybe_done;

    pub use crate::combine::{Either, SelectList, poll_joined, take_output};
}
