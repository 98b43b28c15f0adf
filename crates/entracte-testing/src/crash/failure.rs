//! How a crash test fails.

use std::fmt::{self, Write};

use entracte_engine::{ShutdownError, StartEngineError};
use entracte_model::WorkflowId;

use super::Fault;
use crate::{BrokenStore, Outcome, Violation};

/// A scenario did not end as it should. Its `Debug` text is its message, so that an `unwrap`
/// in a test tells what happened.
#[derive(Clone, thiserror::Error)]
#[error("{} with seed {seed}: {problem}", played(fault.as_ref()))]
#[non_exhaustive]
pub struct CrashTestFailure {
    /// The seed of the play.
    pub seed: u64,
    /// What was done to the play; nothing to the undisturbed one.
    pub fault: Option<Fault>,
    /// What went wrong.
    pub problem: Box<Problem>,
}

/// What went wrong with a play.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The runtime of the play could not be made.
    #[error("the runtime cannot be made: {reason}")]
    Runtime {
        /// Why.
        reason: String,
    },
    /// The engine did not start.
    #[error("the engine does not start: {0}")]
    Start(#[source] StartEngineError),
    /// The engine did not shut down in order.
    #[error("the engine does not shut down: {0}")]
    Shutdown(#[source] ShutdownError),
    /// The script, or a question about a run, failed though nothing had struck the engine.
    #[error("the script failed: {reason}")]
    Script {
        /// The error.
        reason: String,
    },
    /// The time limit passed before all runs were closed.
    #[error("the time limit passed before the script and all runs had ended{}", list(open))]
    TimeLimit {
        /// The runs that are open, and what they wait for.
        open: Vec<String>,
    },
    /// A commit failed, and the engine went on as if it had not.
    #[error("the engine did not notice that a commit had failed")]
    FailureUnnoticed,
    /// The runs of a workflow id ended otherwise than undisturbed.
    #[error(
        "the runs of workflow `{workflow_id}` ended otherwise than undisturbed: {} instead of {}",
        outcomes(disturbed),
        outcomes(undisturbed)
    )]
    OutcomeDiffers {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// How its runs ended undisturbed.
        undisturbed: Vec<Outcome>,
        /// How they ended now.
        disturbed: Vec<Outcome>,
    },
    /// The store holds what it may not hold.
    #[error(transparent)]
    Store(#[from] BrokenStore),
    /// The journal did what it may not do.
    #[error(transparent)]
    Journal(#[from] Violation),
}

fn played(fault: Option<&Fault>) -> String {
    fault.map_or_else(|| "undisturbed".to_owned(), Fault::to_string)
}

fn list(open: &[String]) -> String {
    open.iter().fold(String::new(), |mut text, run| {
        let _ = write!(text, "\n  {run}");
        text
    })
}

fn outcomes(outcomes: &[Outcome]) -> String {
    let texts: Vec<_> = outcomes.iter().map(Outcome::to_string).collect();
    format!("[{}]", texts.join(", "))
}

impl fmt::Debug for CrashTestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
