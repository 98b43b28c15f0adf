//! The directory: the one owner of "which run is in memory".
//!
//! Everything that clients want from a run passes through here, so that a run that leaves
//! memory can be told apart from one that is there: the run asks, the directory strikes it off
//! its list, and from then on answers from the store.

mod deliveries;
mod open_runs;
mod state;

use std::sync::Arc;

use entracte_model::{RunId, WorkflowId};
use entracte_store::StoreError;
use entracte_store::keys::DeliveryKey;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use self::open_runs::LostRun;
use self::state::DirectoryState;
use super::journal::{Epoch, JournalHandle};
use super::run::{RunCall, StartRequest};
use crate::address::{Envelope, Mailbox};
use crate::live::TreeRun;
use crate::shared::Shared;

pub(crate) enum DirectoryMessage {
    /// Open every run that has something pending in the store.
    Recover { reply: oneshot::Sender<Result<usize, StoreError>> },
    /// Start a workflow, or answer why not.
    Start(Box<StartRequest>),
    /// Pass a call to a run, or answer it from the store.
    Call { run_id: RunId, call: RunCall },
    /// Something is on its way to a run: tell it, open it for that, or see to what becomes of
    /// what comes too late.
    Deliver { key: DeliveryKey },
    /// A run has begun without an actor, or a closed one has something to do, and that is durable:
    /// open it.
    Open { run_id: RunId },
    /// Tell which run currently holds a workflow id.
    Find { workflow_id: WorkflowId, reply: FindReply },
    /// Tell the actor of a run, if the run is in memory.
    Actor { run_id: RunId, reply: oneshot::Sender<Option<ActorCell>> },
    /// Tell which runs are in memory, with their actors.
    List { reply: oneshot::Sender<Vec<(RunId, ActorCell)>> },
    /// Tell which runs are in memory, and what they tell of themselves.
    Look { reply: oneshot::Sender<Vec<TreeRun>> },
    /// A run has nothing under it any more and wants to go.
    Leaving { run_id: RunId, epoch: Epoch },
    /// The last trace of a run's actors is gone.
    Gone { run_id: RunId, epoch: Epoch },
    /// Open a run whose actor was lost, after a while.
    Reopen { lost: LostRun },
    /// The engine can acknowledge nothing more.
    EngineStopped,
    /// Refuse what is new, tell the runs, and answer when all have left.
    Drain { reply: oneshot::Sender<()> },
    /// The grace is over: cut off what still runs.
    CutOff,
}

pub(crate) type FindReply = oneshot::Sender<Result<Option<RunId>, StoreError>>;

pub(crate) struct Directory;

pub(crate) struct DirectoryArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: JournalHandle,
    pub(crate) mailbox: Mailbox,
    /// The supervisor of the runs.
    pub(crate) root: ActorCell,
}

impl Actor for Directory {
    type Msg = Envelope<DirectoryMessage>;
    type State = DirectoryState;
    type Arguments = DirectoryArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Envelope<DirectoryMessage>>,
        arguments: DirectoryArguments,
    ) -> Result<DirectoryState, ActorProcessingErr> {
        Ok(DirectoryState::new(myself, arguments))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Envelope<DirectoryMessage>>,
        envelope: Envelope<DirectoryMessage>,
        state: &mut DirectoryState,
    ) -> Result<(), ActorProcessingErr> {
        match envelope.open() {
            DirectoryMessage::Recover { reply } => {
                let _ = reply.send(state.recover().await);
            }
            DirectoryMessage::Start(request) => state.start(*request).await,
            DirectoryMessage::Call { run_id, call } => state.call(run_id, call).await,
            DirectoryMessage::Deliver { key } => state.deliver(key).await,
            DirectoryMessage::Open { run_id } => state.open_for_work(run_id).await,
            DirectoryMessage::Find { workflow_id, reply } => {
                let _ = reply.send(state.find(&workflow_id));
            }
            DirectoryMessage::Actor { run_id, reply } => drop(reply.send(state.actor(run_id))),
            DirectoryMessage::List { reply } => {
                let _ = reply.send(state.list());
            }
            DirectoryMessage::Look { reply } => drop(reply.send(state.look())),
            DirectoryMessage::Leaving { run_id, epoch } => state.leaving(run_id, epoch),
            DirectoryMessage::Gone { run_id, epoch } => state.gone(run_id, epoch).await,
            DirectoryMessage::Reopen { lost } => state.reopen(lost).await,
            DirectoryMessage::EngineStopped => state.engine_stopped(),
            DirectoryMessage::Drain { reply } => state.drain(reply),
            DirectoryMessage::CutOff => state.cut_off(),
        }
        state.answer_drained();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Envelope<DirectoryMessage>>,
        _event: SupervisionEvent,
        _state: &mut DirectoryState,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
