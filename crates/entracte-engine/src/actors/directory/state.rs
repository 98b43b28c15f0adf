//! What the directory knows, and what it decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::{RunId, WorkflowId};
use entracte_store::rows::RunRow;
use entracte_store::{Store, StoreError, StoreExt};
use ractor::{Actor, ActorCell, ActorRef};
use tokio::sync::oneshot;

use super::answers::refuse;
use super::open_runs::{OpenRun, OpenRuns};
use crate::actors::journal::JournalHandle;
use crate::actors::run::{Origin, Run, RunArguments};
use crate::address::{Address, Envelope, Mailbox};
use crate::errors::EngineStopped;
use crate::live::{LiveRun, TreeRun};
use crate::messages::{DirectoryMessage, Epoch, LostRun, RunCall, RunMessage};
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
    pub(super) myself: Address<DirectoryMessage>,
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
            calls.into_iter().for_each(|call| refuse(call, stopped.clone()));
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
            refuse(call, EngineStopped { reason: "it was shut down".to_owned() });
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
