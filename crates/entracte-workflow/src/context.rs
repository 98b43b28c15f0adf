//! What a workflow gets besides its input.

mod activity;
mod child;
mod continue_as_new;
mod core;
mod external;
mod info;
mod local_activity;
mod operation;
mod random;
mod saga;
mod scope;
mod signals;
mod sleep;

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::{Payload, Timestamp, id};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::activity::{ActivityCall, ActivityFuture};
pub(crate) use self::child::already_started;
pub use self::child::{
    ChildWorkflowCall, ChildWorkflowFuture, ChildWorkflowHandle, StartChildWorkflow,
};
pub use self::continue_as_new::{ContinueAsNew, ContinueAsNewFuture};
pub(crate) use self::core::{Core, RunInfo, ScopeId, UnreadSignal, scope_here};
pub use self::external::{CancelExternal, ExternalWorkflow, SignalExternal};
pub use self::local_activity::LocalActivityCall;
pub(crate) use self::operation::{Operation, OperationKind};
pub use self::saga::{Compensation, Saga};
pub use self::scope::{Cancelled, Scope, Scoped};
pub use self::signals::{Recv, RecvChecked, RecvOrCancelled, Signals};
pub use self::sleep::{Sleep, SleepOrCancelled};
use crate::define::{Activity, Query, Signal, Workflow};
use crate::machine::TurnFailure;

/// A workflow's access to the engine. Cheap to clone.
///
/// Everything a workflow does that is not plain computation goes through here, so that it is
/// recorded and comes out the same when the run is rebuilt from its history. Outside its turn,
/// and from the moment the workflow's function has returned, the context is inert: calls are
/// accepted and record nothing.
#[derive(Clone)]
pub struct WorkflowContext {
    core: Arc<Core>,
}

impl WorkflowContext {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Prepares a call of an activity. Nothing happens until it is awaited or
    /// [started](ActivityCall::start).
    ///
    /// The output is the activity's, or a [`Failure`] of the kind `Activity` whose cause tells
    /// what went wrong. Where nothing is scheduled at all, the call resolves at once and leaves
    /// no event: with a non-retryable application failure of type `InvalidActivityOptions`
    /// (rules TMO-2 and RET-7), `EncodeError` or, with as many pending as the run may have,
    /// `PendingActivitiesLimitExceeded` (rule LIM-6), or as cancelled if its [scope](Scope) is
    /// cancelled: the run was asked to cancel, and the call is not [shielded](Self::shield)
    /// (rule CAN-3).
    ///
    /// [`Failure`]: entracte_model::Failure
    ///
    /// The input must be of the constant's type:
    ///
    /// ```compile_fail,E0308
    /// use entracte_workflow::{Activity, WorkflowContext, WorkflowResult};
    ///
    /// const GREET: Activity<String, String> = Activity::new("greet");
    /// async fn greet(ctx: WorkflowContext, number: u64) -> WorkflowResult<String> {
    ///     ctx.activity(GREET, number).await // expected `String`, found `u64`
    /// }
    /// ```
    #[track_caller]
    pub fn activity<I: Serialize, O: DeserializeOwned>(
        &self,
        activity: Activity<I, O>,
        input: I,
    ) -> ActivityCall<O> {
        ActivityCall::new(Arc::clone(&self.core), &activity, &input, Location::caller())
    }

    /// Prepares a child workflow. Nothing happens until it is awaited or
    /// [started](ChildWorkflowCall::start).
    ///
    /// The child is a workflow of its own, with its own history. Awaiting the call gives its
    /// output, or a [`Failure`] of the kind `ChildWorkflow` whose cause tells what went wrong;
    /// `start` gives a [`ChildWorkflowHandle`] as soon as the child has started. Where nothing
    /// is issued at all, the call resolves at once and leaves no event: with a non-retryable
    /// application failure of type `InvalidChildWorkflowOptions`, `EncodeError` or, with as many
    /// pending as the run may have, `PendingChildWorkflowsLimitExceeded` (rule CHD-18), or as
    /// cancelled if its [scope](Scope) is cancelled (rule CHD-13).
    ///
    /// Dropping what waits for a child never cancels it: see [`ParentClosePolicy`] for what
    /// becomes of it when this workflow closes, and [`ChildWorkflowHandle::cancel`].
    ///
    /// ```
    /// use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
    ///
    /// const SHIP: Workflow<String, u64> = Workflow::new("ship");
    ///
    /// async fn order(ctx: WorkflowContext, item: String) -> WorkflowResult<u64> {
    ///     ctx.child(SHIP, item.clone()).workflow_id(format!("ship-{item}")).await
    /// }
    /// ```
    ///
    /// [`Failure`]: entracte_model::Failure
    /// [`ParentClosePolicy`]: entracte_model::ParentClosePolicy
    #[track_caller]
    pub fn child<I: Serialize, O: DeserializeOwned>(
        &self,
        workflow: Workflow<I, O>,
        input: I,
    ) -> ChildWorkflowCall<O> {
        ChildWorkflowCall::new(Arc::clone(&self.core), &workflow, &input, Location::caller())
    }

