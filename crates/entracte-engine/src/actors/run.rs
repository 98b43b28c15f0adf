//! A run: the actor around one run of a workflow.
//!
//! It turns what reaches it (an attempt's end, a due timer, a client's call) into events, lets
//! the pure machine take a turn for each, hands events and rows to the journal, and does what
//! the turn decided only after the journal has answered (rule 3 of the design). What it holds
//! in memory can be rebuilt from the store at any time, and is, whenever the actor is killed.

mod activities;
mod admission;
mod async_completion;
mod calls;
mod cancelling;
mod chain;
mod children;
mod closing;
mod deadlines;
mod deliveries;
mod effects;
mod external_signals;
mod heartbeats;
mod input;
mod input_queue;
mod local_activities;
mod opening;
mod parent_close;
mod parking;
mod pending_operations;
mod publishing;
mod record;
mod reporting;
mod run_timeout;
mod seen;
mod signals;
mod state;
mod turns;

use entracte_model::Seq;
use entracte_model::event::SignalExternalFailedCause;
use entracte_store::keys::DeliveryKey;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

pub(crate) use self::async_completion::{AsyncActivityAction, AsyncActivityCall, AttemptTarget};
pub(crate) use self::calls::{
    ResultReply, RunCall, StartReply, StartRequest, StartedRun, started_before,
};
pub(crate) use self::cancelling::CancelRequest;
pub(crate) use self::deliveries::{answer_to, goes_on};
pub(crate) use self::opening::{NewRun, Origin, RunArguments};
pub use self::parking::ParkCause;
pub(crate) use self::pending_operations::{
    ActivityOperation, ActivityOperationCall, OperationTarget, ResetOptions, UnpauseOptions,
};
pub(crate) use self::publishing::published;
pub(crate) use self::state::RunState;
use super::attempt::AttemptOutcome;
use super::journal::{AppendOutcome, Epoch};
use crate::address::Envelope;

pub(crate) enum RunMessage {
    /// Take the first turn of a new run.
    Begin,
    /// The journal has raised the run's epoch: read what is stored and go on from there.
    Opened { epoch: Epoch },
    /// The journal has settled an append.
    Appended { token: u64, outcome: AppendOutcome },
    /// An attempt has come to its end.
    AttemptEnded { seq: Seq, attempt: u32, outcome: AttemptOutcome },
    /// An attempt has something new to tell.
    Heartbeat { seq: Seq, attempt: u32 },
    /// The queue of an attempt has granted it a slot.
    SlotGranted { seq: Seq, attempt: u32 },
    /// An actor under this run has ended. The run sends this to itself when it hears of it,
    /// because news of an actor's end overtakes the messages it sent before.
    ChildExited { actor: ActorId },
    /// A durable timer of the workflow may be due.
    TimerDue { seq: Seq },
    /// It is known what became of a signal to another workflow.
    ExternalSignaled { seq: Seq, not_arrived: Option<SignalExternalFailedCause> },
    /// Another run has sent something.
    Delivered { key: DeliveryKey },
    /// The run's own time may be over.
    RunTimeout,
    /// The run is closed and has something to do that it did not know of: it is opened again when
    /// it has left.
    OpenAgain,
    /// The back-off before the run's first turn may be over.
    FirstTaskDue,
    /// Something that a pending activity waits for may be due: the end of its back-off, or one
    /// of its timeouts.
    WakeUp,
    /// Try the turn again that failed.
    RetryTurn { parking: u64 },
    /// The workflow was woken by something that is not the engine's.
    ForeignWake { machine: u64 },
    /// A client wants something.
    Call(RunCall),
    /// The engine shuts down: start nothing new, tell the attempts, leave when they are done.
    Drain,
    /// The grace of the shutdown is over: cut the attempts off and leave.
    CutOff,
    /// The engine can acknowledge nothing more: end at once.
    EngineStopped,
    /// The directory has taken the run off its list and sends nothing more.
    Left,
}

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
