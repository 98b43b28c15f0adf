//! What the directory is asked and told.

use entracte_model::{RunId, WorkflowId};
use entracte_store::StoreError;
use entracte_store::keys::DeliveryKey;
use ractor::ActorCell;
use tokio::sync::oneshot;

use super::call::{RunCall, StartRequest};
use super::verdict::Epoch;
use crate::live::TreeRun;

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

/// A run whose actor has ended without leaving.
#[derive(Debug, Clone)]
pub(crate) struct LostRun {
    pub(crate) run_id: RunId,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) parent: Option<RunId>,
    pub(crate) losses: u32,
}

pub(crate) type FindReply = oneshot::Sender<Result<Option<RunId>, StoreError>>;
