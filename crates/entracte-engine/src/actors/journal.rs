//! The journal: the only writer, and the only judge.
//!
//! All appends that wait are taken together, written as one batch, synced once and answered
//! (rule 4 of the design). Each append says what its author believes; a wrong belief refuses
//! that append alone (rule 5). The commit itself runs beside the actor, so that the next group
//! collects meanwhile. After a failed commit nothing is acknowledged any more (rule 12).
//!
//! What reaches the journal and what it knows stand beside the actor too ([`mailbox`]): an actor
//! that is killed takes nothing with it.

mod append;
mod group;
mod heads;
mod mailbox;

use entracte_model::RunId;
use entracte_store::keys::DeliveryKey;
use entracte_store::{Batch, StoreError};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

pub(crate) use self::append::{Acknowledgement, Append, AppendOutcome, WorkflowIdClaim};
pub(crate) use self::heads::Epoch;
pub(crate) use self::mailbox::JournalHandle;
use crate::actors::directory::DirectoryMessage;
use crate::actors::run::RunMessage;
use crate::address::Address;

pub(crate) enum JournalMessage {
    /// From now on, report the end of the store to this actor.
    Attach { directory: Address<DirectoryMessage> },
    /// Write this, with others, and answer its author.
    Append(Box<Append>),
    /// Write rows of runs that have no actor and never will have one again, with the next group,
    /// then have the directory tell of what they send.
    Rows { rows: Batch, deliveries: Vec<DeliveryKey> },
    /// Raise the run's epoch, so that no older author can write any more; answer when the
    /// batch in flight, which may hold an older author's append, is settled.
    Open { run_id: RunId, epoch: Epoch, author: Address<RunMessage> },
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

/// There is something to do.
pub(crate) struct JournalWake;

pub(crate) struct Journal;

impl Actor for Journal {
    type Msg = JournalWake;
    type State = JournalHandle;
    type Arguments = JournalHandle;

    async fn pre_start(
        &self,
        _myself: ActorRef<JournalWake>,
        journal: JournalHandle,
    ) -> Result<JournalHandle, ActorProcessingErr> {
        Ok(journal)
    }

    async fn handle(
        &self,
        _myself: ActorRef<JournalWake>,
        _message: JournalWake,
        journal: &mut JournalHandle,
    ) -> Result<(), ActorProcessingErr> {
        journal.work();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<JournalWake>,
        _event: SupervisionEvent,
        _journal: &mut JournalHandle,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}
