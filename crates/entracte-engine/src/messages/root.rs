//! What the root is told.

use std::sync::Arc;

use ractor::ActorId;

pub(crate) enum RootMessage {
    /// From now on, these are what the engine cannot do without.
    Organs { journal: ActorId, directory: ActorId },
    /// Somebody waits in a task queue that has no actor.
    StartTaskQueue { task_queue: Arc<str> },
}
