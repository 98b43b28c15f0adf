//! What the directory knows, and what it decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::{EventId, RunId, WorkflowId, WorkflowStatus};
use entracte_store::rows::{RunRow, WorkflowIdRow};
use entracte_store::{Store, StoreError, StoreExt};
use ractor::{Actor, ActorCell, ActorRef};
use tokio::sync::oneshot;

use super::open_runs::{OpenRun, OpenRuns};
use crate::actors::journal::JournalHandle;
use crate::actors::run::{NewRun, Origin, Run, RunArguments, published, started_before};
use crate::address::{Address, Envelope, Mailbox};
use crate::description::WorkflowDescription;
use crate::errors::{
    ActivityNotFound, EngineStopped, RunError, RunNotFound, SignalError, StartWorkflowError,
    WorkflowError,
};
use crate::live::{LiveRun, TreeRun};
use crate::messages::{
    DirectoryMessage, Epoch, LostRun, ResultReply, RunCall, RunMessage, StartRequest, StartedRun,
};
use crate::shared::Shared;

pub(crate) struct DirectoryArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: JournalHandle,
    pub(crate) mailbox: Mailbox,
    /// The supervisor of the runs.
    pub(crate) root: ActorCell,
}

pub(crate) struct DirectoryState {
    pub(super) shared: Arc<Shared>,
    myself: Address<DirectoryMessage>,
    pub(super) journal: JournalHandle,
    root: ActorCell,
    pub(super) open: OpenRuns,
    epochs: u64,
    /// Who waits for all runs to have left.
    drained: Vec<oneshot::Sender<()>>,
    /// Runs whose actors are lost so often that they are only opened again after a while.
    pub(super) lost: HashMap<RunId, Vec<RunCall>>,
}

