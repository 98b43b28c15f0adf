//! Group commit: which appends go into the next batch, and what happens when it has landed.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use entracte_model::{RunId, Timestamp};
use entracte_store::keys::DeliveryKey;
use entracte_store::{Batch, Persist, Store, StoreError};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::heads::{Changed, Heads};
use super::mailbox::JournalMailbox;
use crate::address::Address;
use crate::messages::{
    Acknowledgement, Append, AppendOutcome, DirectoryMessage, Epoch, JournalMessage, RunMessage,
};
use crate::options::Durability;
use crate::shared::{JournalCounters, Shared};

pub(super) struct JournalState {
    shared: Arc<Shared>,
    heads: Heads,
    directory: Option<Address<DirectoryMessage>>,
    pub(super) waiting: VecDeque<Waiting>,
    /// The authors of the batch that is being committed; none while a sync runs alone.
    in_flight: Option<Vec<Acknowledgement>>,
    /// What the batch that is being committed sends to runs.
    in_flight_deliveries: Vec<DeliveryKey>,
    /// The runs that are to be opened for what the batch holds.
    in_flight_runs: Vec<RunId>,
    /// Those who wait until the batch in flight is settled.
    opening: Vec<(Epoch, Address<RunMessage>)>,
    /// Who waits for the store to be closed.
    closing: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// What became of closing the store, once it is closed.
    closed: Option<Result<(), StoreError>>,
    /// Whether something was committed that no sync has covered.
    dirty: bool,
    sync_armed: bool,
    sync_due: bool,
    last_time: Timestamp,
}

/// What waits for the next batch, in the order in which it came.
pub(super) enum Waiting {
    Append(Box<Append>),
    /// Rows of runs that have no actor and never will have one again, and what they send.
    Rows {
        rows: Batch,
        deliveries: Vec<DeliveryKey>,
    },
    /// A run's actor has left. Its head is forgotten only now, behind everything that an older
    /// actor of the run had sent: without a head, nobody would know that the actor was older.
    Forget {
        run_id: RunId,
        epoch: Epoch,
    },
}

