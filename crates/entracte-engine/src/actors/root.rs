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
use crate::live::LiveActor;
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
    _end: EngineEnd,
}

/// Tells those who watch runs that nothing more comes, however the root ends.
#[derive(Debug)]
struct EngineEnd(Arc<Shared>);

impl Drop for EngineEnd {
    fn drop(&mut self) {
        self.0.watchers.close();
    }
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
        let end = EngineEnd(Arc::clone(&shared));
        Ok(RootState { shared, organs: None, task_queues: HashMap::new(), _end: end })
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
                    state.task_queue_ended(&name, child.get_id());
                }
                return Ok(());
            }
        };
        if !state.shared.health.is_shutting_down() {
            tracing::error!(organ, "an actor that the engine needs has ended: the engine stops");
            let reason = format!("its {organ} actor has ended");
            myself.stop(Some(format!("the engine has failed: {reason}")));
            state.shared.health.poison(reason);
        }
        Ok(())
    }
}

impl RootState {
    fn task_queue_ended(&self, name: &Arc<str>, actor: ActorId) {
        self.shared.live.change(|lines| {
            if lines.task_queues.get(name).is_some_and(|line| line.cell.get_id() == actor) {
                lines.task_queues.remove(name);
            }
        });
        self.shared.task_queues.actor_ended(name, actor);
    }

    async fn start_task_queue(&mut self, myself: &ActorRef<RootMessage>, task_queue: Arc<str>) {
        let queues = Arc::clone(&self.shared.task_queues);
        let (queues_of_actor, name) = (Arc::clone(&queues), Arc::clone(&task_queue));
        let arguments = TaskQueueArguments { queues: queues_of_actor, task_queue };
        match Actor::spawn_linked(None, TaskQueue, arguments, myself.get_cell()).await {
            Ok((actor, _)) => {
                let line = LiveActor { cell: actor.get_cell(), since: self.shared.clock.now() };
                self.shared.live.change(|lines| {
                    lines.task_queues.insert(Arc::clone(&name), line);
                });
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
