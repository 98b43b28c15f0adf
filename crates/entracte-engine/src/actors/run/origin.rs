//! Where a run's actor gets its run from, and what it is given with it.

use std::sync::Arc;

use entracte_model::RunId;
use entracte_model::event::WorkflowExecutionStarted;
use entracte_store::rows::WorkflowIdRow;

use crate::actors::journal::JournalHandle;
use crate::address::{Address, Mailbox};
use crate::live::LiveRun;
use crate::messages::{DirectoryMessage, Epoch, StartReply};
use crate::shared::Shared;

pub(crate) struct RunArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: JournalHandle,
    pub(crate) directory: Address<DirectoryMessage>,
    pub(crate) run_id: RunId,
    pub(crate) epoch: Epoch,
    pub(crate) origin: Origin,
    pub(crate) mailbox: Mailbox,
    /// What the actor tells of itself.
    pub(crate) live: Arc<LiveRun>,
}

/// Where a run's actor gets its run from.
pub(crate) enum Origin {
    /// A client has just started it.
    New(Box<NewRun>),
    /// It is in the store.
    Stored,
}

/// A run that is about to begin.
pub(crate) struct NewRun {
    pub(crate) started: WorkflowExecutionStarted,
    /// The row of the workflow id that the run's claim replaces.
    pub(crate) replaces: Option<WorkflowIdRow>,
    /// Whom to tell; nobody of a child, whose parent hears of it by a delivery.
    pub(crate) reply: Option<StartReply>,
}
