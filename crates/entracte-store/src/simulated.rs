//! A store that crashes and fails on request, the same way for the same seed.
//!
//! A [`SimulatedDisk`] outlives the machines that use it; each [`SimulatedStore`] is a store
//! opened on such a machine. Commits take a random while of virtual time and are answered one
//! after the other, so the store belongs into a tokio runtime of one thread whose time is
//! paused. What was committed with [`Persist::Buffer`](crate::Persist::Buffer) and not synced
//! is lost with the machine.
//!
//! ```
//! # use entracte_store::{Batch, CrashPoint, Persist, SimulatedDisk, SimulatedOptions, Space, Store};
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let disk = SimulatedDisk::new(SimulatedOptions { seed: 7, ..SimulatedOptions::default() });
//! disk.crash_at_commit(1, CrashPoint::AfterDurable);
//! let store = disk.reopen();
//! let mut batch = Batch::new();
//! batch.put(Space::State, "key", "value");
//! tokio::select! {
//!     _ = store.commit(batch, Persist::Sync) => unreachable!("the machine dies first"),
//!     () = disk.crashed() => {}
//! }
//! let store = disk.reopen();
//! assert_eq!(store.get(Space::State, b"key").unwrap().unwrap(), "value");
//! # });
//! ```

mod disk;
mod machine;
mod store;
mod trace;

use std::time::Duration;

pub use self::disk::SimulatedDisk;
pub use self::store::SimulatedStore;
pub use self::trace::{TraceEntry, Traced};

/// How a simulated disk behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedOptions {
    /// What all random choices come from. Default 0.
    pub seed: u64,
    /// The longest that a commit, a sync or a closing takes, in virtual time. Default 10 ms.
    pub delay_max: Duration,
    /// Whether the disk keeps a record of what happened to it. Default no.
    pub record_trace: bool,
}

impl Default for SimulatedOptions {
    fn default() -> Self {
        Self { seed: 0, delay_max: Duration::from_millis(10), record_trace: false }
    }
}

/// Whether a commit at which the machine dies has reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// It has not: the batch is lost, and so is all that was not synced.
    BeforeDurable,
    /// It has: the batch is kept, with everything that was committed before it.
    AfterDurable,
}

#[cfg(test)]
mod tests;
