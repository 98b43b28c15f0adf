//! The tree of cancellation scopes (rules CAN-2 and CAN-3).
//!
//! Each operation is in one scope: where it was started, or further inside, where it was awaited.
//! A scope that is cancelled cancels those below it, except behind a shield. The root stands for
//! the run: nobody above it, and cancelled when the run is asked to cancel.
//!
//! A scope stays in the tree as long as a handle, an operation, a waiter or another scope needs
//! it, so that a workflow that makes a scope for each of its steps does not grow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;

use entracte_model::Seq;

/// The number of a scope within its run. It is not persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeId(u64);

impl ScopeId {
    pub(crate) const ROOT: Self = Self(0);

    pub(super) fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct ScopeTree {
    scopes: BTreeMap<ScopeId, Node>,
    scope_last: u64,
    waiter_last: u64,
}

#[derive(Debug, Default)]
struct Node {
    /// The scope around it; none of the root only.
    parent: Option<ScopeId>,
    /// Whether the cancellation of what is around it passes it by.
    is_shielded: bool,
    /// Why it is cancelled; none if it is not.
    reason: Option<Arc<str>>,
    children: BTreeSet<ScopeId>,
    operations: BTreeSet<Seq>,
    waiters: BTreeMap<u64, Waker>,
    holders: usize,
}

/// What a cancellation concerns: who waits for it, and the operations in their order.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    pub(super) wakers: Vec<Waker>,
    pub(super) operations: BTreeSet<Seq>,
}

impl ScopeTree {
    pub(super) fn new() -> Self {
        let root = Node::default();
        Self { scopes: BTreeMap::from([(ScopeId::ROOT, root)]), scope_last: 0, waiter_last: 0 }
    }

    /// Makes a scope with one holder; inside of a cancelled one it is cancelled from the start,
    /// unless it is shielded.
    pub(super) fn make(&mut self, parent: ScopeId, is_shielded: bool) -> ScopeId {
        self.scope_last += 1;
        let id = ScopeId(self.scope_last);
        let mut node = Node { parent: Some(parent), is_shielded, holders: 1, ..Node::default() };
        if let Some(parent) = self.scopes.get_mut(&parent) {
            parent.children.insert(id);
            node.reason = parent.reason.clone().filter(|_| !is_shielded);
        }
        self.scopes.insert(id, node);
        id
    }

    pub(super) fn hold(&mut self, id: ScopeId) {
        if let Some(node) = self.scopes.get_mut(&id) {
            node.holders += 1;
        }
    }

    pub(super) fn release(&mut self, id: ScopeId) {
        if let Some(node) = self.scopes.get_mut(&id) {
            node.holders = node.holders.saturating_sub(1);
        }
        self.prune(id);
    }

    /// Why a scope is cancelled; none if it is not.
    pub(super) fn reason(&self, id: ScopeId) -> Option<&Arc<str>> {
        self.scopes.get(&id)?.reason.as_ref()
    }

    /// Cancels a scope and what is below it. A second time changes nothing.
    pub(super) fn cancel(&mut self, id: ScopeId, reason: &Arc<str>) -> Concerned {
        let mut concerned = Concerned::default();
        let mut below = vec![id];
        while let Some(id) = below.pop() {
            let Some(node) = self.scopes.get_mut(&id) else { continue };
            if node.reason.is_some() {
                // And with it everything below.
                continue;
            }
            node.reason = Some(Arc::clone(reason));
            concerned.wakers.extend(std::mem::take(&mut node.waiters).into_values());
            concerned.operations.extend(&node.operations);
            let children: Vec<_> = node.children.iter().copied().collect();
            below.extend(children.into_iter().filter(|child| !self.is_shielded(*child)));
        }
        concerned
    }

    /// Whether one scope is inside of another one, or the same.
    pub(super) fn is_within(&self, mut id: ScopeId, outer: ScopeId) -> bool {
        while id != outer {
            match self.scopes.get(&id).and_then(|node| node.parent) {
                Some(parent) => id = parent,
                None => return false,
            }
        }
        true
    }

    pub(super) fn add_operation(&mut self, id: ScopeId, seq: Seq) {
        if let Some(node) = self.scopes.get_mut(&id) {
            node.operations.insert(seq);
        }
    }

    pub(super) fn remove_operation(&mut self, id: ScopeId, seq: Seq) {
        if let Some(node) = self.scopes.get_mut(&id) {
            node.operations.remove(&seq);
        }
        self.prune(id);
    }

