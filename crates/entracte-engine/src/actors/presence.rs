//! Tells the directory when the last trace of a run's actors is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entracte_model::RunId;

use crate::address::Address;
use crate::messages::{DirectoryMessage, Epoch};

/// Held by a run's actor and by each attempt and timer under it. When the last of them is
/// gone, however it ended (also killed, also by a panic), the directory is told; it re-creates
/// what should be alive, and never beside something that still runs.
#[derive(Debug, Clone)]
pub(crate) struct Presence(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    run_id: RunId,
    epoch: Epoch,
    directory: Address<DirectoryMessage>,
    /// Whether the run has left, and handed back what came too late for it.
    has_left: AtomicBool,
}

impl Presence {
    pub(crate) fn new(run_id: RunId, epoch: Epoch, directory: Address<DirectoryMessage>) -> Self {
        Self(Arc::new(Guard { run_id, epoch, directory, has_left: AtomicBool::new(false) }))
    }

    /// The run has left in order: the directory need not be told that it is gone.
    pub(crate) fn leave(&self) {
        self.0.has_left.store(true, Ordering::Relaxed);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if *self.has_left.get_mut() {
            return;
        }
        // Without a directory the engine itself is gone, and nothing is to be re-created.
        let _ =
            self.directory.cast(DirectoryMessage::Gone { run_id: self.run_id, epoch: self.epoch });
    }
}
