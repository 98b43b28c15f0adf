//! The root: supervises all actors of an engine.
//!
//! The end of a run's actor is the directory's business. The journal's actor is made again when it
//! was killed: what it works on stands beside it. One that has failed, by a panic, ends the
//! engine, and so does the end of the directory: what was acknowledged is in the store, and an
//! engine that is opened again goes on from there. The actor of a task queue is made when it is
//! needed, and made again when it ends.

use std::collections::HashMap;
use std::sync::Arc;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use super::journal::{Journal, JournalHandle};
use super::task_queue::{TaskQueue, TaskQueueArguments};
use crate::address::{Address, Envelope, Mailbox};
use crate::live::LiveActor;
use crate::messages::RootMessage;
use crate::shared::Shared;

pub(crate) struct Root;

#[derive(Debug)]
pub(crate) struct RootArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: JournalHandle,
}

pub(crate) struct RootState {
    shared: Arc<Shared>,
    journal: JournalHandle,
    organs: Option<(ActorId, ActorId)>,
    /// Who ended before the organs were known, and whether by a failure: one of them may be an
    /// organ. Looked up only.
    ended_early: HashMap<ActorId, bool>,
    /// The names of the task queues whose actors live. Looked up only.
    task_queues: HashMap<ActorId, Arc<str>>,
    _end: EngineEnd,
}

/// Tells those who watch runs, and those who wait for the journal, that nothing more comes,
/// however the root ends.
struct EngineEnd(RootArguments);

impl Drop for EngineEnd {
    fn drop(&mut self) {
        self.0.shared.watchers.close();
        self.0.journal.end();
    }
}

impl Actor for Root {
    type Msg = Envelope<RootMessage>;
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Envelope<RootMessage>>,
        RootArguments { shared, journal }: RootArguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let (of_end, journal_of_end) = (Arc::clone(&shared), journal.clone());
        let end = EngineEnd(RootArguments { shared: of_end, journal: journal_of_end });
        let (ended_early, task_queues) = (HashMap::new(), HashMap::new());
        Ok(RootState { shared, journal, organs: None, ended_early, task_queues, _end: end })
    }

    async fn handle(
        &self,
        myself: ActorRef<Envelope<RootMessage>>,
        envelope: Envelope<RootMessage>,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match envelope.open() {
            RootMessage::Organs { journal, directory } => {
                state.organs = Some((journal, directory));
                let early = std::mem::take(&mut state.ended_early);
                for organ in [journal, directory] {
                    if let Some(has_failed) = early.get(&organ) {
                        state.child_ended(&myself, organ, *has_failed).await;
                    }
                }
            }
            RootMessage::StartTaskQueue { task_queue } => {
                state.start_task_queue(&myself, task_queue).await;
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Envelope<RootMessage>>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (child, has_failed) = match event {
            SupervisionEvent::ActorTerminated(child, ..) => (child.get_id(), false),
            SupervisionEvent::ActorFailed(child, _) => (child.get_id(), true),
            _ => return Ok(()),
        };
        state.child_ended(&myself, child, has_failed).await;
        Ok(())
    }
}

impl RootState {
    /// An actor under the root has ended: does what its end asks for.
    async fn child_ended(
        &mut self,
        myself: &ActorRef<Envelope<RootMessage>>,
        child: ActorId,
        has_failed: bool,
    ) {
        if let Some(name) = self.task_queues.remove(&child) {
            return self.task_queue_ended(&name, child);
        }
        match self.organs {
            None => drop(self.ended_early.insert(child, has_failed)),
            Some((journal, _)) if journal == child && !has_failed => {
                self.replace_journal(myself).await;
            }
            Some((journal, _)) if journal == child => self.organ_ended(myself, "journal"),
            Some((_, directory)) if directory == child => self.organ_ended(myself, "directory"),
            Some(_) => {}
        }
    }

    fn organ_ended(&self, myself: &ActorRef<Envelope<RootMessage>>, organ: &str) {
        if !self.shared.health.is_shutting_down() {
            tracing::error!(organ, "an actor that the engine needs has ended: the engine stops");
            let reason = format!("its {organ} actor has ended");
            myself.stop(Some(format!("the engine has failed: {reason}")));
            self.shared.health.poison(reason);
        }
    }

    /// The journal's actor was killed: another one goes on where it was.
    async fn replace_journal(&mut self, myself: &ActorRef<Envelope<RootMessage>>) {
        let spawned =
            Actor::spawn_linked(None, Journal, self.journal.clone(), myself.get_cell()).await;
        match spawned {
            Ok((actor, _)) => {
                tracing::debug!("the journal's actor was lost, and another one goes on");
                self.organs = self.organs.map(|(_, directory)| (actor.get_id(), directory));
                let line = LiveActor::new(actor.get_cell(), self.shared.clock.now());
                self.shared.live.change(|lines| lines.journal = Some(line));
                self.journal.attach(&actor);
            }
            Err(error) => {
                tracing::error!(%error, "the journal's actor could not be made again");
                self.organ_ended(myself, "journal");
            }
        }
    }

    fn task_queue_ended(&self, name: &Arc<str>, actor: ActorId) {
        self.shared.live.change(|lines| {
            if lines.task_queues.get(name).is_some_and(|line| line.cell.get_id() == actor) {
                lines.task_queues.remove(name);
            }
        });
        self.shared.task_queues.actor_ended(name, actor);
    }

    async fn start_task_queue(
        &mut self,
        myself: &ActorRef<Envelope<RootMessage>>,
        task_queue: Arc<str>,
    ) {
        let queues = Arc::clone(&self.shared.task_queues);
        let (queues_of_actor, name) = (Arc::clone(&queues), Arc::clone(&task_queue));
        let mailbox = Mailbox::default();
        let mailbox_of_actor = mailbox.clone();
        let arguments =
            TaskQueueArguments { queues: queues_of_actor, task_queue, mailbox: mailbox_of_actor };
        match Actor::spawn_linked(None, TaskQueue, arguments, myself.get_cell()).await {
            Ok((actor, _)) => {
                let actor = Address::new(actor, mailbox);
                let line = LiveActor::addressed(&actor, self.shared.clock.now());
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

#[cfg(test)]
mod tests;