    /// Registers a waiter under its number, or a new one; gives the waker that is not needed.
    pub(super) fn wait(&mut self, id: ScopeId, number: Option<u64>, waker: Waker) -> Waiting {
        let number = number.unwrap_or_else(|| {
            self.waiter_last += 1;
            self.waiter_last
        });
        let replaced = match self.scopes.get_mut(&id) {
            Some(node) => node.waiters.insert(number, waker),
            None => Some(waker),
        };
        Waiting { number, replaced }
    }

    pub(super) fn stop_waiting(&mut self, id: ScopeId, number: u64) -> Option<Waker> {
        let released = self.scopes.get_mut(&id).and_then(|node| node.waiters.remove(&number));
        self.prune(id);
        released
    }

    /// Whether something waits for a cancellation that can come from outside: that of the run.
    pub(super) fn is_run_cancellation_awaited(&self) -> bool {
        let mut below = vec![ScopeId::ROOT];
        while let Some(node) = below.pop().and_then(|id| self.scopes.get(&id)) {
            if !node.waiters.is_empty() {
                return true;
            }
            below.extend(node.children.iter().filter(|child| !self.is_shielded(**child)));
        }
        false
    }

    /// Gives up all waiters; their wakers must not be dropped under the lock.
    pub(super) fn take_waiters(&mut self) -> Vec<Waker> {
        let waiters = self.scopes.values_mut().flat_map(|node| std::mem::take(&mut node.waiters));
        waiters.map(|(_, waker)| waker).collect()
    }

    fn is_shielded(&self, id: ScopeId) -> bool {
        self.scopes.get(&id).is_some_and(|node| node.is_shielded)
    }

    /// Forgets a scope that nothing needs any more, and then those around it.
    fn prune(&mut self, mut id: ScopeId) {
        while let Some(Node {
            parent: Some(parent), children, operations, waiters, holders, ..
        }) = self.scopes.get(&id)
        {
            let is_needed = *holders > 0
                || !children.is_empty()
                || !operations.is_empty()
                || !waiters.is_empty();
            if is_needed {
                return;
            }
            let parent = *parent;
            self.scopes.remove(&id);
            if let Some(around) = self.scopes.get_mut(&parent) {
                around.children.remove(&id);
            }
            id = parent;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.scopes.len()
    }
}

/// A waiter that was registered.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    /// The waker that is not needed; it must not be dropped under the lock.
    pub(super) replaced: Option<Waker>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn can_3_a_cancellation_goes_down_and_stops_at_shields() {
        let mut tree = ScopeTree::new();
        let outer = tree.make(ScopeId::ROOT, false);
        let (left, shield) = (tree.make(outer, false), tree.make(outer, true));
        let behind = tree.make(shield, false);
        for (scope, seq) in [(ScopeId::ROOT, 4), (outer, 3), (left, 2), (shield, 1), (behind, 5)] {
            tree.add_operation(scope, Seq::new(seq));
        }
        let concerned = tree.cancel(outer, &"enough".into());
        assert_eq!(concerned.operations, BTreeSet::from([Seq::new(2), Seq::new(3)]));
        assert_eq!(tree.reason(left).map(|reason| &**reason), Some("enough"));
        for not in [ScopeId::ROOT, shield, behind] {
            assert_eq!(tree.reason(not), None);
        }
        let again = tree.cancel(outer, &"again".into());
        assert!(again.operations.is_empty());
        assert_eq!(tree.reason(outer).map(|reason| &**reason), Some("enough"));
        let late = tree.make(left, false);
        assert_eq!(tree.reason(late).map(|reason| &**reason), Some("enough"));
        let shielded = tree.make(left, true);
        assert_eq!(tree.reason(shielded), None);
    }

    #[test]
    fn a_scope_that_nothing_needs_is_forgotten_with_those_around_it() {
        let mut tree = ScopeTree::new();
        for number in 1..=1_000 {
            let outer = tree.make(ScopeId::ROOT, false);
            let inner = tree.make(outer, number % 2 == 0);
            tree.add_operation(inner, Seq::new(number));
            tree.release(outer);
            tree.release(inner);
            let waiting = tree.wait(inner, None, Waker::noop().clone());
            assert_eq!(tree.len(), 3);
            tree.remove_operation(inner, Seq::new(number));
            assert_eq!(tree.len(), 3);
            assert!(tree.stop_waiting(inner, waiting.number).is_some());
            assert_eq!(tree.len(), 1);
        }
        tree.release(ScopeId::ROOT);
        assert_eq!(tree.len(), 1);
    }
}
