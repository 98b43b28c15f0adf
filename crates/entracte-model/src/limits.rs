//! How many operations of a run may be pending.

use serde::{Deserialize, Serialize};

/// How many operations of each kind a run may have pending (rule LIM-6).
///
/// A run keeps the limits with which it was started, in its first event: what its workflow was
/// refused stays refused when it is replayed, whatever the engine's options say by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingLimits {
    /// Activities that have not ended. Default 2,000.
    pub activities: u32,
    /// Child workflows that have not ended (rule CHD-18). Default 2,000.
    pub children: u32,
    /// Signals to other workflows that have not been answered. Default 2,000.
    pub external_signals: u32,
    /// Requests to other workflows to cancel that have not been answered; those to children do
    /// not count. Default 2,000.
    pub external_cancels: u32,
}

impl PendingLimits {
    /// Those of runs that began before there were limits: histories of format version 1.
    pub const UNLIMITED: Self = Self {
        activities: u32::MAX,
        children: u32::MAX,
        external_signals: u32::MAX,
        external_cancels: u32::MAX,
    };

    /// Whether these are the defaults, which are not written down.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// These numbers are part of the history format: a first event without limits has them, for ever.
impl Default for PendingLimits {
    fn default() -> Self {
        Self {
            activities: 2_000,
            children: 2_000,
            external_signals: 2_000,
            external_cancels: 2_000,
        }
    }
}
