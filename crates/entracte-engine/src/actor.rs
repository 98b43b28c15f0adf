//! The engine as a part of its host's actors.
//!
//! Nobody needs this module to run workflows. It is for hosts that are made of ractor actors
//! themselves, and for those who want to see what happens when an actor is killed.
//!
//! **The engine under a supervisor.** With [`EngineBuilder::supervisor`] the engine's root actor
//! is linked under an actor of the host, which is told by ractor's `ActorTerminated` when the root
//! has ended, with the reason that ractor gives:
//!
//! | what happened | reason |
//! |---|---|
//! | [`Engine::shutdown`] | none |
//! | the store failed, or an actor that the engine cannot do without has ended | `the engine has failed: …` |
//! | the last clone of the [`Engine`] was dropped, or somebody killed the root | `killed` |
//!
//! Where it failed, the runs are told first. Without a supervisor an engine whose store has failed
//! keeps its root, and says at each call why it has stopped. When the supervisor ends, the engine
//! ends with it, as in a crash: what was acknowledged is in the store, and an engine that is
//! started on it goes on from there. ractor's default reaction to the end of any child is to stop
//! the supervisor: a host that wants to live on handles `handle_supervisor_evt` itself.
//!
//! **Actors of the host under the engine.** `actor.link(engine.actor())` links one under the
//! engine's root, and [`link_under_run`] under a run. It is killed when the actor above it ends.
//! That is more often than the run's close: a run's actor also ends when it is killed, or put
//! right after an append of it was refused, and another one takes its place. So an actor under a
//! run is a helper without which the run can do. The end of the helper itself means nothing to
//! the engine.
//!
//! **The close of a run as a message.** [`on_close`] sends an actor one message when a run has
//! closed, and that is durable; of a chain of runs, when the last one has.
//!
//! ```
//! use entracte_engine::actor::{RunClosed, on_close};
//! use entracte_engine::{Engine, WorkflowHandle};
//! use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
//! use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
//!
//! const GREET: Workflow<String, String> = Workflow::new("greet");
//!
//! async fn greet(_ctx: WorkflowContext, name: String) -> WorkflowResult<String> {
//!     Ok(format!("hello, {name}"))
//! }
//!
//! /// A part of the host: the engine lives under it.
//! struct Host;
//!
//! enum HostMessage {
//!     Greet(String),
//!     Greeted(RunClosed<String>),
//! }
//!
//! impl From<RunClosed<String>> for HostMessage {
//!     fn from(closed: RunClosed<String>) -> Self {
//!         Self::Greeted(closed)
//!     }
//! }
//!
//! impl Actor for Host {
//!     type Msg = HostMessage;
//!     type State = Engine;
//!     type Arguments = ();
//!
//!     async fn pre_start(
//!         &self,
//!         myself: ActorRef<HostMessage>,
//!         (): (),
//!     ) -> Result<Engine, ActorProcessingErr> {
//!         let engine = Engine::in_memory().workflow(GREET, greet).supervisor(myself.get_cell());
//!         Ok(engine.start().await?)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         myself: ActorRef<HostMessage>,
//!         message: HostMessage,
//!         engine: &mut Engine,
//!     ) -> Result<(), ActorProcessingErr> {
//!         match message {
//!             HostMessage::Greet(name) => {
//!                 let run = engine.start_workflow(GREET, name).await?;
//!                 on_close(&run, myself);
//!             }
//!             HostMessage::Greeted(closed) => {
//!                 assert_eq!(closed.result.unwrap(), "hello, Ada");
//!                 engine.shutdown().await?;
//!             }
//!         }
//!         Ok(())
//!     }
//!
//!     async fn handle_supervisor_evt(
//!         &self,
//!         myself: ActorRef<HostMessage>,
//!         event: SupervisionEvent,
//!         engine: &mut Engine,
//!     ) -> Result<(), ActorProcessingErr> {
//!         match event {
//!             SupervisionEvent::ActorTerminated(child, _, reason)
//!                 if child.get_id() == engine.actor().get_id() =>
//!             {
//!                 // Here another engine could be started, if this one has failed.
//!                 assert_eq!(reason, None);
//!                 myself.stop(None);
//!             }
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (host, ended) = Actor::spawn(None, Host, ()).await?;
//! host.cast(HostMessage::Greet("Ada".to_owned()))?;
//! ended.await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`EngineBuilder::supervisor`]: crate::EngineBuilder::supervisor

