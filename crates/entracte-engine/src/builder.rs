//! Builds an engine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::{Payload, PayloadCodec, Timestamp};
use entracte_store::{CodedStore, FjallOptions, FjallStore, MemoryStore, Store, StoreExt};
use entracte_workflow::{
    Activities, Activity, ActivityContext, ActivityResult, Interceptor, Registry, Workflow,
    WorkflowContext, WorkflowResult,
};
use ractor::{Actor, ActorCell};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::actors::attempt;
use crate::actors::directory::{Directory, DirectoryArguments};
use crate::actors::journal::{Journal, JournalHandle};
use crate::actors::root::{Root, RootArguments};
use crate::address::{Address, Mailbox};
use crate::clock::EngineClock;
use crate::engine::Engine;
use crate::errors::StartEngineError;
use crate::live::{LiveActor, LiveEngine};
use crate::messages::{DirectoryMessage, JournalMessage, RootMessage};
use crate::open_children::OpenChildren;
use crate::options::{Durability, EngineOptions};
use crate::shared::{Health, JournalCounters, Shared};
use crate::task_queues::{TaskQueueOptions, TaskQueues};

/// Builds an engine: where it keeps its runs, what it can run, and how.
///
/// Nothing happens before [`start`](Self::start).
#[must_use = "an engine runs only after `start`"]
pub struct EngineBuilder {
    storage: Storage,
    codec: Option<Arc<dyn PayloadCodec>>,
    registry: Registry,
    options: EngineOptions,
    supervisor: Option<ActorCell>,
}

#[derive(Debug)]
enum Storage {
    Directory(PathBuf, FjallOptions),
    Store(Arc<dyn Store>),
}

impl EngineBuilder {
    pub(crate) fn in_directory(path: PathBuf) -> Self {
        Self::new(Storage::Directory(path, FjallOptions::default()))
    }

    pub(crate) fn on_store(store: Arc<dyn Store>) -> Self {
        Self::new(Storage::Store(store))
    }

    pub(crate) fn in_memory() -> Self {
        Self::on_store(Arc::new(MemoryStore::new()))
    }

    fn new(storage: Storage) -> Self {
        Self {
            storage,
            codec: None,
            registry: Registry::new(),
            options: EngineOptions::default(),
            supervisor: None,
        }
    }

