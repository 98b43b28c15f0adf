//! Batches: what is written together or not at all.

mod typed;

use bytes::Bytes;

use crate::error::StoreError;
use crate::store::{KEY_BYTES_MAX, Space};

/// What each operation costs beyond its key and value, roughly, in bytes.
const OP_OVERHEAD_BYTES: usize = 16;

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a row, whether there was one under the key or not.
    Put {
        /// Where.
        space: Space,
        /// Under which key.
        key: Bytes,
        /// What.
        value: Bytes,
    },
    /// Deletes the row under a key, if there is one.
    Delete {
        /// Where.
        space: Space,
        /// Under which key.
        key: Bytes,
    },
}

impl Op {
    /// The space in which it happens.
    #[must_use]
    pub const fn space(&self) -> Space {
        match self {
            Self::Put { space, .. } | Self::Delete { space, .. } => *space,
        }
    }

    /// The key under which it happens.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Self::Put { value, .. } => value.len(),
            Self::Delete { .. } => 0,
        }
    }
}

/// Operations that are written together or not at all.
///
/// They take effect in their order: of several on one key the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    ops: Vec<Op>,
    size_bytes: usize,
}

impl Batch {
    /// Makes a batch without operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the writing of a row.
    pub fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.push(Op::Put { space, key: key.into(), value: value.into() });
    }

    /// Adds the deletion of a row.
    pub fn delete(&mut self, space: Space, key: impl Into<Bytes>) {
        self.push(Op::Delete { space, key: key.into() });
    }

    /// Moves the operations of another batch behind those of this one.
    pub fn append(&mut self, other: &mut Self) {
        self.ops.append(&mut other.ops);
        self.size_bytes += std::mem::take(&mut other.size_bytes);
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How much there is to write, roughly, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The operations in their order.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = &Op> {
        self.ops.iter()
    }

    /// Takes the batch apart into its operations, in their order.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Checks that every store can take the batch.
    ///
    /// # Errors
    /// [`StoreError::InvalidBatch`] names the first operation that no store takes.
    pub fn check(&self) -> Result<(), StoreError> {
        for op in &self.ops {
            let (key_bytes, value_bytes) = (op.key().len(), op.value_bytes());
            if key_bytes == 0 || key_bytes > KEY_BYTES_MAX || u32::try_from(value_bytes).is_err() {
                return Err(StoreError::InvalidBatch { space: op.space(), key_bytes, value_bytes });
            }
        }
        Ok(())
    }

    fn push(&mut self, op: Op) {
        self.size_bytes += op.key().len() + op.value_bytes() + OP_OVERHEAD_BYTES;
        self.ops.push(op);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_size_when_joined() {
        let mut first = Batch::new();
        first.put(Space::Meta, "a", "12345");
        let mut second = Batch::new();
        second.delete(Space::State, "bc");
        let size_bytes = first.size_bytes() + second.size_bytes();
        first.append(&mut second);
        assert!(second.is_empty() && second.size_bytes() == 0);
        assert_eq!((first.len(), first.size_bytes()), (2, size_bytes));
        let spaces: Vec<Space> = first.ops().map(Op::space).collect();
        assert_eq!(spaces, [Space::Meta, Space::State]);
    }

    #[test]
    fn keys_that_no_store_takes_are_named() {
        let mut batch = Batch::new();
        batch.put(Space::State, vec![0; KEY_BYTES_MAX], "");
        assert!(batch.check().is_ok());
        batch.put(Space::State, vec![0; KEY_BYTES_MAX + 1], "");
        let error = batch.check().unwrap_err();
        assert!(matches!(error, StoreError::InvalidBatch { key_bytes: 65_536, .. }), "{error}");
        let mut empty_key = Batch::new();
        empty_key.delete(Space::Meta, "");
        assert!(matches!(empty_key.check(), Err(StoreError::InvalidBatch { key_bytes: 0, .. })));
    }
}
