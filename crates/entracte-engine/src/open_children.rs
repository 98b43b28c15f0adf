//! How many runs that are children are open.
//!
//! A child that cannot start must not wait: those that are open may be waiting for it. So beyond
//! the limit its start fails, which its parent's history tells like any other reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the children that are in memory.
#[derive(Debug, Default)]
pub(crate) struct OpenChildren(Arc<AtomicUsize>);

/// The place of an open child; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenChild(Arc<AtomicUsize>);

impl OpenChildren {
    /// Takes the place of a child that begins; none if all are taken.
    pub(crate) fn begin(&self, max: usize) -> Option<OpenChild> {
        let more = |open: usize| (open < max).then_some(open + 1);
        let begun = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        begun.ok().map(|_| OpenChild(Arc::clone(&self.0)))
    }

    /// Takes the place of a child that has begun before.
    pub(crate) fn come_back(&self) -> OpenChild {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenChild(Arc::clone(&self.0))
    }
}

impl Drop for OpenChild {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
