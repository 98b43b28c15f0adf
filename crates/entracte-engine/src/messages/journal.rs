//! What is handed to the journal.

use entracte_model::{EventId, RunId, Timestamp, WorkflowId};
use entracte_store::keys::DeliveryKey;
use entracte_store::rows::WorkflowIdRow;
use entracte_store::{Batch, StoreError};
use tokio::sync::oneshot;

use super::directory::DirectoryMessage;
use super::run::RunMessage;
use super::verdict::{AppendOutcome, Epoch};
use crate::address::Address;

pub(crate) enum JournalMessage {
    /// From now on, report the end of the store to this actor.
    Attach { directory: Address<DirectoryMessage> },
    /// Write this, with others, and answer its author.
    Append(Box<Append>),
    /// Write rows of runs that have no actor and never will have one again, with the next group,
    /// then have the directory tell of what they send.
    Rows { rows: Batch, deliveries: Vec<DeliveryKey> },
    /// Raise the run's epoch, so that no older author can write any more; answer when the
    /// batch in flight, which may hold an older author's append, is settled.
    Open { run_id: RunId, epoch: Epoch, author: Address<RunMessage> },
    /// The run's actor of this epoch has left: forget its head.
    Forget { run_id: RunId, epoch: Epoch },
    /// The commit that ran beside the actor has ended.
    Committed(Result<(), StoreError>),
    /// The interval between two syncs is over.
    SyncDue,
    /// The sync that ran beside the actor has ended.
    Synced(Result<(), StoreError>),
    /// Write what waits, close the store, and answer when its lock is free.
    Close { reply: oneshot::Sender<Result<(), StoreError>> },
    /// The store is closed.
    Closed(Result<(), StoreError>),
}

/// Rows that belong together, and what their author believes.
pub(crate) struct Append {
    pub(crate) run_id: RunId,
    /// The author's epoch: an older one than the run's is refused.
    pub(crate) epoch: Epoch,
    /// The id of the run's next event, as the author knows it.
    pub(crate) next_event_id: EventId,
    /// How many events the rows hold.
    pub(crate) event_count: u64,
    /// The time of the last event, or of the change.
    pub(crate) time: Timestamp,
    pub(crate) rows: Batch,
    pub(crate) claim: Option<WorkflowIdClaim>,
    /// Another run that the author believes to be open.
    pub(crate) requires_open: Option<RunId>,
    /// The run that the rows begin, or give something to do, and of which nobody has made an
    /// actor: the directory is told to open it when they are durable.
    pub(crate) opens: Option<RunId>,
    /// What the rows send to other runs: the directory is told when they are durable.
    pub(crate) deliveries: Vec<DeliveryKey>,
    pub(crate) acknowledgement: Acknowledgement,
}

/// The author believes that the row of a workflow id is this, and makes it that.
pub(crate) struct WorkflowIdClaim {
    pub(crate) workflow_id: WorkflowId,
    pub(crate) expected: Option<WorkflowIdRow>,
    pub(crate) new: WorkflowIdRow,
}

/// Whom to answer; the token is the author's own.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledgement {
    pub(crate) run_id: RunId,
    pub(crate) author: Address<RunMessage>,
    pub(crate) token: u64,
}

impl Acknowledgement {
    pub(crate) fn answer(self, outcome: AppendOutcome) {
        // An author that is gone needs no answer: whoever follows it reads the store.
        let _ = self.author.cast(RunMessage::Appended { token: self.token, outcome });
    }
}

/// There is something to do.
pub(crate) struct JournalWake;
