//! What is done to the machine of a play.

use std::fmt;

use entracte_store::{CrashPoint, SimulatedDisk};

/// What happens at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The machine dies, and the commit is lost with everything that was not synced.
    CrashBeforeDurable,
    /// The machine dies, and the commit is kept, though nobody heard of it.
    CrashAfterDurable,
    /// The commit fails, and may have reached the disk all the same.
    CommitFails,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 3] =
        [Self::CrashBeforeDurable, Self::CrashAfterDurable, Self::CommitFails];
}

/// A fault, and when it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// At which commit it happens for the first time, counted from 1.
    pub commit: u64,
    /// How often it happens. After the first time it strikes at one of the first three commits
    /// of the engine that goes on.
    pub strikes: u32,
}

impl Fault {
    /// Plans the next strike on a disk that was struck so many times before; gives the number
    /// of the commit.
    pub(super) fn plan(self, disk: &SimulatedDisk, struck: u32) -> u64 {
        let commit = if struck == 0 { self.commit } else { disk.commits() + 1 + self.commit % 3 };
        match self.kind {
            FaultKind::CrashBeforeDurable => {
                disk.crash_at_commit(commit, CrashPoint::BeforeDurable)
            }
            FaultKind::CrashAfterDurable => disk.crash_at_commit(commit, CrashPoint::AfterDurable),
            FaultKind::CommitFails => disk.fail_at_commit(commit),
        }
        commit
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, commit, strikes } = self;
        match kind {
            FaultKind::CrashBeforeDurable => write!(f, "crash before commit {commit} is durable"),
            FaultKind::CrashAfterDurable => write!(f, "crash after commit {commit} is durable"),
            FaultKind::CommitFails => write!(f, "failure of commit {commit}"),
        }?;
        if *strikes > 1 {
            write!(f, ", {strikes} times")?;
        }
        Ok(())
    }
}
