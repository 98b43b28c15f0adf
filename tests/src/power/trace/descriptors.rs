//! The file descriptors of a process.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Inode;

/// What a descriptor stands for.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Something in the directory that is watched.
    Inside(Rc<Description>),
    /// The file with what is told to the outside.
    Told,
}

/// An open file: several descriptors can share one, and its position with it.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) inode: Inode,
    pub(super) is_append: bool,
    pub(super) is_readable: bool,
    pub(super) position: Cell<u64>,
}

/// The descriptors that matter; all others stand for something elsewhere.
#[derive(Debug, Default)]
pub(super) struct Descriptors(HashMap<i64, Target>);

impl Descriptors {
    pub(super) fn get(&self, number: i64) -> Option<Target> {
        self.0.get(&number).cloned()
    }

    /// Lets a number stand for something, or for something elsewhere.
    pub(super) fn set(&mut self, number: i64, target: Option<Target>) {
        match target {
            Some(target) => self.0.insert(number, target),
            None => self.0.remove(&number),
        };
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
