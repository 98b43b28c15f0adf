//! What the actor of a task queue is told.

pub(crate) enum TaskQueueMessage {
    /// There may be slots for those who wait.
    Dispatch,
}