    /// Prepares a call of an activity that this program has no constant of: arguments and
    /// output are payloads, as they are journaled. A [dynamic activity] of the engine answers
    /// names that are not registered otherwise (rule WRK-4).
    ///
    /// There are no options of a constant: at least one of the two timeouts of rule TMO-2 must be
    /// set. In all else it is as [`activity`](Self::activity).
    ///
    /// [dynamic activity]: crate::Registry::dynamic_activity
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use entracte_workflow::{WorkflowContext, WorkflowResult};
    /// use entracte_model::Payload;
    ///
    /// async fn run_step(ctx: WorkflowContext, step: String) -> WorkflowResult<u64> {
    ///     let argument = Payload::encode(&42)?;
    ///     let output = ctx
    ///         .activity_by_name(step, vec![argument])
    ///         .start_to_close_timeout(Duration::from_secs(30))
    ///         .await?;
    ///     Ok(output.decode()?)
    /// }
    /// ```
    #[track_caller]
    pub fn activity_by_name(
        &self,
        activity_type: impl Into<Arc<str>>,
        input: Vec<Payload>,
    ) -> ActivityCall<Payload> {
        let core = Arc::clone(&self.core);
        ActivityCall::<Payload>::by_name(core, activity_type.into(), input, Location::caller())
    }

    /// Starts a durable timer, which counts from this call, and waits for it.
    ///
    /// A duration of zero is over at once and leaves no event (rule TIM-2). Dropping the
    /// future cancels the timer. When its [scope](Scope) is cancelled, as that of the run is when
    /// it is asked to cancel, a sleep is over early, as [`is_cancelled`](Self::is_cancelled)
    /// tells; [`sleep_or_cancelled`](Self::sleep_or_cancelled) tells it as an error, for use with
    /// `?`. A sleep that is made in a cancelled scope and awaited in a [shield](Self::shield)
    /// starts there, and counts from when it is first awaited.
    #[track_caller]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Arc::clone(&self.core), duration, Location::caller())
    }

    /// Like [`sleep`](Self::sleep), but a sleep that is over early is an error.
    ///
    /// The output is a failure of the kind `Canceled` if its scope was cancelled.
    #[track_caller]
    pub fn sleep_or_cancelled(&self, duration: Duration) -> SleepOrCancelled {
        SleepOrCancelled::new(self.sleep(duration))
    }

    /// Receives the signals of a name. They are kept from the run's first event on, each name
    /// in the order of arrival, whether or not they are asked for (rules SIG-1 and SIG-2).
    ///
    /// Signals that are not read when the workflow returns are lost with it (rule SIG-8): to
    /// miss none that was acknowledged, read with [`Signals::try_recv`] until there is none,
    /// right before returning. They go along with [`continue_as_new`](Self::continue_as_new).
    ///
    /// ```
    /// use entracte_workflow::{Signal, WorkflowContext, WorkflowResult};
    ///
    /// const ADD: Signal<u64> = Signal::new("add");
    /// const STOP: Signal<()> = Signal::new("stop");
    ///
    /// async fn sum(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
    ///     let (mut numbers, mut stops) = (ctx.signals(ADD), ctx.signals(STOP));
    ///     let mut sum = 0;
    ///     loop {
    ///         entracte_workflow::select! {
    ///             number = numbers.recv() => sum += number,
    ///             () = stops.recv() => return Ok(sum),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn signals<T: DeserializeOwned>(&self, signal: Signal<T>) -> Signals<T> {
        Signals::new(Arc::clone(&self.core), &signal)
    }

    /// Publishes a piece of state: whoever asks the run for it gets the last value, without
    /// this workflow's code being run, also when the run is parked or closed.
    ///
    /// A value is written together with the turn that publishes it; of several values of one
    /// name in one turn, the last. It is not an event of the history, and a replay publishes
    /// nothing again. So the answer to a query is what was published when the turn was taken,
    /// by the code of that time: a `publish` that newer code adds before the point at which a
    /// run stands is not made up for, and one that it removes leaves its last value behind.
    ///
    /// A value that cannot be encoded fails the turn: the run is parked until the code is
    /// mended. So does one that is larger than the engine's `payload_bytes_max` (rule LIM-4).
    ///
    /// ```
    /// use entracte_workflow::{Query, WorkflowContext, WorkflowResult};
    ///
    /// const STATUS: Query<String> = Query::new("status");
    ///
    /// async fn count(ctx: WorkflowContext, rounds: u64) -> WorkflowResult<u64> {
    ///     for round in 0..rounds {
    ///         ctx.publish(STATUS, format!("round {round} of {rounds}"));
    ///         ctx.sleep(std::time::Duration::from_secs(60)).await;
    ///     }
    ///     Ok(rounds)
    /// }
    /// ```
    pub fn publish<T: Serialize>(&self, query: Query<T>, value: T) {
        let name = query.name();
        if let Err(source) = id::check(name) {
            self.core.fail_turn(TurnFailure::InvalidName { what: "query", source });
        } else if self.core.may_publish() {
            match Payload::encode(&value) {
                Ok(value) => self.core.publish(name, value),
                Err(source) => {
                    let query = name.to_owned();
                    self.core.fail_turn(TurnFailure::PublishedUnencodable { query, source });
                }
            }
        }
    }

    /// Another workflow, to send it signals.
    ///
    /// ```
    /// use entracte_workflow::{Signal, WorkflowContext, WorkflowResult};
    ///
    /// const READY: Signal<String> = Signal::new("ready");
    ///
    /// async fn pack(ctx: WorkflowContext, order: String) -> WorkflowResult<()> {
    ///     ctx.external_workflow(format!("ship-{order}")).signal(READY, order).await
    /// }
    /// ```
    #[must_use]
    pub fn external_workflow(&self, workflow_id: impl Into<String>) -> ExternalWorkflow {
        ExternalWorkflow::new(Arc::clone(&self.core), workflow_id.into())
    }

    /// The time of the event whose turn runs; it does not move within a turn (rule TIM-9).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.lock().now
    }
}

impl std::fmt::Debug for WorkflowContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkflowContext")
            .field("workflow_id", self.workflow_id())
            .field("run_id", &self.run_id())
            .finish_non_exhaustive()
    }
}
