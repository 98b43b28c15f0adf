//! What is put on the engine and on the floor.

use std::sync::Arc;

use entracte::store::StoreError;
use entracte::{
    Durability, RunError, ShutdownError, SignalError, StartEngineError, StartWorkflowError,
    WorkflowError,
};

/// A number of runs of the sequence: three activities, one after the other, each of which takes
/// and returns the same payload.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many runs are measured.
    pub runs: u64,
    /// How many runs are open at the same time, at most.
    pub in_flight: usize,
    /// What an answer of the journal survives.
    pub durability: Durability,
    /// The argument and the result of the run and of each of its activities.
    pub payload: Arc<str>,
}

impl Load {
    /// Makes a payload of so many bytes of varied text, so that compression finds little in it.
    #[must_use]
    pub fn payload_of(bytes: usize) -> Arc<str> {
        let mut state: u32 = 0x9e37_79b9;
        let text: String = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + ((state >> 24) % 26) as u8)
        })
        .take(bytes)
        .collect();
        Arc::from(text)
    }
}

/// Says why a round of a load has no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The directory of the round could not be made or looked at.
    #[error("directory of the round: {0}")]
    Directory(#[from] std::io::Error),
    /// The floor's store failed.
    #[error("store of the floor: {0}")]
    Store(#[from] fjall::Error),
    /// An actor of the floor could not be started.
    #[error("actor of the floor could not be started: {0}")]
    Spawn(#[from] ractor::SpawnErr),
    /// An actor of the floor could not be stopped.
    #[error("actor of the floor could not be stopped: {0}")]
    Stop(String),
    /// A run ended without an answer.
    #[error("run {run} ended without an answer: the tree of actors has come down")]
    Lost {
        /// The number of the run.
        run: u64,
    },
    /// The engine could not be started.
    #[error("engine could not be started: {0}")]
    EngineStart(#[from] StartEngineError),
    /// The engine did not start a run.
    #[error("run was not started: {0}")]
    Start(#[from] StartWorkflowError),
    /// The engine's store failed.
    #[error("store of the engine: {0}")]
    EngineStore(#[from] StoreError),
    /// A run of the engine failed.
    #[error("run failed: {0}")]
    Run(#[from] WorkflowError),
    /// A run of the engine was not cancelled.
    #[error("run was not cancelled: {0}")]
    Cancel(#[source] Box<RunError>),
    /// A run of the engine was not signaled.
    #[error("run was not signaled: {0}")]
    Signal(#[source] Box<SignalError>),
    /// A run of the engine gave back something else than its payload.
    #[error("run {run} gave `{result}`, which is not its payload")]
    WrongResult {
        /// The number of the run.
        run: u64,
        /// What it gave.
        result: String,
    },
    /// The engine could not be shut down.
    #[error("engine could not be shut down: {0}")]
    EngineShutdown(#[from] ShutdownError),
    /// A thread beside the load panicked.
    #[error("the thread of the {0} panicked")]
    Thread(&'static str),
    /// A task of the driver panicked.
    #[error("task of the driver: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A latency could not be recorded.
    #[error("latency could not be recorded: {0}")]
    Latency(#[from] hdrhistogram::RecordError),
}

impl From<RunError> for LoadError {
    fn from(error: RunError) -> Self {
        Self::Cancel(Box::new(error))
    }
}

impl From<SignalError> for LoadError {
    fn from(error: SignalError) -> Self {
        Self::Signal(Box::new(error))
    }
}
