//! The three indexes from which an engine takes up its work again.

use std::collections::BTreeSet;

use entracte_model::RunId;

use super::{decode_key, for_each_row};
use crate::error::StoreError;
use crate::keys::{self, DueKey, InboxKey, LocalActivityKey, PendingActivityKey};
use crate::store::Store;

/// What is still to be done, for all runs: recovery reads this and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryIndex {
    /// The runs that something must reach.
    pub inbox: BTreeSet<RunId>,
    /// The runs with open activities, local ones included.
    pub pending: BTreeSet<RunId>,
    /// Everything that is due at some time, the earliest first.
    pub due: Vec<DueKey>,
}

impl RecoveryIndex {
    /// All the runs for which something is to be done.
    #[must_use]
    pub fn runs(&self) -> BTreeSet<RunId> {
        let due = self.due.iter().map(|key| &key.run_id);
        self.inbox.iter().chain(&self.pending).chain(due).copied().collect()
    }
}

pub(super) fn read<S: Store + ?Sized>(store: &S) -> Result<RecoveryIndex, StoreError> {
    let mut index = RecoveryIndex::default();
    for_each_row(store, keys::inbox_all(), |row| {
        index.inbox.insert(decode_key::<InboxKey>(row)?.run_id);
        Ok(())
    })?;
    for_each_row(store, keys::pending_all(), |row| {
        index.pending.insert(decode_key::<PendingActivityKey>(row)?.run_id);
        Ok(())
    })?;
    for_each_row(store, keys::local_activities_all(), |row| {
        index.pending.insert(decode_key::<LocalActivityKey>(row)?.run_id);
        Ok(())
    })?;
    for_each_row(store, keys::due_all(), |row| {
        index.due.push(decode_key(row)?);
        Ok(())
    })?;
    Ok(index)
}
