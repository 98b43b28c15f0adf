//! A run: the actor around one run of a workflow.
//!
//! It turns what reaches it (an attempt's end, a due timer, a client's call) into events, lets
//! the pure machine take a turn for each, hands events and rows to the journal, and does what
//! the turn decided only after the journal has answered (rule 3 of the design). What it holds
//! in memory can be rebuilt from the store at any time, and is, whenever the actor is killed.

mod activities;
mod admission;
mod alarm;
mod async_completion;
mod calls;
mod cancelling;
mod carrying_out;
mod chain;
mod children;
mod closing;
mod deadlines;
mod deliveries;
mod effect;
mod external_signals;
mod heartbeats;
mod input;
mod input_events;
mod input_queue;
mod local_activities;
mod opening;
mod origin;
mod parent_close;
mod parking;
mod pending_activity;
mod pending_local_activity;
mod pending_operations;
mod publishing;
mod record;
mod reporting;
mod run_timeout;
mod seen;
mod signals;
mod state;
mod turns;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

pub(crate) use self::calls::started_before;
pub(crate) use self::deliveries::{answer_to, goes_on};
pub(crate) use self::origin::{NewRun, Origin, RunArguments};
pub(crate) use self::publishing::published;
pub(crate) use self::state::RunState;
use crate::address::Envelope;
use crate::messages::RunMessage;

pub(crate) struct Run;

impl Actor for Run {
    type Msg = Envelope<RunMessage>;
    type State = RunState;
    type Arguments = RunArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Envelope<RunMessage>>,
        arguments: RunArguments,
    ) -> Result<RunState, ActorProcessingErr> {
        Ok(RunState::new(myself, arguments))
    }

    async fn post_start(
        &self,
        _myself: ActorRef<Envelope<RunMessage>>,
        state: &mut RunState,
    ) -> Result<(), ActorProcessingErr> {
        state.begin_or_open();
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Envelope<RunMessage>>,
        envelope: Envelope<RunMessage>,
        state: &mut RunState,
    ) -> Result<(), ActorProcessingErr> {
        match envelope.open() {
            RunMessage::Begin => state.begin()?,
            RunMessage::Opened { epoch } => state.opened(epoch)?,
            RunMessage::Appended { token, outcome } => state.appended(token, outcome)?,
            RunMessage::AttemptEnded { seq, attempt, outcome } => {
                state.attempt_ended(seq, attempt, outcome)?;
            }
            RunMessage::Heartbeat { seq, attempt } => state.heartbeat(seq, attempt),
            RunMessage::SlotGranted { seq, attempt } => state.slot_granted(seq, attempt)?,
            RunMessage::ChildExited { actor } => state.child_exited(actor)?,
            RunMessage::TimerDue { seq } => state.timer_due(seq)?,
            RunMessage::ExternalSignaled { seq, not_arrived } => {
                state.external_signaled(seq, not_arrived)?;
            }
            RunMessage::Delivered { key } => state.delivered(key)?,
            RunMessage::RunTimeout => state.run_timeout_due()?,
            RunMessage::OpenAgain => state.open_again(),
            RunMessage::FirstTaskDue => state.first_task_due()?,
            RunMessage::WakeUp => state.wake_up()?,
            RunMessage::RetryTurn { parking } => state.retry_turn(parking)?,
            RunMessage::ForeignWake { machine } => state.foreign_wake(machine),
            RunMessage::Call(call) => state.call(call)?,
            RunMessage::Drain => state.drain(),
            RunMessage::CutOff => state.cut_off(),
            RunMessage::EngineStopped => state.engine_stopped(),
            RunMessage::Left => state.left(),
        }
        state.carry_out().await;
        state.tell_where_it_stands();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Envelope<RunMessage>>,
        event: SupervisionEvent,
        state: &mut RunState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorTerminated(child, ..)
        | SupervisionEvent::ActorFailed(child, _) = event
        {
            // Judged when it has passed through the mailbox, behind the child's last words.
            let _ = state.myself.cast(RunMessage::ChildExited { actor: child.get_id() });
        }
        Ok(())
    }
}
