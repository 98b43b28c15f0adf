//! The journal: the only writer, and the only judge.
//!
//! All appends that wait are taken together, written as one batch, synced once and answered
//! (rule 4 of the design). Each append says what its author believes; a wrong belief refuses
//! that append alone (rule 5). The commit itself runs beside the actor, so that the next group
//! collects meanwhile. After a failed commit nothing is acknowledged any more (rule 12).
//!
//! What reaches the journal and what it knows stand beside the actor too ([`handle`]): an actor
//! that is killed takes nothing with it.

mod group;
mod handle;
mod heads;
mod mailbox;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

pub(crate) use self::handle::JournalHandle;
use crate::messages::JournalWake;

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