impl JournalState {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            heads: Heads::default(),
            directory: None,
            waiting: VecDeque::new(),
            in_flight: None,
            in_flight_deliveries: Vec::new(),
            in_flight_runs: Vec::new(),
            opening: Vec::new(),
            closing: Vec::new(),
            closed: None,
            dirty: false,
            sync_armed: false,
            sync_due: false,
            last_time: Timestamp::EPOCH,
        }
    }

    /// Takes up what has reached the journal.
    pub(super) fn take(&mut self, message: JournalMessage) {
        match message {
            JournalMessage::Attach { directory } => self.directory = Some(directory),
            JournalMessage::Append(append) => self.waiting.push_back(Waiting::Append(append)),
            JournalMessage::Rows { rows, deliveries } => {
                self.waiting.push_back(Waiting::Rows { rows, deliveries });
            }
            JournalMessage::Open { run_id, epoch, author } => self.open(run_id, epoch, author),
            JournalMessage::Forget { run_id, epoch } => {
                self.waiting.push_back(Waiting::Forget { run_id, epoch });
            }
            JournalMessage::Committed(result) | JournalMessage::Synced(result) => {
                self.settle(result);
            }
            JournalMessage::SyncDue => self.sync_due = true,
            JournalMessage::Close { reply } => match &self.closed {
                // Whoever asked before may have gone without hearing the answer.
                Some(result) => {
                    let _ = reply.send(result.clone());
                }
                None => self.closing.push(reply),
            },
            JournalMessage::Closed(result) => {
                for reply in self.closing.drain(..) {
                    let _ = reply.send(result.clone());
                }
                self.closed = Some(result);
            }
        }
    }

    /// The engine has ended: nobody is answered any more.
    pub(super) fn let_go(&mut self) {
        self.waiting.clear();
        self.opening.clear();
        self.closing.clear();
    }

    fn open(&mut self, run_id: RunId, epoch: Epoch, author: Address<RunMessage>) {
        self.heads.open(run_id, epoch);
        self.opening.push((epoch, author));
    }

    /// Does whatever can be done now; called after every message.
    pub(super) fn advance(&mut self, myself: &JournalMailbox) {
        if self.in_flight.is_some() {
            return;
        }
        for (epoch, author) in self.opening.drain(..) {
            let _ = author.cast(RunMessage::Opened { epoch });
        }
        if let Some(reason) = self.shared.health.poisoned() {
            refuse_all(&mut self.waiting, reason);
        }
        if !self.waiting.is_empty() {
            self.commit_group(myself);
        } else if self.sync_due {
            self.sync(myself);
        } else if !self.closing.is_empty() {
            self.close(myself);
        }
    }

    fn commit_group(&mut self, myself: &JournalMailbox) {
        let (batch, authors) = self.assemble();
        if authors.is_empty() && batch.is_empty() {
            return self.advance(myself);
        }
        // A sync that is due goes along with the commit: on a busy engine there is never a
        // moment without appends in which it could run alone.
        let persist = match self.shared.options.durability {
            Durability::Sync => Persist::Sync,
            Durability::Interval(_) if self.sync_due => Persist::Sync,
            Durability::Interval(_) | Durability::OsBuffered => Persist::Buffer,
        };
        self.in_flight = Some(authors);
        JournalCounters::add(&self.shared.counters.commits, 1);
        if persist == Persist::Sync {
            JournalCounters::add(&self.shared.counters.syncs, 1);
            self.disarm_sync();
        } else {
            self.dirty = true;
            self.arm_sync(myself);
        }
        let store = Arc::clone(&self.shared.store);
        let myself = myself.clone();
        tokio::spawn(async move {
            let result = unpanicking(async { store.commit(batch, persist).await }).await;
            let _ = myself.cast(JournalMessage::Committed(result));
        });
    }

    /// Puts the next batch together; appends that believe something wrong are answered.
    fn assemble(&mut self) -> (Batch, Vec<Acknowledgement>) {
        let mut batch = Batch::new();
        let mut authors = Vec::new();
        let mut changed = Changed::default();
        let counters = &self.shared.counters;
        while authors.len() < self.shared.options.commit_appends_max {
            let mut append = match self.waiting.pop_front() {
                None => break,
                Some(Waiting::Append(append)) => append,
                Some(Waiting::Rows { mut rows, deliveries }) => {
                    batch.append(&mut rows);
                    self.in_flight_deliveries.extend(deliveries);
                    continue;
                }
                Some(Waiting::Forget { run_id, epoch }) => {
                    self.heads.forget(run_id, epoch);
                    continue;
                }
            };
            if let Err(refusal) = self.heads.admit(&*self.shared.store, &append, &mut changed) {
                JournalCounters::add(&counters.appends_refused, 1);
                append.acknowledgement.answer(AppendOutcome::Refused(refusal));
                continue;
            }
            JournalCounters::add(&counters.appends, 1);
            JournalCounters::add(&counters.events, append.event_count);
            if let Some(claim) = &append.claim {
                append.rows.put_workflow_id(&claim.workflow_id, &claim.new);
            }
            batch.append(&mut append.rows);
            self.in_flight_deliveries.append(&mut append.deliveries);
            self.in_flight_runs.extend(append.opens);
            self.last_time = self.last_time.max(append.time);
            authors.push(append.acknowledgement);
        }
        if !authors.is_empty() {
            batch.put_clock(self.last_time);
        }
        (batch, authors)
    }

    /// Answers the authors of the batch that was in flight.
    fn settle(&mut self, result: Result<(), StoreError>) {
        let authors = self.in_flight.take().unwrap_or_default();
        let outcome = match result {
            Ok(()) => AppendOutcome::Committed,
            Err(error) => {
                self.fail(&error);
                AppendOutcome::Failed(error)
            }
        };
        if matches!(outcome, AppendOutcome::Committed) {
            self.shared.watchers.wake(authors.iter().map(|author| author.run_id));
        }
        for author in authors {
            author.answer(outcome.clone());
        }
        let deliveries = std::mem::take(&mut self.in_flight_deliveries);
        let runs = std::mem::take(&mut self.in_flight_runs);
        if let (AppendOutcome::Committed, Some(directory)) = (&outcome, &self.directory) {
            for run_id in runs {
                let _ = directory.cast(DirectoryMessage::Open { run_id });
            }
            for key in deliveries {
                let _ = directory.cast(DirectoryMessage::Deliver { key });
            }
        }
    }

    /// The store failed: from here on the engine acknowledges nothing (rule 12).
    fn fail(&self, error: &StoreError) {
        tracing::error!(%error, "the journal could not be written: the engine stops");
        self.shared.health.poison(format!("the journal could not be written: {error}"));
        self.shared.watchers.close();
        if let Some(directory) = &self.directory {
            let _ = directory.cast(DirectoryMessage::EngineStopped);
        }
    }

    fn arm_sync(&mut self, myself: &JournalMailbox) {
        if let Durability::Interval(interval) = self.shared.options.durability
            && !self.sync_armed
        {
            self.sync_armed = true;
            // Detached on purpose: it is refused if the engine has ended.
            let journal = myself.clone();
            tokio::spawn(async move {
                tokio::time::sleep(interval).await;
                let _ = journal.cast(JournalMessage::SyncDue);
            });
        }
    }

    /// Ends the wait for the next sync; tells whether there is anything to sync.
    fn disarm_sync(&mut self) -> bool {
        self.sync_due = false;
        self.sync_armed = false;
        std::mem::take(&mut self.dirty)
    }

    fn sync(&mut self, myself: &JournalMailbox) {
        if !self.disarm_sync() {
            return self.advance(myself);
        }
        self.in_flight = Some(Vec::new());
        JournalCounters::add(&self.shared.counters.syncs, 1);
        let store = Arc::clone(&self.shared.store);
        let myself = myself.clone();
        tokio::spawn(async move {
            let result = unpanicking(async { store.sync().await }).await;
            let _ = myself.cast(JournalMessage::Synced(result));
        });
    }

    fn close(&mut self, myself: &JournalMailbox) {
        // Nothing is written any more, not even by a sync that is armed.
        self.in_flight = Some(Vec::new());
        let store: Arc<dyn Store> = Arc::clone(&self.shared.store);
        let myself = myself.clone();
        tokio::spawn(async move {
            let result = unpanicking(async { store.close().await }).await;
            let _ = myself.cast(JournalMessage::Closed(result));
        });
    }
}

/// A store that panics has failed: its caller must hear of it, or it would wait for ever. The
/// call itself is part of the work, since it may run a codec.
async fn unpanicking(work: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_panic| {
        Err(StoreError::Poisoned { reason: "the store panicked while it wrote".into() })
    })
}

fn refuse_all(waiting: &mut VecDeque<Waiting>, reason: &str) {
    for waiting in waiting.drain(..) {
        if let Waiting::Append(append) = waiting {
            let error = StoreError::Poisoned { reason: reason.into() };
            append.acknowledgement.answer(AppendOutcome::Failed(error));
        }
    }
}
