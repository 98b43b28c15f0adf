//! The engine, as its host holds it.

mod look;

use std::path::PathBuf;
use std::sync::Arc;

use entracte_model::{IdError, Payload, RunId, TaskToken, WorkflowId};
use entracte_store::Store;
use entracte_workflow::Workflow;
use ractor::ActorCell;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::actors::journal::JournalHandle;
use crate::address::Address;
use crate::builder::EngineBuilder;
use crate::client::{
    AsyncActivity, Client, EventPosition, EventStream, Output, StartWorkflow, WorkflowHandle,
};
use crate::errors::{EngineStopped, RunError, RunNotFound, ShutdownError, shorten};
use crate::messages::{DirectoryMessage, JournalMessage};
use crate::overrunning::OverrunningAttempt;
use crate::shared::{JournalStats, Shared};
use crate::task_queues::TaskQueueDescription;
use crate::tree::ActorTree;

/// A running engine. Cheap to clone; all clones are the same engine.
///
/// When the last clone is dropped without [`shutdown`](Self::shutdown), the engine is killed,
/// as in a crash: what was acknowledged is in the store, and an engine that is started on it
/// goes on from there. Handles of workflows do not keep the engine alive.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    client: Client,
    journal: JournalHandle,
    root: RootGuard,
}

/// Kills the root actor, and with it all others, when it is dropped.
#[derive(Debug)]
pub(crate) struct RootGuard(ActorCell);

impl RootGuard {
    pub(crate) fn new(root: ActorCell) -> Self {
        Self(root)
    }
}

impl Drop for RootGuard {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Engine {
    /// Builds an engine that keeps its runs in a directory of its own, which is created if it
    /// does not exist.
    pub fn builder(directory: impl Into<PathBuf>) -> EngineBuilder {
        EngineBuilder::in_directory(directory.into())
    }

    /// Builds an engine that keeps its runs in memory only, for tests and for trying out.
    pub fn in_memory() -> EngineBuilder {
        EngineBuilder::in_memory()
    }

    /// Builds an engine on any store.
    pub fn on_store(store: Arc<dyn Store>) -> EngineBuilder {
        EngineBuilder::on_store(store)
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        root: RootGuard,
        journal: JournalHandle,
        directory: Address<DirectoryMessage>,
    ) -> Self {
        let client = Client::new(&shared, directory);
        Self { inner: Arc::new(Inner { shared, client, journal, root }) }
    }

    /// Starts a workflow. Nothing happens before the returned value is awaited; it gives a
    /// handle when the start is durable.
    ///
    /// The input must be of the constant's type:
    ///
    /// ```compile_fail,E0308
    /// use entracte_engine::Engine;
    /// use entracte_workflow::Workflow;
    ///
    /// const ORDER: Workflow<String, u64> = Workflow::new("order");
    /// async fn place(engine: &Engine) {
    ///     engine.start_workflow(ORDER, 42).await.unwrap(); // expected `String`, found integer
    /// }
    /// ```
    pub fn start_workflow<I, O>(&self, workflow: Workflow<I, O>, input: I) -> StartWorkflow<I, O>
    where
        I: Serialize,
    {
        StartWorkflow::new(self.inner.client.clone(), workflow, input)
    }

    /// Starts a workflow that this program has no constant of: arguments and result are
    /// payloads, as they are journaled. A [dynamic workflow](EngineBuilder::dynamic_workflow)
    /// answers names that are not registered otherwise (rule WRK-4).
    pub fn start_workflow_by_name(
        &self,
        workflow_type: impl Into<Arc<str>>,
        input: Vec<Payload>,
    ) -> StartWorkflow<Vec<Payload>, Payload> {
        StartWorkflow::by_name(self.inner.client.clone(), workflow_type.into(), input)
    }

    /// As [`workflow_handle`](Self::workflow_handle), for a workflow that this program has no
    /// constant of: its result is a payload (rule WRK-4).
    ///
    /// # Errors
    /// [`RunError::NotFound`] if no run was ever started under the id.
    pub async fn workflow_handle_by_id(
        &self,
        workflow_id: impl AsRef<str>,
    ) -> Result<WorkflowHandle<Payload>, RunError> {
        self.find(workflow_id.as_ref(), Output::Payload(std::convert::identity)).await
    }

    /// Gives a handle to the current run of a workflow id: the open one, or else the last.
    ///
    /// # Errors
    /// [`RunError::NotFound`] if no run was ever started under the id.
    pub async fn workflow_handle<I, O>(
        &self,
        workflow: Workflow<I, O>,
        workflow_id: impl AsRef<str>,
    ) -> Result<WorkflowHandle<O>, RunError> {
        let _ = workflow;
        self.find(workflow_id.as_ref(), Output::Decoded).await
    }

    async fn find<O>(
        &self,
        workflow_id: &str,
        output: Output<O>,
    ) -> Result<WorkflowHandle<O>, RunError> {
        let workflow_id = parse_id(workflow_id)?;
        let client = &self.inner.client;
        let found = client
            .ask(|reply| DirectoryMessage::Find { workflow_id: workflow_id.clone(), reply })
            .await??;
        let run_id = found.ok_or(RunNotFound::WorkflowId { workflow_id: workflow_id.clone() })?;
        Ok(WorkflowHandle::new(client.clone(), workflow_id, run_id, output))
    }

