//! The root: supervises all actors of an engine.
//!
//! The end of a run's actor is the directory's business. The end of the journal or of the
//! directory itself ends the engine: what was acknowledged is in the store, and an engine that
//! is opened again goes on from there. The actor of a task queue is made when it is needed, and
//! made again when it ends.

use std::collections::HashMap;
use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::task_queue::{TaskQueue, TaskQueueArguments};
use crate::shared::Shared;

pub(crate) enum RootMessage {
    /// From now on, the engine ends if one of these does.
    Organs { journal: ActorId, directory: ActorId },
    /// Somebody waits in a task queue that has no actor.
    StartTaskQueue { task_queue: Arc<str> },
}

pub(crate) struct Root;

pub(crate) struct RootState {
    shared: Arc<Shared>,
    organs: Option<(ActorId, ActorId)>,
    /// The names of the task queues whose actors live. Looked up only.
    task_queues: HashMap<ActorId, Arc<str>>,
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
        Ok(RootState { shared, organs: None, task_queues: HashMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<RootMessage>,
        message: RootMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RootMessage::Organs { journal, directory } => state.organs = Some((journal, directory)),
            RootMessage::StartTaskQueue { task_queue } => {
                state.start_task_queue(&myself, task_queue).await;
            }
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
            _ => {
                if let Some(name) = state.task_queues.remove(&child.get_id()) {
                    state.shared.task_queues.actor_ended(&name, child.get_id());
                }
                return Ok(());
            }
        };
        if !state.shared.health.is_shutting_down() {
            tracing::error!(organ, "an actor that the engine needs has ended: the engine stops");
            state.shared.health.poison(format!("its {organ} actor has ended"));
            myself.stop(Some(format!("the {organ} actor has ended")));
        }
        Ok(())
    }
}

impl RootState {
    async fn start_task_queue(&mut self, myself: &ActorRef<RootMessage>, task_queue: Arc<str>) {
        let queues = Arc::clone(&self.shared.task_queues);
        let (queues_of_actor, name) = (Arc::clone(&queues), Arc::clone(&task_queue));
        let arguments = TaskQueueArguments { queues: queues_of_actor, task_queue };
        match Actor::spawn_linked(None, TaskQueue, arguments, myself.get_cell()).await {
            Ok((actor, _)) => {
                queues.actor_started(&name, &actor);
                self.task_queues.insert(actor.get_id(), name);
            }
            Err(error) => {
                tracing::warn!(task_queue = &*name, %error, "a task queue could not be started");
                queues.actor_failed(&name);
            }
        }
    }
}
