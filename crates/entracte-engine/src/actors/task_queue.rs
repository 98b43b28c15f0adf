//! A task queue: grants slots to the attempts that wait in it, and tells their runs.
//!
//! It is under the root from when somebody waits for the first time. What it works on is in
//! [`TaskQueues`]; when it is killed, the root makes another one, which goes on from there.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::task_queues::TaskQueues;

pub(crate) struct TaskQueue;

pub(crate) enum TaskQueueMessage {
    /// There may be slots for those who wait.
    Dispatch,
}

pub(crate) struct TaskQueueArguments {
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) task_queue: Arc<str>,
}

pub(crate) struct TaskQueueState {
    arguments: TaskQueueArguments,
    /// When the rate allows the next one, if that is waited for.
    wake: Option<Wake>,
}

/// A message that the actor sends to itself later, unless this is dropped before.
struct Wake {
    at: Instant,
    task: AbortHandle,
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Actor for TaskQueue {
    type Msg = TaskQueueMessage;
    type State = TaskQueueState;
    type Arguments = TaskQueueArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<TaskQueueMessage>,
        arguments: TaskQueueArguments,
    ) -> Result<TaskQueueState, ActorProcessingErr> {
        Ok(TaskQueueState { arguments, wake: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<TaskQueueMessage>,
        message: TaskQueueMessage,
        state: &mut TaskQueueState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TaskQueueMessage::Dispatch => state.dispatch(&myself),
        }
        Ok(())
    }
}

impl TaskQueueState {
    fn dispatch(&mut self, myself: &ActorRef<TaskQueueMessage>) {
        let TaskQueueArguments { queues, task_queue } = &self.arguments;
        let next = queues.dispatch(task_queue);
        if self.wake.as_ref().map(|wake| wake.at) == next {
            return;
        }
        self.wake = next.map(|at| {
            let delay = at.saturating_duration_since(Instant::now());
            let task = myself.send_after(delay, || TaskQueueMessage::Dispatch);
            Wake { at, task: task.abort_handle() }
        });
    }
}

impl std::fmt::Debug for TaskQueueArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskQueueArguments").field("task_queue", &self.task_queue).finish()
    }
}
