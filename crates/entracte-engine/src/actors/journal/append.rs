//! What runs hand to the journal, and what they are answered.

use entracte_model::{EventId, RunId, Timestamp, WorkflowId};
use entracte_store::keys::DeliveryKey;
use entracte_store::rows::WorkflowIdRow;
use entracte_store::{Batch, StoreError};

use super::Epoch;
use crate::actors::run::RunMessage;
use crate::address::Address;

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

/// What became of an append.
#[derive(Debug, Clone)]
pub(crate) enum AppendOutcome {
    /// It is as durable as the engine's option says.
    Committed,
    /// Its author believed something wrong; nothing of it was written.
    Refused(Refusal),
    /// The store failed; whether it was written is known only after reopening.
    Failed(StoreError),
}

/// What an author believed wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("run {run_id} was opened again: epoch {current:?} follows {epoch:?}")]
    OldEpoch { run_id: RunId, epoch: Epoch, current: Epoch },
    #[error("run {run_id} goes on at event {expected}, not at {next_event_id}")]
    WrongEvent { run_id: RunId, next_event_id: EventId, expected: EventId },
    #[error("run {run_id} is not at event {next_event_id} in the store")]
    NotInStore { run_id: RunId, next_event_id: EventId },
    #[error("workflow id `{workflow_id}` has changed hands")]
    WorkflowIdTaken { workflow_id: WorkflowId },
    #[error("run {run_id} is not open any more")]
    NotOpen { run_id: RunId },
    #[error("the store could not be asked: {0}")]
    Unreadable(String),
}
