//! What a run is told.

use entracte_model::event::SignalExternalFailedCause;
use entracte_model::{Failure, Payload, Seq};
use entracte_store::keys::DeliveryKey;
use ractor::ActorId;

use super::call::RunCall;
use super::verdict::{AppendOutcome, Epoch};

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

/// What came of an attempt.
pub(crate) type AttemptOutcome = Result<Payload, Failure>;
