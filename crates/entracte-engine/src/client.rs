//! How hosts talk to the runs of an engine.

mod async_activity;
mod cancel;
mod handle;
mod output;
mod pending_activity;
mod query;
mod signal;
mod start;
mod tell;
mod watch;

use std::sync::{Arc, Weak};

use entracte_model::Payload;
use tokio::sync::oneshot;

pub use self::async_activity::AsyncActivity;
pub use self::cancel::CancelWorkflow;
pub use self::handle::WorkflowHandle;
pub(crate) use self::output::Output;
pub use self::pending_activity::{
    PauseActivity, PendingActivities, PendingActivity, ResetActivity, UnpauseActivity,
    UpdateActivityOptions,
};
pub use self::signal::SendSignal;
pub(crate) use self::signal::deliver_signal;
pub use self::start::StartWorkflow;
pub(crate) use self::tell::Copies;
pub use self::watch::{EventPosition, EventStream};
use crate::address::Address;
use crate::errors::EngineStopped;
use crate::messages::DirectoryMessage;
use crate::shared::Shared;

/// What a handle needs to talk to its engine; does not keep the engine alive.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Weak, so that a handle that somebody keeps does not keep the store open.
    shared: Weak<Shared>,
    directory: Address<DirectoryMessage>,
}

impl Client {
    pub(crate) fn new(shared: &Arc<Shared>, directory: Address<DirectoryMessage>) -> Self {
        Self { shared: Arc::downgrade(shared), directory }
    }

    /// What the engine's actors share, as long as there is an engine.
    pub(crate) fn shared(&self) -> Result<Arc<Shared>, EngineStopped> {
        self.shared.upgrade().ok_or_else(EngineStopped::killed)
    }

    /// As [`shared`](Self::shared), as long as the engine has not stopped: for those who
    /// read its store, which another engine may have by then.
    pub(crate) fn running(&self) -> Result<Arc<Shared>, EngineStopped> {
        let shared = self.shared()?;
        shared.health.stopped().map_or(Ok(shared), Err)
    }

    pub(crate) fn directory(&self) -> &Address<DirectoryMessage> {
        &self.directory
    }

    /// Asks once; nothing if the question was lost with the actor that held it.
    pub(crate) async fn ask_once<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> DirectoryMessage,
    ) -> Result<Option<T>, EngineStopped> {
        let (reply, answer) = oneshot::channel();
        if self.directory.cast(question(reply)).is_err() {
            return Err(self.stopped().unwrap_or_else(EngineStopped::killed));
        }
        Ok(answer.await.ok())
    }

    /// Asks until there is an answer: the question may be repeated without harm.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Fn(oneshot::Sender<T>) -> DirectoryMessage,
    ) -> Result<T, EngineStopped> {
        loop {
            if let Some(answer) = self.ask_once(&question).await? {
                return Ok(answer);
            }
            // The run's actor was killed with the question in its mailbox. The directory keeps
            // the question until it has opened the run again.
            if let Some(stopped) = self.stopped() {
                return Err(stopped);
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn stopped(&self) -> Option<EngineStopped> {
        self.running().err()
    }
}

/// How large arguments are together, if that is too large.
fn larger_than(limit: usize, input: &[Payload]) -> Option<usize> {
    let bytes = input.iter().map(|payload| payload.data().len()).sum();
    (bytes > limit).then_some(bytes)
}

impl EngineStopped {
    /// The engine is gone without having said why.
    pub(crate) fn killed() -> Self {
        Self { reason: "it was dropped or killed".to_owned() }
    }
}