impl DirectoryState {
    pub(super) fn new(
        myself: ActorRef<Envelope<DirectoryMessage>>,
        arguments: DirectoryArguments,
    ) -> Self {
        let DirectoryArguments { shared, journal, mailbox, root } = arguments;
        Self {
            shared,
            myself: Address::new(myself, mailbox),
            journal,
            root,
            open: OpenRuns::default(),
            epochs: 0,
            drained: Vec::new(),
            lost: HashMap::new(),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.shared.store
    }

    pub(super) fn stopped(&self) -> Option<EngineStopped> {
        self.shared.health.stopped()
    }

    /// Opens every run that has something pending: an inbox row, a due time or an activity.
    /// An open run always has one of these.
    pub(super) async fn recover(&mut self) -> Result<usize, StoreError> {
        let runs = self.store().recovery_index()?.runs();
        let mut opened = 0;
        for run_id in runs {
            match self.store().get_run(run_id)? {
                Some(row) if row.status.is_open() => {
                    opened += usize::from(self.open_stored(run_id, &row).await);
                }
                row => self.recover_deliveries(run_id, row.as_ref()).await,
            }
        }
        Ok(opened)
    }

    /// Starts a workflow, unless a run of its id is in the way (rules WID-1 to WID-5).
    pub(super) async fn start(&mut self, request: StartRequest) {
        if let Some(stopped) = self.stopped() {
            let _ = request.reply.send(Err(stopped.into()));
            return;
        }
        let workflow_id = request.started.workflow_id.clone();
        if let Some((_, run)) = self.open.holder(&workflow_id) {
            // Only the run knows what of it is durable.
            let _ = run.actor.cast(RunMessage::Call(RunCall::Start(Box::new(request))));
            return;
        }
        match self.store().get_workflow_id(&workflow_id) {
            Err(error) => drop(request.reply.send(Err(error.into()))),
            Ok(Some(row)) if self.lost.contains_key(&row.run_id) => {
                self.call(row.run_id, RunCall::Start(Box::new(request))).await;
            }
            Ok(Some(row)) if row.status.is_open() => {
                // Its actor is gone for the moment: open the run, then let it judge. If it is
                // there after all, another run of the id had pushed it off the list of holders.
                let is_there = self.open.get(row.run_id).is_some();
                if (is_there || self.open_claimed(row.run_id).await)
                    && let Some(run) = self.open.get(row.run_id)
                {
                    let _ = run.actor.cast(RunMessage::Call(RunCall::Start(Box::new(request))));
                }
            }
            Ok(replaces) => match judge_reuse(&request, replaces.as_ref()) {
                Some(answer) => drop(request.reply.send(answer)),
                None => self.start_new(request, replaces).await,
            },
        }
    }

    async fn start_new(&mut self, mut request: StartRequest, replaces: Option<WorkflowIdRow>) {
        let limit = self.shared.options.open_runs_max;
        if self.open.of_clients() >= limit {
            let _ = request.reply.send(Err(StartWorkflowError::TooManyOpenRuns { limit }));
            return;
        }
        let run_id = RunId::from_time_and_random(self.shared.clock.now(), rand::random());
        request.started.first_execution_run_id = run_id;
        request.started.randomness_seed = run_id.randomness_seed();
        let now = self.shared.clock.now();
        let deadline = request.started.execution_timeout.map(|after| now.saturating_add(after));
        request.started.execution_expiration = deadline;
        let workflow_id = request.started.workflow_id.clone();
        let StartRequest { started, reply, .. } = request;
        let origin = Origin::New(Box::new(NewRun { started, replaces, reply: Some(reply) }));
        let new = LostRun { run_id, workflow_id, parent: None, losses: 0 };
        self.spawn(new, origin).await;
    }

    /// Opens the run that a workflow id's row names.
    async fn open_claimed(&mut self, run_id: RunId) -> bool {
        match self.store().get_run(run_id) {
            Ok(Some(row)) => self.open_stored(run_id, &row).await,
            _ => false,
        }
    }

    pub(super) async fn open_stored(&mut self, run_id: RunId, row: &RunRow) -> bool {
        let workflow_id = row.workflow_id.clone();
        let parent = row.parent.as_ref().map(|parent| parent.run_id);
        let stored = LostRun { run_id, workflow_id, parent, losses: 0 };
        self.spawn(stored, Origin::Stored).await
    }

    /// Makes a run's actor: under its parent's if that is there, and with its children's under
    /// it.
    pub(super) async fn spawn(&mut self, run: LostRun, origin: Origin) -> bool {
        let LostRun { run_id, workflow_id, parent, losses } = run;
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        let (mailbox, live) = (Mailbox::default(), LiveRun::new(self.shared.clock.now()));
        let arguments = RunArguments {
            shared: Arc::clone(&self.shared),
            journal: self.journal.clone(),
            directory: self.myself.clone(),
            run_id,
            epoch,
            origin,
            mailbox: mailbox.clone(),
            live: Arc::clone(&live),
        };
        match Actor::spawn_linked(None, Run, arguments, self.root.clone()).await {
            Ok((actor, _)) => {
                let cell = actor.get_cell();
                if let Some(parent) = parent.and_then(|parent| self.open.get(parent)) {
                    cell.link(parent.actor.get_cell());
                }
                for child in self.open.children(run_id) {
                    child.actor.get_cell().link(cell.clone());
                }
                let actor = Address::new(actor, mailbox);
                let run = OpenRun { workflow_id, parent, epoch, actor, live, losses };
                self.open.insert(run_id, run);
                true
            }
            Err(error) => {
                // The root is ending, and this actor with it.
                tracing::debug!(%error, workflow.run_id = %run_id, "a run could not be spawned");
                false
            }
        }
    }

    /// Passes a call to a run that is in memory, or answers it from the store.
    pub(super) async fn call(&mut self, run_id: RunId, call: RunCall) {
        if let Some(stopped) = self.stopped() {
            return refuse(call, &stopped);
        }
        if let Some(run) = self.open.get(run_id) {
            let _ = run.actor.cast(RunMessage::Call(call));
            return;
        }
        if let Some(calls) = self.lost.get_mut(&run_id) {
            // It is opened again soon, and not sooner because somebody asks.
            calls.push(call);
            return;
        }
        match self.store().get_run(run_id) {
            Err(error) => fail(call, error),
            Ok(None) => not_found(call, run_id),
            Ok(Some(row)) if row.status.is_open() && self.opens_run(run_id, &call) => {
                if self.open_stored(run_id, &row).await
                    && let Some(run) = self.open.get(run_id)
                {
                    let _ = run.actor.cast(RunMessage::Call(call));
                }
            }
            Ok(Some(row)) => self.answer_from_store(run_id, &row, call),
        }
    }

    /// Whether a call to an open run that is not in memory is for the run itself. A query is only
    /// if the run has not begun: what was acknowledged before is taken up in its first turn.
    fn opens_run(&self, run_id: RunId, call: &RunCall) -> bool {
        let has_begun = || matches!(self.store().get_event(run_id, EventId::FIRST), Ok(Some(_)));
        !matches!(call, RunCall::Query { .. }) || !has_begun()
    }

    /// Answers for a run that is closed, or a query of one that is not in memory.
    fn answer_from_store(&self, run_id: RunId, row: &RunRow, call: RunCall) {
        match call {
            RunCall::Start(request) => {
                let _ = self.myself.cast(DirectoryMessage::Start(request));
            }
            RunCall::Result { reply } => self.closed_result(run_id, row, reply),
            RunCall::Describe { reply } => {
                let length = row.close.map_or(0, |close| close.last_event_id.get());
                let _ = reply.send(Ok(WorkflowDescription::of_row(run_id, row, length)));
            }
            RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
                let _ = reply.send(Err(RunError::AlreadyClosed { run_id }));
            }
            RunCall::Signal { reply, .. } => {
                let _ = reply.send(Err(SignalError::AlreadyClosed { run_id }));
            }
            RunCall::ActivityOperation(call) => {
                let _ = call.reply.send(Err(ActivityNotFound::RunClosed { run_id }.into()));
            }
            RunCall::AsyncActivity(call) => {
                let _ = call.reply.send(Err(ActivityNotFound::RunClosed { run_id }.into()));
            }
            RunCall::Query { query, reply } => {
                let _ = reply.send(published(self.store(), run_id, &query));
            }
        }
    }

