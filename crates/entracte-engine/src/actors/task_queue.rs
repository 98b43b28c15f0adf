//! A task queue: grants slots to the attempts that wait in it, and tells their runs.
//!
//! It is under the root from when somebody waits for the first time. What it works on is in
//! [`TaskQueues`]; when it is killed, the root makes another one, which goes on from there.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::address::{Address, Envelope, Mailbox};
use crate::messages::TaskQueueMessage;
use crate::task_queues::TaskQueues;

pub(crate) struct TaskQueue;

pub(crate) struct TaskQueueArguments {
    pub(crate) queues: Arc<TaskQueues>,
    pub(crate) task_queue: Arc<str>,
    pub(crate) mailbox: Mailbox,
}

pub(crate) struct TaskQueueState {
    myself: Address<TaskQueueMessage>,
    queues: Arc<TaskQueues>,
    task_queue: Arc<str>,
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
    type Msg = Envelope<TaskQueueMessage>;
    type State = TaskQueueState;
    type Arguments = TaskQueueArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Envelope<TaskQueueMessage>>,
        TaskQueueArguments { queues, task_queue, mailbox }: TaskQueueArguments,
    ) -> Result<TaskQueueState, ActorProcessingErr> {
        let myself = Address::new(myself, mailbox);
        Ok(TaskQueueState { myself, queues, task_queue, wake: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Envelope<TaskQueueMessage>>,
        envelope: Envelope<TaskQueueMessage>,
        state: &mut TaskQueueState,
    ) -> Result<(), ActorProcessingErr> {
        match envelope.open() {
            TaskQueueMessage::Dispatch => state.dispatch(),
        }
        Ok(())
    }
}

impl TaskQueueState {
    fn dispatch(&mut self) {
        let next = self.queues.dispatch(&self.task_queue);
        if self.wake.as_ref().map(|wake| wake.at) == next {
            return;
        }
        self.wake = next.map(|at| {
            let delay = at.saturating_duration_since(Instant::now());
            let task = self.myself.send_after(delay, || TaskQueueMessage::Dispatch);
            Wake { at, task }
        });
    }
}

impl std::fmt::Debug for TaskQueueArguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskQueueArguments").field("task_queue", &self.task_queue).finish()
    }
}