    /// Registers a workflow: the function that runs when a workflow of this name is started.
    pub fn workflow<I, O, F, Fut>(mut self, workflow: Workflow<I, O>, function: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Fn(WorkflowContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = WorkflowResult<O>> + Send + 'static,
    {
        self.registry.workflow(workflow, function);
        self
    }

    /// Registers an activity: the function that runs when a workflow calls it.
    pub fn activity<I, O, F, Fut>(mut self, activity: Activity<I, O>, function: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ActivityResult<O>> + Send + 'static,
    {
        self.registry.activity(activity, function);
        self
    }

    /// Registers an activity that blocks its thread: a plain function, which runs on a thread
    /// of the runtime's pool for such work.
    ///
    /// Nobody can stop such code: when its attempt times out, it is told by its context and
    /// what it returns later is refused. Until it returns, it is listed in
    /// [`Engine::overrunning_attempts`] and in the run's description. A shutdown waits for it
    /// no longer than for others ([`shutdown_grace`](Self::shutdown_grace)); but a tokio runtime
    /// that is dropped waits for it without end, unless it is ended with
    /// `Runtime::shutdown_timeout` or `shutdown_background`.
    pub fn blocking_activity<I, O, F>(mut self, activity: Activity<I, O>, function: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Fn(ActivityContext, I) -> ActivityResult<O> + Send + Sync + 'static,
    {
        self.registry.blocking_activity(activity, function);
        self
    }

    /// Registers all activities of a service, which owns what they need.
    pub fn activities<S: Activities + Send + Sync + 'static>(self, service: S) -> Self {
        self.shared_activities(Arc::new(service))
    }

    /// As [`activities`](Self::activities), for a service that others hold as well.
    pub fn shared_activities<S: Activities + Send + Sync + 'static>(
        mut self,
        service: Arc<S>,
    ) -> Self {
        self.registry.activities(service);
        self
    }

    /// Registers the workflow that runs when one of a name is started that is not registered:
    /// payloads in, a payload out (rule WRK-4). Its name is the context's
    /// [`workflow_type`](WorkflowContext::workflow_type). Default: such a start is refused.
    pub fn dynamic_workflow<F, Fut>(mut self, function: F) -> Self
    where
        F: Fn(WorkflowContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = WorkflowResult<Payload>> + Send + 'static,
    {
        self.registry.dynamic_workflow(function);
        self
    }

    /// Registers the activity that runs when one of a name is called that is not registered:
    /// payloads in, a payload out (rule WRK-4). Its name is the `activity_type` of the
    /// context's [`info`](ActivityContext::info). Default: attempts at such activities fail, and
    /// are retried (rule FAIL-7).
    pub fn dynamic_activity<F, Fut>(mut self, function: F) -> Self
    where
        F: Fn(ActivityContext, Vec<Payload>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ActivityResult<Payload>> + Send + 'static,
    {
        self.registry.dynamic_activity(function);
        self
    }

    /// Puts an interceptor around the calls of clients and workflows and around the attempts
    /// at activities, within those that were registered before (rule WRK-3). Default: none.
    pub fn interceptor(mut self, interceptor: impl Interceptor) -> Self {
        self.registry.interceptor(interceptor);
        self
    }

    /// Lets a later registration of a name replace an earlier one, instead of being an error
    /// at the start. Default false; for tests, which replace single activities.
    pub fn allow_override(mut self, allow: bool) -> Self {
        self.registry.set_allow_override(allow);
        self
    }

    /// Sets what an answer survives. Default [`Durability::Sync`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Sets how many activities a run may have pending; the call of another one fails with the
    /// type `PendingActivitiesLimitExceeded` (rule LIM-6). Default 2,000.
    ///
    /// As the three limits below, it is journaled with the start of each run, and holds for that
    /// run as long as it is open: what its workflow was refused is refused again when it is
    /// replayed. Another limit holds for runs that start under it.
    pub fn pending_activities_max(mut self, activities: u32) -> Self {
        self.options.pending_limits.activities = activities;
        self
    }

    /// Sets how many child workflows a run may have pending; the start of another one fails with
    /// the type `PendingChildWorkflowsLimitExceeded` (rule CHD-18). Default 2,000.
    pub fn pending_children_max(mut self, children: u32) -> Self {
        self.options.pending_limits.children = children;
        self
    }

    /// Sets how many signals to other workflows a run may have pending; another one fails with
    /// the type `PendingSignalsLimitExceeded` (rule LIM-6). Default 2,000.
    pub fn pending_external_signals_max(mut self, signals: u32) -> Self {
        self.options.pending_limits.external_signals = signals;
        self
    }

    /// Sets how many requests to other workflows to cancel a run may have pending; another one
    /// fails with the type `PendingRequestCancelLimitExceeded` (rule LIM-6). Those to children
    /// do not count. Default 2,000.
    pub fn pending_external_cancels_max(mut self, requests: u32) -> Self {
        self.options.pending_limits.external_cancels = requests;
        self
    }

    /// Sets how many runs that are children may be open. Default 100,000.
    ///
    /// The start of another child fails at its parent, with the type
    /// `OpenChildrenLimitExceeded`. It does not wait: those that are open may be waiting for it.
    /// Bounds the children that are in memory: after a restart, those that wait for a signal alone
    /// are not counted until they are opened.
    pub fn open_children_max(mut self, children: usize) -> Self {
        self.options.open_children_max = children;
        self
    }

    /// Sets how many runs that clients have started may be open. Children do not count: they
    /// have a [limit](Self::open_children_max) of their own, so that clients do not keep parents
    /// from starting them. Default 100,000.
    pub fn open_runs_max(mut self, runs: usize) -> Self {
        self.options.open_runs_max = runs;
        self
    }

    /// Sets the largest argument, result, signal or published value, in bytes. Default 2 MiB (rule LIM-4).
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.options.payload_bytes_max = bytes;
        self
    }

    /// Sets the longest history, in events; a run that passes it is terminated. Default 51,200
    /// (rule LIM-1).
    pub fn history_events_max(mut self, events: u64) -> Self {
        self.options.history_events_max = events;
        self
    }

    /// Sets the largest history, in bytes: the payloads, headers and failures in it, and 100 for
    /// each event; a run that passes it is terminated. Default 50 MiB (rule LIM-2).
    pub fn history_bytes_max(mut self, bytes: u64) -> Self {
        self.options.history_bytes_max = bytes;
        self
    }

    /// Sets from how many events and bytes on a history is warned of in the log. Default 10,240
    /// events and 10 MiB (rules LIM-1 and LIM-2).
    pub fn history_warn(mut self, events: u64, bytes: u64) -> Self {
        self.options.history_events_warn = events;
        self.options.history_bytes_warn = bytes;
        self
    }

    /// Sets how many signals a run may have; more are refused. Default 10,000 (rule SIG-5). Those
    /// that a workflow leaves unread when it continues as new are written again for the next run.
    pub fn signals_max(mut self, signals: u64) -> Self {
        self.options.signals_max = signals;
        self
    }

    /// Sets how many appends one group commit takes at most; at least 1. Default 4,096.
    pub fn commit_appends_max(mut self, appends: usize) -> Self {
        self.options.commit_appends_max = appends.max(1);
        self
    }

    /// Sets how long a shutdown waits for running attempts. Default 10 s.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.options.shutdown_grace = grace;
        self
    }

    /// Sets the options of a task queue. Default of every queue, also of one that is not named
    /// here: [`TaskQueueOptions::default`], 1,000 slots and no rate.
    ///
    /// A queue admits attempts at activities: an activity's is the one that it names, or that of
    /// its run. Workflow code waits in no queue.
    ///
    /// The attempts that wait in a queue are bounded by the activities that open runs have
    /// pending ([`open_runs_max`](Self::open_runs_max)); each of them is a small entry in memory.
    pub fn task_queue(mut self, name: impl Into<String>, options: TaskQueueOptions) -> Self {
        self.options.task_queues.insert(name.into(), options);
        self
    }

    /// Sets how many attempts at an activity may run at a time, over all task queues: one or
    /// more. Those beyond it wait in their queues, and nobody waits behind them. Local activities
    /// do not count. Default without limit.
    pub fn activity_concurrency_max<I, O>(
        mut self,
        activity: Activity<I, O>,
        attempts: usize,
    ) -> Self {
        self.options.activity_concurrency_max.insert(activity.name().to_owned(), attempts);
        self
    }

    /// Puts each run's workflow out of memory after every event and replays it before the next
    /// one. Default false; for tests, where it finds workflow code that is not deterministic.
    pub fn replay_every_event(mut self, replay: bool) -> Self {
        self.options.replay_every_event = replay;
        self
    }

    /// Lets the engine's clock start at a fixed time and follow the runtime's clock, which can
    /// be paused. Default: the system's clock.
    pub fn virtual_time(mut self, start: Timestamp) -> Self {
        self.options.virtual_time = Some(start);
        self
    }

    /// Hangs the engine under an actor of the host. Its end kills the engine, as a crash
    /// would: what was acknowledged is kept. The actor is told when the engine has ended, also
    /// when it has failed: see [`actor`](crate::actor). Default: none.
    pub fn supervisor(mut self, supervisor: ActorCell) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    /// Sets the options of the store on disk; ignored by an engine on another store.
    pub fn store_options(mut self, options: FjallOptions) -> Self {
        if let Storage::Directory(_, current) = &mut self.storage {
            *current = options;
        }
        self
    }

    /// Puts a codec around every payload that reaches the store, such as one that encrypts.
    /// Default: none.
    ///
    /// A codec can be set on an existing store; what was written before is read as it is. It
    /// cannot be taken away again, and one that cannot decode the store is refused by
    /// [`start`](Self::start) with [`StoreError::WrongCodec`](entracte_store::StoreError).
    pub fn payload_codec(mut self, codec: impl PayloadCodec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// Opens the store, starts the actors, and takes up every run that has something pending.
    ///
    /// # Errors
    /// [`StartEngineError`] if something is registered wrongly, or the store cannot be opened
    /// or read.
    pub async fn start(self) -> Result<Engine, StartEngineError> {
        let (shared, supervisor) = self.open().await?;
        start_actors(shared, supervisor).await
    }

    /// Opens the store, and gives what the actors share, and above whom they are.
    pub(crate) async fn open(self) -> Result<(Arc<Shared>, Option<ActorCell>), StartEngineError> {
        self.registry.validate()?;
        self.options.validate()?;
        attempt::install_hook();
        let store = match self.storage {
            Storage::Store(store) => store,
            Storage::Directory(path, options) => Arc::new(FjallStore::open(path, options).await?),
        };
        let store = match self.codec {
            Some(codec) => Arc::new(CodedStore::open(store, codec).await?),
            None => {
                CodedStore::check_none(&*store)?;
                store
            }
        };
        let task_queues =
            TaskQueues::new(&self.options.task_queues, &self.options.activity_concurrency_max);
        let floor = store.clock()?.unwrap_or(Timestamp::EPOCH);
        let shared = Arc::new(Shared {
            clock: EngineClock::new(self.options.virtual_time, floor),
            store,
            registry: self.registry,
            options: self.options,
            health: Health::default(),
            counters: JournalCounters::default(),
            codes: Arc::default(),
            task_queues: Arc::new(task_queues),
            live: LiveEngine::default(),
            watchers: Arc::default(),
            open_children: OpenChildren::default(),
            is_supervised: self.supervisor.is_some(),
        });
        Ok((shared, self.supervisor))
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("storage", &self.storage)
            .field("has_codec", &self.codec.is_some())
            .field("registry", &self.registry)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

async fn start_actors(
    shared: Arc<Shared>,
    supervisor: Option<ActorCell>,
) -> Result<Engine, StartEngineError> {
    let failed = |actor: &'static str| {
        move |error: ractor::SpawnErr| {
            let reason = error.to_string();
            StartEngineError::Actor { actor, reason }
        }
    };
    let journal = JournalHandle::new(Arc::clone(&shared));
    let root_arguments = RootArguments { shared: Arc::clone(&shared), journal: journal.clone() };
    let spawned = match supervisor {
        Some(host) => Actor::spawn_linked(None, Root, root_arguments, host).await,
        None => Actor::spawn(None, Root, root_arguments).await,
    };
    let (root, _) = spawned.map_err(failed("root"))?;
    let root = Address::new(root, Mailbox::default());
    shared.task_queues.attach(root.clone());
    // From here on, an engine that is not returned takes its actors with it.
    let guard = crate::engine::RootGuard::new(root.get_cell());
    let (journal_actor, _) = Actor::spawn_linked(None, Journal, journal.clone(), root.get_cell())
        .await
        .map_err(failed("journal"))?;
    journal.attach(&journal_actor);
    let mailbox = Mailbox::default();
    let arguments = DirectoryArguments {
        shared: Arc::clone(&shared),
        journal: journal.clone(),
        mailbox: mailbox.clone(),
        root: root.get_cell(),
    };
    let (directory, _) = Actor::spawn_linked(None, Directory, arguments, root.get_cell())
        .await
        .map_err(failed("directory"))?;
    let directory = Address::new(directory, mailbox);
    shared.live.change(|lines| {
        let since = shared.clock.now();
        lines.root = Some(LiveActor::addressed(&root, since));
        lines.journal = Some(LiveActor::new(journal_actor.get_cell(), since));
        lines.directory = Some(LiveActor::addressed(&directory, since));
    });
    let _ = journal.cast(JournalMessage::Attach { directory: directory.clone() });
    let organs =
        RootMessage::Organs { journal: journal_actor.get_id(), directory: directory.get_id() };
    let _ = root.cast(organs);
    let (reply, recovered) = oneshot::channel();
    let _ = directory.cast(DirectoryMessage::Recover { reply });
    let gone = |_| StartEngineError::Actor {
        actor: "directory",
        reason: "it ended before it had opened the runs".to_owned(),
    };
    let runs = recovered.await.map_err(gone)??;
    if runs > 0 {
        tracing::info!(runs, "runs that were open go on");
    }
    Ok(Engine::new(shared, guard, journal, directory))
}
