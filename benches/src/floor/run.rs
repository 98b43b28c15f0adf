//! A run: appends, waits until that is durable, starts the next attempt, and so on.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use super::{attempt, journal};

/// How many activities a run has, one after the other.
const ACTIVITIES: u32 = 3;

#[derive(Debug)]
pub(crate) enum Msg {
    /// Sent by the journal when the append of this run is durable.
    Durable,
    /// Sent by an attempt before it stops.
    Done(Arc<str>),
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) run: u64,
    pub(crate) journal: ActorRef<journal::Msg>,
    pub(crate) payload: Arc<str>,
    pub(crate) accepted: oneshot::Sender<()>,
    pub(crate) result: oneshot::Sender<Arc<str>>,
}

#[derive(Debug)]
pub(crate) struct State {
    run: u64,
    journal: ActorRef<journal::Msg>,
    payload: Arc<str>,
    accepted: Option<oneshot::Sender<()>>,
    result: Option<oneshot::Sender<Arc<str>>>,
    events: u64,
    attempts: u32,
}

/// An event of the run: with the payload in it, or without.
#[derive(Debug, Clone, Copy)]
enum Event {
    Plain,
    WithPayload,
}

/// The run and its first activity: the one is started, the other is scheduled.
const STARTED: [Event; 2] = [Event::WithPayload, Event::WithPayload];
/// An attempt is started and completed, and the next activity is scheduled or the run closed.
const DONE: [Event; 3] = [Event::Plain, Event::WithPayload, Event::WithPayload];

#[derive(Debug)]
pub(crate) struct Run;

impl Actor for Run {
    type Msg = Msg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Msg>,
        arguments: Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let Arguments { run, journal, payload, accepted, result } = arguments;
        let (accepted, result) = (Some(accepted), Some(result));
        Ok(State { run, journal, payload, accepted, result, events: 0, attempts: 0 })
    }

    async fn post_start(
        &self,
        myself: ActorRef<Msg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.append(myself, &STARTED)
    }

    async fn handle(
        &self,
        myself: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Durable => state.go_on(myself).await,
            Msg::Done(payload) => {
                state.payload = payload;
                state.append(myself, &DONE)
            }
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Msg>,
        event: SupervisionEvent,
        _state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(_, error) => Err(error),
            _ => Ok(()),
        }
    }
}

impl State {
    fn append(
        &mut self,
        myself: ActorRef<Msg>,
        events: &[Event],
    ) -> Result<(), ActorProcessingErr> {
        let rows = events.iter().map(|event| self.row(*event)).collect();
        Ok(self.journal.cast(journal::Msg::Append(journal::Append { rows, run: myself }))?)
    }

    /// A row as the engine writes it: sixteen bytes of run id, eight of event id, and an event
    /// of about its encoded size.
    fn row(&mut self, event: Event) -> journal::Row {
        self.events += 1;
        let mut key = Vec::with_capacity(24);
        key.extend_from_slice(&u128::from(self.run).to_be_bytes());
        key.extend_from_slice(&self.events.to_be_bytes());
        let payload = match event {
            Event::Plain => "",
            Event::WithPayload => &*self.payload,
        };
        let mut value = Vec::with_capacity(ENVELOPE.len() + payload.len());
        value.extend_from_slice(ENVELOPE);
        value.extend_from_slice(payload.as_bytes());
        journal::Row { key, value }
    }

    async fn go_on(&mut self, myself: ActorRef<Msg>) -> Result<(), ActorProcessingErr> {
        if let Some(accepted) = self.accepted.take() {
            // Nobody waits any more when the driver has given up.
            let _ = accepted.send(());
        }
        if self.attempts < ACTIVITIES {
            self.attempts += 1;
            let arguments =
                attempt::Arguments { run: myself.clone(), payload: Arc::clone(&self.payload) };
            Actor::spawn_linked(None, attempt::Attempt, arguments, myself.get_cell()).await?;
            return Ok(());
        }
        if let Some(result) = self.result.take() {
            let _ = result.send(Arc::clone(&self.payload));
        }
        myself.stop(None);
        Ok(())
    }
}

/// As many bytes as an encoded event has beside its payload.
const ENVELOPE: &[u8; 100] = b"\
\x01\x05\x83type 7f0c41e9 at 1763849984123456789 attempt 1 of step, worker 93b2d5, \
timeout 30s, retry 1s x2.0";