    fn closed_result(&self, run_id: RunId, row: &RunRow, reply: ResultReply) {
        let event_id = row.close.map_or(EventId::default(), |close| close.last_event_id);
        let answer = match self.store().get_event(run_id, event_id) {
            Err(error) => Err(error.into()),
            Ok(Some(event)) if event.attributes.event_type().is_close() => Ok(event.attributes),
            Ok(_) => Err(WorkflowError::NoCloseEvent { run_id, event_id }),
        };
        let _ = reply.send(answer);
    }

    pub(super) fn actor(&self, run_id: RunId) -> Option<ActorCell> {
        self.open.get(run_id).map(|run| run.actor.get_cell())
    }

    pub(super) fn list(&self) -> Vec<(RunId, ActorCell)> {
        self.open.iter().map(|(run_id, run)| (*run_id, run.actor.get_cell())).collect()
    }

    pub(super) fn look(&self) -> Vec<TreeRun> {
        let look = |(run_id, run): (&RunId, &OpenRun)| TreeRun {
            run_id: *run_id,
            workflow_id: run.workflow_id.clone(),
            parent: run.parent,
            cell: run.actor.get_cell(),
            mailbox: run.actor.mailbox().clone(),
            live: Arc::clone(&run.live),
        };
        self.open.iter().map(look).collect()
    }

    pub(super) fn find(&self, workflow_id: &WorkflowId) -> Result<Option<RunId>, StoreError> {
        // The store tells of a run only when its start is durable.
        Ok(self.store().get_workflow_id(workflow_id)?.map(|row| row.run_id))
    }

    /// A run may go: whatever was sent to it before stands before this answer in its mailbox.
    pub(super) fn leaving(&mut self, run_id: RunId, epoch: Epoch) {
        if let Some(run) = self.open.remove(run_id, epoch) {
            // Nothing may be under an actor that ends: it would be killed with it.
            for child in self.open.children(run_id) {
                child.actor.get_cell().link(self.root.clone());
            }
            let _ = run.actor.cast(RunMessage::Left);
        }
    }

    /// A run ended without leaving: it was killed, or its append was refused. What should be
    /// alive is opened again from the store.
    pub(super) async fn gone(&mut self, run_id: RunId, epoch: Epoch) {
        let Some(run) = self.open.remove(run_id, epoch) else {
            return self.take_back(run_id).await;
        };
        let losses = run.losses.saturating_add(1);
        let lost = LostRun { run_id, workflow_id: run.workflow_id, parent: run.parent, losses };
        tracing::debug!(workflow.run_id = %run_id, losses, "a run's actor is lost");
        let delay = reopening_delay(losses);
        if delay.is_zero() {
            self.reopen(lost).await;
        } else {
            self.lost.entry(run_id).or_default();
            let reopen = move || DirectoryMessage::Reopen { lost };
            drop(self.myself.send_after(delay, reopen));
        }
    }

    pub(super) async fn reopen(&mut self, lost: LostRun) {
        let run_id = lost.run_id;
        let calls = self.lost.remove(&run_id).unwrap_or_default();
        if let Some(stopped) = self.stopped() {
            calls.into_iter().for_each(|call| refuse(call, &stopped));
            return;
        }
        if self.open.get(run_id).is_none() {
            self.spawn(lost, Origin::Stored).await;
        }
        if let Some(run) = self.open.get(run_id) {
            for call in calls {
                let _ = run.actor.cast(RunMessage::Call(call));
            }
        }
    }

