//! What runs send to each other, on its way to runs that are not in memory.

use entracte_model::{RunId, Timestamp};
use entracte_store::keys::DeliveryKey;
use entracte_store::rows::{InboxMessage, InboxRow, RunRow};
use entracte_store::{Batch, StoreError, StoreExt};

use super::state::DirectoryState;
use crate::actors::run::{Origin, answer_to, goes_on};
use crate::chain::{last_run, next_without};
use crate::messages::{JournalMessage, LostRun, RunMessage};

impl DirectoryState {
    /// Something is on its way to a run, and its row is durable.
    pub(super) async fn deliver(&mut self, key: DeliveryKey) {
        let run_id = key.run_id;
        if self.stopped().is_some() || self.lost.contains_key(&run_id) {
            // It is read when the run is opened again.
            return;
        }
        if let Some(run) = self.open.get(run_id) {
            let _ = run.actor.cast(RunMessage::Delivered { key });
            return;
        }
        match self.store().get_run(run_id) {
            Ok(Some(row)) if row.status.is_open() => {
                self.open_stored(run_id, &row).await;
            }
            Ok(Some(_)) => self.discard(key),
            Ok(None) => self.open_child(run_id).await,
            Err(error) => {
                tracing::error!(workflow.run_id = %run_id, %error, "a delivery waits for the next start");
            }
        }
    }

    /// Opens a run that another one has given something to do, and that is durable: it begins, or
    /// it is closed and has children to tell.
    pub(super) async fn open_for_work(&mut self, run_id: RunId) {
        if self.stopped().is_some() || self.lost.contains_key(&run_id) {
            // It is found when the run is opened again.
            return;
        }
        if let Some(run) = self.open.get(run_id) {
            let _ = run.actor.cast(RunMessage::OpenAgain);
            return;
        }
        match self.store().get_run(run_id) {
            Ok(Some(row)) => {
                self.open_stored(run_id, &row).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(workflow.run_id = %run_id, %error, "a run waits for the next start");
            }
        }
    }

    /// A run was struck off the list, and killed before it could hand back what had come too
    /// late for it.
    pub(super) async fn take_back(&mut self, run_id: RunId) {
        match self.store().delivery_keys(run_id) {
            Ok(keys) => {
                for key in keys {
                    self.deliver(key).await;
                }
            }
            Err(error) => unreadable(run_id, &error),
        }
        // It may have been about to see that there are children to tell.
        if let Ok(Some(row)) = self.store().get_run(run_id)
            && let Some(close) = row.close
            && self.store().parent_closes(run_id, close.time).is_ok_and(|it| !it.is_empty())
        {
            self.open_for_work(run_id).await;
        }
    }

    /// Opens a run that has no row yet: it begins, or what was sent to it is in vain.
    async fn open_child(&mut self, run_id: RunId) {
        match self.store().deliveries(run_id) {
            Ok(rows) => self.open_child_with(run_id, rows).await,
            Err(error) => unreadable(run_id, &error),
        }
    }

    async fn open_child_with(&mut self, run_id: RunId, rows: Vec<(DeliveryKey, InboxRow)>) {
        let start = rows.iter().find_map(|(_, row)| match &row.message {
            InboxMessage::ChildStart { started, .. } => Some(started),
            _ => None,
        });
        let Some(started) = start else {
            rows.into_iter().for_each(|(key, _)| self.discard(key));
            return;
        };
        let parent = started.parent.as_ref().map(|parent| parent.run_id);
        let workflow_id = started.workflow_id.clone();
        self.spawn(LostRun { run_id, workflow_id, parent, losses: 0 }, Origin::Stored).await;
    }

    /// Takes up what an earlier engine has left to be done for a run that is not open.
    pub(super) async fn recover_deliveries(&mut self, run_id: RunId, row: Option<&RunRow>) {
        let Some(row) = row else { return self.open_child(run_id).await };
        let closed = row.close.map_or(Timestamp::EPOCH, |close| close.time);
        match self.store().parent_closes(run_id, closed) {
            Ok(to_tell) if to_tell.is_empty() => {}
            Ok(_) => drop(self.open_stored(run_id, row).await),
            Err(error) => unreadable(run_id, &error),
        }
        match self.store().delivery_keys(run_id) {
            Ok(keys) => keys.into_iter().for_each(|key| self.discard(key)),
            Err(error) => unreadable(run_id, &error),
        }
    }

    /// Passes what was sent to a closed run on to the run that goes on with its chain, or else
    /// strikes it; also what was sent to a run that was never started.
    fn discard(&self, key: DeliveryKey) {
        let row = match self.store().get_delivery(&key) {
            Ok(Some(row)) => Some(row),
            Ok(None) => return,
            Err(error) => {
                // Nobody is left who could read it.
                unreadable(key.run_id, &error);
                None
            }
        };
        let mut rows = Batch::new();
        let mut deliveries = Vec::new();
        rows.delete_delivery(key);
        if let Some(row) = row.as_ref().filter(|row| goes_on(&row.message))
            && let Some(run_id) = self.goes_on_in(key.run_id, &row.message)
        {
            let key = DeliveryKey { run_id, ..key };
            rows.put_delivery(key, row);
            deliveries.push(key);
        } else if let Some((answer, message)) = row.and_then(|row| answer_to(key, &row.message)) {
            let sender = Some((key.run_id, key.event_id));
            let received_at = self.shared.clock.now();
            rows.put_delivery(answer, &InboxRow { sender, received_at, message });
            deliveries.push(answer);
        }
        let _ = self.journal.cast(JournalMessage::Rows { rows, deliveries });
    }
}

impl DirectoryState {
    /// The open run of a closed one's chain that gets what was sent to the closed one; none if
    /// the chain has ended, or has it already.
    fn goes_on_in(&self, run_id: RunId, message: &InboxMessage) -> Option<RunId> {
        let next = match message {
            InboxMessage::Signaled(signaled) => next_without(self.store(), run_id, signaled),
            _ => last_run(self.store(), run_id),
        };
        match next {
            Ok(next) => next.filter(|(next, row)| *next != run_id && row.status.is_open()),
            Err(error) => {
                unreadable(run_id, &error);
                None
            }
        }
        .map(|(next, _)| next)
    }
}

fn unreadable(run_id: RunId, error: &StoreError) {
    tracing::error!(workflow.run_id = %run_id, %error, "what was sent to a run cannot be read");
}
