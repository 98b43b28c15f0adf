//! The operations that a workflow has issued, and how many of them can still wake it.

use std::collections::BTreeMap;
use std::task::Waker;

use entracte_model::Seq;

use crate::context::operation::{Operation, Outcome};

/// The operations by their numbers.
///
/// What changes whether an operation can wake the run goes through here, so that the count of
/// those that can is at hand: it is asked in every turn.
#[derive(Debug, Default)]
pub(super) struct Operations {
    table: BTreeMap<Seq, Operation>,
    awaited: usize,
}

impl Operations {
    pub(super) fn insert(&mut self, seq: Seq, operation: Operation) {
        self.awaited += usize::from(operation.is_awaited());
        self.table.insert(seq, operation);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<Operation> {
        let operation = self.table.remove(&seq)?;
        self.awaited -= usize::from(operation.is_awaited());
        Some(operation)
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Operation> {
        self.table.get(&seq)
    }

    /// For everything but the end of an operation and whether something waits for it.
    pub(super) fn get_mut(&mut self, seq: Seq) -> Option<&mut Operation> {
        self.table.get_mut(&seq)
    }

    /// Ends an operation; gives the waker of whoever waits, to be woken once the lock is free.
    pub(super) fn resolve(&mut self, seq: Seq, outcome: Outcome) -> Option<Waker> {
        let operation = self.table.get_mut(&seq)?;
        self.awaited -= usize::from(operation.is_awaited());
        operation.resolve(outcome)
    }

    /// Nothing waits for an operation any more, which stays pending.
    pub(super) fn detach(&mut self, seq: Seq) {
        if let Some(operation) = self.table.get_mut(&seq) {
            self.awaited -= usize::from(operation.is_awaited());
            operation.is_detached = true;
        }
    }

    /// Whether the end of any operation can wake the run.
    pub(super) fn is_any_awaited(&self) -> bool {
        self.awaited > 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Seq, &Operation)> {
        self.table.iter().map(|(seq, operation)| (*seq, operation))
    }
}