    pub(super) fn engine_stopped(&self) {
        for (_, run) in self.open.iter() {
            let _ = run.actor.cast(RunMessage::EngineStopped);
        }
    }

    pub(super) fn drain(&mut self, reply: oneshot::Sender<()>) {
        self.shared.health.shut_down();
        self.shared.task_queues.close();
        for call in self.lost.drain().flat_map(|(_, calls)| calls) {
            refuse(call, &EngineStopped { reason: "it was shut down".to_owned() });
        }
        for (_, run) in self.open.iter() {
            let _ = run.actor.cast(RunMessage::Drain);
        }
        self.drained.push(reply);
    }

    pub(super) fn cut_off(&self) {
        for (_, run) in self.open.iter() {
            let _ = run.actor.cast(RunMessage::CutOff);
        }
    }

    /// The engine has failed and the runs are gone: the end of the root tells the host's actor
    /// above it.
    fn tell_supervisor(&self) {
        if self.shared.is_supervised
            && let Some(reason) = self.shared.health.poisoned()
        {
            self.root.stop(Some(format!("the engine has failed: {reason}")));
        }
    }

    pub(super) fn answer_drained(&mut self) {
        if self.open.is_empty() {
            self.tell_supervisor();
            for reply in self.drained.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}

/// The first losses of a run's actor are made good at once; a run that keeps losing its actors
/// must not keep a processor busy.
fn reopening_delay(losses: u32) -> Duration {
    match losses.checked_sub(8) {
        None => Duration::ZERO,
        Some(more) => Duration::from_millis(10 << more.min(7)),
    }
}

/// Judges a start whose workflow id has been used before; nothing if it may go on.
fn judge_reuse(
    request: &StartRequest,
    row: Option<&WorkflowIdRow>,
) -> Option<Result<StartedRun, StartWorkflowError>> {
    let row = row?;
    if row.request_id == request.started.request_id {
        return Some(Ok(started_before(row)));
    }
    (!request.reuse_policy.allows_after(row.status)).then(|| {
        Err(StartWorkflowError::AlreadyStarted {
            workflow_id: request.started.workflow_id.clone(),
            run_id: row.run_id,
            first_execution_run_id: row.first_execution_run_id,
            request_id: row.request_id.to_string(),
            closed: row.status != WorkflowStatus::Running,
        })
    })
}

fn refuse(call: RunCall, stopped: &EngineStopped) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(stopped.clone().into()))),
        RunCall::Result { reply } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::Describe { reply } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
            let _ = reply.send(Err(stopped.clone().into()));
        }
        RunCall::Signal { reply, .. } => drop(reply.send(Err(stopped.clone().into()))),
        RunCall::AsyncActivity(call) => drop(call.reply.send(Err(stopped.clone().into()))),
        RunCall::ActivityOperation(call) => drop(call.reply.send(Err(stopped.clone().into()))),
        RunCall::Query { reply, .. } => drop(reply.send(Err(stopped.clone().into()))),
    }
}

fn fail(call: RunCall, error: StoreError) {
    match call {
        RunCall::Start(request) => drop(request.reply.send(Err(error.into()))),
        RunCall::Result { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Describe { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
            let _ = reply.send(Err(error.into()));
        }
        RunCall::Signal { reply, .. } => drop(reply.send(Err(error.into()))),
        RunCall::AsyncActivity(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::ActivityOperation(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::Query { reply, .. } => drop(reply.send(Err(error.into()))),
    }
}

fn not_found(call: RunCall, run_id: RunId) {
    let error = RunNotFound::RunId { run_id };
    match call {
        // The client asks again: the run that it was sent to never came to be.
        RunCall::Start(_) => {}
        RunCall::Result { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Describe { reply } => drop(reply.send(Err(error.into()))),
        RunCall::Cancel { reply, .. } | RunCall::Terminate { reply, .. } => {
            let _ = reply.send(Err(error.into()));
        }
        RunCall::Signal { reply, .. } => drop(reply.send(Err(error.into()))),
        RunCall::AsyncActivity(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::ActivityOperation(call) => drop(call.reply.send(Err(error.into()))),
        RunCall::Query { reply, .. } => drop(reply.send(Err(error.into()))),
    }
}
