//! The root: supervises the journal and the runs, and starts the runs.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use super::{journal, run};

#[derive(Debug)]
pub(crate) enum Msg {
    /// Sent by the driver for each run.
    Start {
        run: u64,
        /// Answered when the start is durable.
        accepted: oneshot::Sender<()>,
        /// Answered when the close is durable.
        result: oneshot::Sender<Arc<str>>,
    },
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) journal: journal::Arguments,
    pub(crate) payload: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct State {
    journal: ActorRef<journal::Msg>,
    payload: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Root;

impl Actor for Root {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Msg>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let (journal, _) =
            Actor::spawn_linked(None, journal::Journal, arguments.journal, myself.get_cell())
                .await?;
        Ok(State { journal, payload: arguments.payload })
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Msg::Start { run, accepted, result } = message;
        let arguments = run::Arguments {
            run,
            journal: state.journal.clone(),
            payload: Arc::clone(&state.payload),
            accepted,
            result,
        };
        Actor::spawn_linked(None, run::Run, arguments, myself.get_cell()).await?;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Msg>,
        event: SupervisionEvent,
        _state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            // The floor repairs nothing. With the root the whole tree falls, and with it the
            // answers that the driver waits for.
            SupervisionEvent::ActorFailed(_, error) => Err(error),
            _ => Ok(()),
        }
    }
}
