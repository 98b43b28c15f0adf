//! Errors of what is exchanged with open runs: signals, and queries of published state.

use entracte_model::{DecodeError, EncodeError, Failure, IdError, RunId};
use entracte_store::StoreError;

use super::{EngineStopped, RunNotFound};
use crate::errors::ParkCause;

/// Says why a signal was not sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The signal's name or the request id cannot be one.
    #[error("`{id}` cannot be the name of a signal or an id: {source}")]
    InvalidId {
        /// The beginning of the name or the id.
        id: String,
        /// What is wrong with it.
        source: IdError,
    },
    /// What the signal carries cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What the signal carries is larger than the engine's `payload_bytes_max` (rule LIM-4).
    #[error("the signal of {bytes} bytes is larger than the {limit} bytes allowed")]
    PayloadTooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The headers are larger than the engine's `payload_bytes_max` (rule LIM-4).
    #[error("the headers of {bytes} bytes are larger than the {limit} bytes allowed")]
    HeadersTooLarge {
        /// How large names and values are.
        bytes: usize,
        /// How large they may be.
        limit: usize,
    },
    /// An interceptor refused it ([`Interceptor::client_call`]): nothing was sent.
    ///
    /// [`Interceptor::client_call`]: entracte_workflow::Interceptor::client_call
    #[error("an interceptor refused it: {failure}")]
    Refused {
        /// Why, in the interceptor's words.
        failure: Failure,
    },
    /// There is no such run.
    #[error(transparent)]
    NotFound(#[from] RunNotFound),
    /// The run is closed (rule SIG-4).
    #[error("workflow execution already completed: run {run_id}")]
    AlreadyClosed {
        /// The run.
        run_id: RunId,
    },
    /// The run has had as many signals as the engine's `signals_max` allows (rule SIG-5).
    #[error("run {run_id} exceeded the limit of {limit} signals")]
    TooManySignals {
        /// The run.
        run_id: RunId,
        /// How many signals a run may have.
        limit: u64,
    },
    /// What is stored of the run cannot be read, so that nothing can be added to it.
    #[error("run {run_id} cannot be signaled: {cause}")]
    HistoryUnusable {
        /// The run.
        run_id: RunId,
        /// What cannot be read.
        cause: ParkCause,
    },
    /// The store could not be read. A copy of the signal may have been sent before that: sending
    /// it again with the same request id is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine had stopped before the signal was taken up: nothing was sent.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
    /// The engine stopped before it could answer: the signal may have been sent or not. Sending
    /// it again with the same request id is safe.
    #[error("whether run {run_id} was signaled is not known: {reason}")]
    OutcomeUnknown {
        /// The run.
        run_id: RunId,
        /// Why the answer is missing.
        reason: String,
    },
}

/// Says why there is no answer to a query.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// An interceptor refused it ([`Interceptor::client_call`]): nothing was asked.
    ///
    /// [`Interceptor::client_call`]: entracte_workflow::Interceptor::client_call
    #[error("an interceptor refused it: {failure}")]
    Refused {
        /// Why, in the interceptor's words.
        failure: Failure,
    },
    /// There is no such run.
    #[error(transparent)]
    NotFound(#[from] RunNotFound),
    /// The run has published nothing under this name so far.
    #[error(
        "run {run_id} has not published `{query}`; it has published [{}]",
        published.join(", ")
    )]
    NotPublished {
        /// The run.
        run_id: RunId,
        /// The durable name that was asked for.
        query: String,
        /// The names under which it has published something.
        published: Vec<String>,
    },
    /// What the run has published is not of the wanted type.
    #[error("what run {run_id} has published as `{query}` cannot be read: {source}")]
    Decode {
        /// The run.
        run_id: RunId,
        /// The durable name that was asked for.
        query: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine has stopped.
    #[error(transparent)]
    EngineStopped(#[from] EngineStopped),
}