use entracte_model::{RunId, WorkflowId};
use entracte_store::StoreError;
use ractor::{ActorCell, ActorRef, Message};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

use crate::client::WorkflowHandle;
use crate::engine::Engine;
use crate::errors::{EngineStopped, RunError, WorkflowError};
use crate::tree::ActorNode;

/// What an actor is told when a run has closed; from [`on_close`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunClosed<O> {
    /// The workflow id.
    pub workflow_id: WorkflowId,
    /// The run of the handle; of a chain it need not be the last.
    pub run_id: RunId,
    /// What [`WorkflowHandle::result`] gives: the result of the run, or how it ended otherwise.
    /// [`WorkflowError::EngineStopped`] says that it has not closed, and that nothing more will
    /// be told before the next engine is asked.
    pub result: Result<O, WorkflowError>,
}

/// An actor's wait for the close of a run. Dropping it changes nothing.
#[derive(Debug)]
pub struct CloseSubscription(AbortHandle);

impl CloseSubscription {
    /// Ends the wait. What was sent before still arrives.
    pub fn unsubscribe(self) {
        self.0.abort();
    }
}

/// Sends an actor one message when a run has closed and that is durable; at once if it has closed
/// before. A run that is retried or continues as new is not over: the message comes when the last
/// run of its chain has closed.
///
/// There is exactly one message for each call, while the engine and the actor live, whatever
/// happens to the run's own actor. When the engine stops first, the message says that. Nothing is
/// sent to an actor that has ended, and nothing is kept for it.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn on_close<O, M>(run: &WorkflowHandle<O>, subscriber: ActorRef<M>) -> CloseSubscription
where
    O: DeserializeOwned + Send + 'static,
    M: Message + From<RunClosed<O>>,
{
    let (run, cell) = (run.clone(), subscriber.get_cell());
    let wait = async move {
        let result = tokio::select! {
            biased;
            _ = cell.wait(None) => return,
            result = run.result() => result,
        };
        let (workflow_id, run_id) = (run.workflow_id().clone(), run.run_id());
        // An actor that ends now misses what nobody reads.
        let _ = subscriber.cast(RunClosed { workflow_id, run_id, result }.into());
    };
    CloseSubscription(tokio::spawn(wait).abort_handle())
}

/// Says why an actor was not linked under a run.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The run is closed, or not in memory.
    #[error("run {run_id} has no actor")]
    NoActor {
        /// The run.
        run_id: RunId,
    },
    /// The run's actor, or the one that was to be linked, is ending.
    #[error("the actor could not be linked under run {run_id}: one of them is ending")]
    Ending {
        /// The run.
        run_id: RunId,
    },
    /// The store could not be read, which tells the runs of a chain.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine has stopped.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
}

/// Links an actor of the host under the actor of a run, which kills it when it ends: under the
/// run of the handle's chain that is open now. When that continues as new or is retried, its
/// actor ends as with any other close, and what is under it is killed.
///
/// # Errors
/// [`LinkError`] if the run has no actor, or one of the two is ending.
pub async fn link_under_run<O>(
    engine: &Engine,
    run: &WorkflowHandle<O>,
    actor: &ActorCell,
) -> Result<(), LinkError> {
    let current = || {
        run.current().map_err(|error| match error {
            RunError::EngineStopped(stopped) => stopped.into(),
            RunError::Store(error) => error.into(),
            _ => LinkError::NoActor { run_id: run.run_id() },
        })
    };
    let mut run_id = current()?;
    let above = loop {
        if let Some(above) = engine.run_actor(run_id).await? {
            break above;
        }
        // It may have closed meanwhile, and its chain goes on.
        match current()? {
            next if next == run_id => return Err(LinkError::NoActor { run_id }),
            next => run_id = next,
        }
    };
    actor.link(above.clone());
    // ractor links nothing, and says nothing, while one of them ends.
    match actor.try_get_supervisor() {
        Some(supervisor) if supervisor.get_id() == above.get_id() => Ok(()),
        _ => Err(LinkError::Ending { run_id }),
    }
}

/// The actor behind a line of [`Engine::tree`], to watch it or to kill it.
///
/// A run, an attempt, a timer, a task queue and the journal may be killed: another one takes its
/// place, and what was acknowledged is kept. An attempt that is killed counts as a lost one. The
/// end of the directory or of the root stops the engine.
#[must_use]
pub fn cell(node: &ActorNode) -> ActorCell {
    node.cell.clone()
}