    /// Watches a run from a position on that a stream had reached
    /// ([`EventStream::position`]), in this engine or in one before it: gives the events behind
    /// those which that stream has given. As with [`WorkflowHandle::watch`], the stream ends with
    /// the run unless it is told to [`follow_chain`](EventStream::follow_chain).
    ///
    /// ```
    /// # use entracte_engine::Engine;
    /// # use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
    /// # const GREET: Workflow<String, String> = Workflow::new("greet");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let greet = async |_: WorkflowContext, name: String| -> WorkflowResult<_> { Ok(name) };
    /// # let engine = Engine::in_memory().workflow(GREET, greet).start().await?;
    /// # let run = engine.start_workflow(GREET, "Ada".to_owned()).await?;
    /// let mut events = run.watch().follow_chain();
    /// let first = events.next().await.unwrap()?;
    /// // A position may be kept beside what was done with the events.
    /// let position = events.position();
    /// let mut events = engine.watch_from(position).follow_chain();
    /// assert_eq!(events.next().await.unwrap()?.id, first.id.next());
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch_from(&self, position: EventPosition) -> EventStream {
        EventStream::new(self.inner.client.clone(), position)
    }

    /// Gives a handle to an attempt at an activity by its token
    /// ([`ActivityContext::task_token`](entracte_workflow::ActivityContext::task_token)), to end
    /// it from elsewhere than its code (rule ASY-1).
    pub fn async_activity(&self, token: TaskToken) -> AsyncActivity {
        AsyncActivity::by_token(self.inner.client.clone(), token)
    }

    /// Gives a handle to the attempt that is under way at an activity of a workflow's open run,
    /// by its ids; [`AsyncActivity::run_id`] names another run.
    pub fn async_activity_by_id(
        &self,
        workflow_id: impl Into<String>,
        activity_id: impl Into<String>,
    ) -> AsyncActivity {
        let client = self.inner.client.clone();
        AsyncActivity::by_ids(client, workflow_id.into(), activity_id.into())
    }

    /// How much the journal has written since this engine started.
    #[must_use]
    pub fn journal_stats(&self) -> JournalStats {
        self.inner.shared.counters.snapshot()
    }

    /// The attempts at [blocking activities](EngineBuilder::blocking_activity) that have ended
    /// while their code still runs, in the order of their starts. Empty is well: what stands
    /// here ignores that it was told to stop, and holds a thread.
    #[must_use]
    pub fn overrunning_attempts(&self) -> Vec<OverrunningAttempt> {
        self.inner.shared.codes.overrunning()
    }

    /// What the task queues are doing, in the order of their names: those that are configured,
    /// the default one, and those that are in use.
    #[must_use]
    pub fn task_queues(&self) -> Vec<TaskQueueDescription> {
        self.inner.shared.task_queues.describe()
    }

    /// The engine's root actor, to link it, to watch it, or to kill it; see
    /// [`actor`](crate::actor). Killing it is a crash in miniature.
    #[must_use]
    pub fn actor(&self) -> ActorCell {
        self.inner.root.0.clone()
    }

    /// The runs that are in memory, with their actors, in the order of their ids.
    ///
    /// # Errors
    /// [`EngineStopped`] if the engine has been shut down or killed.
    pub async fn run_actors(&self) -> Result<Vec<(RunId, ActorCell)>, EngineStopped> {
        self.inner.client.ask(|reply| DirectoryMessage::List { reply }).await
    }

    /// The actor of a run, if the run is in memory.
    pub(crate) async fn run_actor(
        &self,
        run_id: RunId,
    ) -> Result<Option<ActorCell>, EngineStopped> {
        self.inner.client.ask(|reply| DirectoryMessage::Actor { run_id, reply }).await
    }

    /// Looks at the actors of the engine: its root, and everything that lives under it.
    ///
    /// Nobody is stopped for that, and no code of workflows or activities runs. See [`ActorTree`]
    /// for what it shows, and in which order.
    ///
    /// # Errors
    /// [`EngineStopped`] if the engine has been shut down or killed.
    pub async fn tree(&self) -> Result<ActorTree, EngineStopped> {
        let client = &self.inner.client;
        let runs = client.ask(|reply| DirectoryMessage::Look { reply }).await?;
        let journal = self.inner.journal.look();
        look::build(&self.inner.shared, journal, runs).ok_or_else(EngineStopped::killed)
    }

    /// Shuts the engine down in order.
    ///
    /// Starts and calls are refused from here on. Running attempts are told, and have the
    /// engine's `shutdown_grace` to come to their end; what still runs then is cut off, and
    /// counts as lost when the runs are opened again. Then comes the last group commit. When
    /// this returns, the store is closed and its lock is free.
    ///
    /// A turn of a workflow is waited for also when the grace is over: this does not return
    /// before the workflow's code does.
    ///
    /// # Errors
    /// [`ShutdownError`] if the store's last commit or closing failed, or the engine had
    /// stopped before.
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        let shared = Arc::clone(&self.inner.shared);
        let directory = self.inner.client.directory();
        let (reply, mut drained) = oneshot::channel();
        let gone = || shared.health.stopped().unwrap_or_else(EngineStopped::killed);
        directory.cast(DirectoryMessage::Drain { reply }).map_err(|_| gone())?;
        let grace = tokio::time::timeout(shared.options.shutdown_grace, &mut drained);
        match grace.await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(gone().into()),
            Err(_elapsed) => {
                directory.cast(DirectoryMessage::CutOff).map_err(|_| gone())?;
                drained.await.map_err(|_| gone())?;
            }
        }
        let (reply, closed) = oneshot::channel();
        self.inner.journal.cast(JournalMessage::Close { reply }).map_err(|_| gone())?;
        let result = closed.await.map_err(|_| gone())?;
        // Only the root, the directory and the journal are left, and nothing is in them.
        let _ = self.inner.root.0.stop_and_wait(None, None).await;
        Ok(result?)
    }
}

/// Checks a workflow id that a caller gave.
fn parse_id(id: &str) -> Result<WorkflowId, RunError> {
    WorkflowId::new(id).map_err(|source: IdError| RunError::InvalidId { id: shorten(id), source })
}
