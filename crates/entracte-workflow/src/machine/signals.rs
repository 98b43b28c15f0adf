//! What a run knows of its signals, for people to see.

use std::sync::Arc;

use entracte_model::SourceLocation;

/// Signals that came to a run and that its workflow has not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadSignals {
    /// The durable name of the signals.
    pub signal_name: Arc<str>,
    /// How many there are.
    pub count: usize,
}

/// A signal that a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwaitedSignal {
    /// The durable name of the signal.
    pub signal_name: Arc<str>,
    /// Where the workflow waits for it.
    pub source: SourceLocation,
}
