//! The root: supervises all actors of an engine.
//!
//! The end of a run's actor is the directory's business. The end of the journal or of the
//! directory itself ends the engine: what was acknowledged is in the store, and an engine that
//! is opened again goes on from there.

use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::shared::Shared;

pub(crate) enum RootMessage {
    /// From now on, the engine ends if one of these does.
    Organs { journal: ActorId, directory: ActorId },
}

pub(crate) struct Root;

pub(crate) struct RootState {
    shared: Arc<Shared>,
    organs: Option<(ActorId, ActorId)>,
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = RootState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _myself: ActorRef<RootMessage>,
        shared: Arc<Shared>,
    ) -> Result<RootState, ActorProcessingErr> {
        Ok(RootState { shared, organs: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<RootMessage>,
        message: RootMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMessage::Organs { journal, directory } => state.organs = Some((journal, directory)),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (SupervisionEvent::ActorTerminated(child, ..)
        | SupervisionEvent::ActorFailed(child, _)) = event
        else {
            return Ok(());
        };
        let organ = match state.organs {
            Some((journal, _)) if journal == child.get_id() => "journal",
            Some((_, directory)) if directory == child.get_id() => "directory",
            _ => return Ok(()),
        };
        if !state.shared.health.is_shutting_down() {
            tracing::error!(organ, "an actor that the engine needs has ended: the engine stops");
            state.shared.health.poison(format!("its {organ} actor has ended"));
            myself.stop(Some(format!("the {organ} actor has ended")));
        }
        Ok(())
    }
}
