//! The record of what happened to a simulated disk.

use std::time::Duration;

use super::CrashPoint;
use crate::store::Persist;

/// One entry of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// When it happened, in virtual time since the disk was made.
    pub at: Duration,
    /// What happened.
    pub what: Traced,
}

/// What can happen to a simulated disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Traced {
    /// A store was opened on it.
    Opened,
    /// A commit was answered.
    Committed {
        /// Its number, from 1, over the disk's life.
        number: u64,
        /// How many operations it had.
        ops: usize,
        /// What it was to survive.
        persist: Persist,
    },
    /// A commit failed.
    Failed {
        /// Its number.
        number: u64,
        /// Whether it reached the disk all the same.
        reached_disk: bool,
        /// The error with which it was answered.
        error: String,
    },
    /// A sync was answered.
    Synced,
    /// The store was closed.
    Closed,
    /// The machine died at a commit.
    CrashedAtCommit {
        /// The commit's number.
        number: u64,
        /// Whether it reached the disk.
        point: CrashPoint,
    },
    /// The machine died between commits.
    Crashed,
}
