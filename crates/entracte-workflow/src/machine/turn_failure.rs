//! Why a turn failed: the turn, not the run.

use std::fmt;

use entracte_model::{DecodeError, EncodeError, EventId, IdError};

const LIKELY_CAUSES: &str = "likely causes: a timer or socket of an async runtime, a spawned task or its join \
     handle, a channel that is fed from outside the workflow; use ctx.sleep for time and \
     ctx.activity for everything that reaches outside";

/// Says why a turn failed.
///
/// A failed turn journals nothing, and its machine is dead. The run itself has not failed: it
/// can be rebuilt, with corrected code if need be, and take the turn again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnFailure {
    /// The workflow's code panicked.
    #[error("workflow code panicked: {message}")]
    Panic {
        /// What the panic said.
        message: String,
    },
    /// The workflow waits for something, but for nothing the engine could bring.
    #[error(
        "the workflow waits for something that is not an operation of its context, so nothing \
         could ever wake it; {LIKELY_CAUSES}"
    )]
    ForeignWait,
    /// The workflow was woken by something other than its own operations.
    #[error(
        "the workflow was woken from outside its turns, by something that is not in its \
         history and so could not be replayed; {LIKELY_CAUSES}"
    )]
    ForeignWake,
    /// The workflow did not come to rest.
    #[error(
        "the workflow did not come to rest within one turn: it keeps waking itself, or loops \
         over operations that are over at once (a sleep of zero, or any operation after the run \
         was asked to cancel); wait for a timer, an activity or a signal, or leave the loop when \
         ctx.is_cancelled()"
    )]
    NeverRests,
    /// The input of the run is not what the workflow takes.
    #[error("the input of workflow `{workflow_type}` cannot be read: {source}")]
    InputUndecodable {
        /// The durable name of the workflow.
        workflow_type: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A signal does not carry what the workflow reads from it.
    #[error(
        "signal `{signal_name}` of event {event_id} cannot be read: {source}; it is kept: give \
         the signal's constant the type that its senders use, or take such signals with \
         recv_checked"
    )]
    SignalUndecodable {
        /// The durable name of the signal.
        signal_name: String,
        /// The event that tells of it.
        event_id: EventId,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The workflow published a value that cannot be encoded.
    #[error("the value published as `{query}` cannot be written: {source}")]
    PublishedUnencodable {
        /// The durable name under which it is published.
        query: String,
        /// What is wrong with it.
        source: EncodeError,
    },
    /// The workflow published a value that is larger than the engine allows.
    #[error(
        "the value published as `{query}` has {bytes} bytes, and {limit} are allowed: publish \
         less, or raise the engine's payload_bytes_max"
    )]
    PublishedTooLarge {
        /// The durable name under which it is published.
        query: String,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The constant of a signal or a query has a name that cannot be one.
    #[error("the workflow uses a {what} whose name cannot be one: {source}")]
    InvalidName {
        /// What the name stands for.
        what: &'static str,
        /// What is wrong with it.
        source: IdError,
    },
    /// The workflow returned a result that cannot be encoded.
    #[error("the result of workflow `{workflow_type}` cannot be written: {source}")]
    ResultUnencodable {
        /// The durable name of the workflow.
        workflow_type: String,
        /// What is wrong with it.
        source: EncodeError,
    },
    /// The workflow's code does not do what the history says it did.
    #[error(transparent)]
    Nondeterminism(#[from] Box<Mismatch>),
    /// The machine is dead because an earlier turn failed.
    #[error("an earlier turn of this machine failed: {0}")]
    Dead(Box<TurnFailure>),
    /// The machine was driven wrongly: a defect of whatever drives it.
    #[error("the machine was driven wrongly: {message}")]
    Internal {
        /// What was wrong.
        message: String,
    },
}

impl TurnFailure {
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::Internal { message: message.to_string() }
    }
}

/// The two sides of a nondeterminism: what the history has and what the code did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The event at which they part; one past the end if the history ends there.
    pub event_id: EventId,
    /// What the history has, with the source line that was recorded.
    pub recorded: String,
    /// What the code did, with its source line.
    pub produced: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event_id, recorded, produced } = self;
        write!(
            f,
            "[TMPRL1100] history event {event_id} is {recorded}, but the code now {produced}; \
             restore the code that wrote this history and give the changed workflow a name of \
             its own, or terminate the run"
        )
    }
}

impl std::error::Error for Mismatch {}
