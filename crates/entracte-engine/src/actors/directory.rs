//! The directory: the one owner of "which run is in memory".
//!
//! Everything that clients want from a run passes through here, so that a run that leaves
//! memory can be told apart from one that is there: the run asks, the directory strikes it off
//! its list, and from then on answers from the store.

mod answers;
mod calls;
mod deliveries;
mod open_runs;
mod starts;
mod state;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

pub(crate) use self::state::DirectoryArguments;
use self::state::DirectoryState;
use crate::address::Envelope;
use crate::messages::DirectoryMessage;

pub(crate) struct Directory;

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
