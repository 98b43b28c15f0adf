//! The journal: the only writer, and the only judge.
//!
//! All appends that wait are taken together, written as one batch, synced once and answered
//! (rule 4 of the design). Each append says what its author believes; a wrong belief refuses
//! that append alone (rule 5). The commit itself runs beside the actor, so that its mailbox
//! keeps collecting the next group. After a failed commit nothing is acknowledged any more
//! (rule 12).

mod append;
mod group;
mod heads;

use std::sync::Arc;

use entracte_model::RunId;
use entracte_store::keys::DeliveryKey;
use entracte_store::{Batch, StoreError};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

pub(crate) use self::append::{Acknowledgement, Append, AppendOutcome, WorkflowIdClaim};
use self::group::{JournalState, Waiting};
pub(crate) use self::heads::Epoch;
use crate::actors::directory::DirectoryMessage;
use crate::actors::run::RunMessage;
use crate::shared::Shared;

pub(crate) enum JournalMessage {
    /// From now on, report the end of the store to this actor.
    Attach { directory: ActorRef<DirectoryMessage> },
    /// Write this, with others, and answer its author.
    Append(Box<Append>),
    /// Write rows of runs that have no actor and never will have one again, with the next group,
    /// then have the directory tell of what they send.
    Rows { rows: Batch, deliveries: Vec<DeliveryKey> },
    /// Raise the run's epoch, so that no older author can write any more; answer when the
    /// batch in flight, which may hold an older author's append, is settled.
    Open { run_id: RunId, epoch: Epoch, author: ActorRef<RunMessage> },
    /// The run's actor of this epoch has left: forget its head.
    Forget { run_id: RunId, epoch: Epoch },
    /// The commit that ran beside the actor has ended.
    Committed(Result<(), StoreError>),
    /// The interval between two syncs is over.
    SyncDue,
    /// The sync that ran beside the actor has ended.
    Synced(Result<(), StoreError>),
    /// Write what waits, close the store, and answer when its lock is free.
    Close { reply: oneshot::Sender<Result<(), StoreError>> },
    /// The store is closed.
    Closed(Result<(), StoreError>),
}

pub(crate) struct Journal;

impl Actor for Journal {
    type Msg = JournalMessage;
    type State = JournalState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<JournalMessage>,
        shared: Arc<Shared>,
    ) -> Result<JournalState, ActorProcessingErr> {
        Ok(JournalState::new(shared))
    }

    async fn handle(
        &self,
        myself: ActorRef<JournalMessage>,
        message: JournalMessage,
        state: &mut JournalState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            JournalMessage::Attach { directory } => state.directory = Some(directory),
            JournalMessage::Append(append) => state.waiting.push_back(Waiting::Append(append)),
            JournalMessage::Rows { rows, deliveries } => {
                state.waiting.push_back(Waiting::Rows { rows, deliveries });
            }
            JournalMessage::Open { run_id, epoch, author } => state.open(run_id, epoch, author),
            JournalMessage::Forget { run_id, epoch } => {
                state.waiting.push_back(Waiting::Forget { run_id, epoch });
            }
            JournalMessage::Committed(result) => state.settle(result),
            JournalMessage::SyncDue => state.sync_due = true,
            JournalMessage::Synced(result) => state.settle(result),
            JournalMessage::Close { reply } => state.closing.push(reply),
            JournalMessage::Closed(result) => {
                for reply in state.closing.drain(..) {
                    let _ = reply.send(result.clone());
                }
                myself.stop(None);
            }
        }
        state.advance(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<JournalMessage>,
        _event: SupervisionEvent,
        _state: &mut JournalState,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
