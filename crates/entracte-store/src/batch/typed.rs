//! The typed rows that a batch can hold.

use entracte_model::{Event, RunId, Timestamp, WorkflowId};

use super::Batch;
use crate::keys::{
    CLOCK_KEY, DueKey, FORMAT_KEY, HistoryKey, InboxKey, Key, LocalActivityKey, PendingActivityKey,
    PublishedKey, RunKey, WorkflowIdKey,
};
use crate::rows::{
    InboxRow, LocalActivityRow, PendingActivityRow, PublishedRow, RunRow, WorkflowIdRow,
};
use crate::store::Space;

impl Batch {
    /// Writes an event of a run.
    pub fn put_event(&mut self, run_id: RunId, event: &Event) {
        let key = HistoryKey { run_id, event_id: event.id };
        self.put_with(HistoryKey::SPACE, key.encode(), |bytes| event.write_to(bytes));
    }

    /// Writes where a run stands.
    pub fn put_run(&mut self, run_id: RunId, row: &RunRow) {
        self.put_key(&RunKey { run_id }, |bytes| row.write_to(bytes));
    }

    /// Writes which run a workflow id stands for.
    pub fn put_workflow_id(&mut self, workflow_id: &WorkflowId, row: &WorkflowIdRow) {
        let key = WorkflowIdKey { workflow_id: workflow_id.clone() };
        self.put_key(&key, |bytes| row.write_to(bytes));
    }

    /// Writes where an open activity stands.
    pub fn put_pending(&mut self, key: PendingActivityKey, row: &PendingActivityRow) {
        self.put_key(&key, |bytes| row.write_to(bytes));
    }

    /// Deletes an activity that is no longer open.
    pub fn delete_pending(&mut self, key: PendingActivityKey) {
        self.delete_key(&key);
    }

    /// Writes that a local activity has not ended.
    pub fn put_local_activity(&mut self, key: LocalActivityKey, row: &LocalActivityRow) {
        self.put_key(&key, |bytes| row.write_to(bytes));
    }

    /// Deletes a local activity that has ended.
    pub fn delete_local_activity(&mut self, key: LocalActivityKey) {
        self.delete_key(&key);
    }

    /// Writes that something is due at some time.
    pub fn put_due(&mut self, key: DueKey) {
        self.put_key(&key, |_bytes| {});
    }

    /// Deletes what is no longer due.
    pub fn delete_due(&mut self, key: DueKey) {
        self.delete_key(&key);
    }

    /// Writes what must reach a run.
    pub fn put_inbox(&mut self, key: InboxKey, row: &InboxRow) {
        self.put_key(&key, |bytes| row.write_to(bytes));
    }

    /// Deletes what has reached its run.
    pub fn delete_inbox(&mut self, key: InboxKey) {
        self.delete_key(&key);
    }

    /// Writes what a run has published.
    pub fn put_published(&mut self, key: &PublishedKey, row: &PublishedRow) {
        self.put_key(key, |bytes| row.write_to(bytes));
    }

    /// Writes the engine time up to which the journal goes.
    pub fn put_clock(&mut self, time: Timestamp) {
        self.put(Space::Meta, CLOCK_KEY, time.as_unix_nanos().to_be_bytes());
    }

    /// Writes the format of the store.
    pub fn put_format(&mut self, format: u32) {
        self.put(Space::Meta, FORMAT_KEY, format.to_be_bytes());
    }

    fn put_key<K: Key>(&mut self, key: &K, write: impl FnOnce(&mut Vec<u8>)) {
        self.put_with(K::SPACE, key.encode(), write);
    }

    fn delete_key<K: Key>(&mut self, key: &K) {
        self.delete(K::SPACE, key.encode());
    }
}
