//! Batches: what is written together or not at all.

mod typed;

use crate::error::StoreError;
use crate::keys::RESERVED_KEY;
use crate::store::{KEY_BYTES_MAX, Space};

/// What each operation costs beyond its key and value, roughly, in bytes.
const OP_OVERHEAD_BYTES: usize = 16;

/// How much room a batch makes at its first operation, so that it seldom grows: what a turn writes
/// of a run whose payloads are small.
const FIRST_BYTES: usize = 1_024;
const FIRST_ENTRIES: usize = 8;

/// One operation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<'a> {
    /// Writes a row, whether there was one under the key or not.
    Put {
        /// Where.
        space: Space,
        /// Under which key.
        key: &'a [u8],
        /// What.
        value: &'a [u8],
    },
    /// Deletes the row under a key, if there is one.
    Delete {
        /// Where.
        space: Space,
        /// Under which key.
        key: &'a [u8],
    },
}

impl<'a> Op<'a> {
    /// The space in which it happens.
    #[must_use]
    pub const fn space(self) -> Space {
        match self {
            Self::Put { space, .. } | Self::Delete { space, .. } => space,
        }
    }

    /// The key under which it happens.
    #[must_use]
    pub const fn key(self) -> &'a [u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// Operations that are written together or not at all.
///
/// They happen in order: of two on the same key, the later one counts. All keys and values lie
/// in one piece of memory, so that a batch costs two allocations, however many rows it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Where an operation lies in the batch's bytes: its key, then its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    space: Space,
    is_put: bool,
    key_at: usize,
    value_at: usize,
    end: usize,
}

impl Batch {
    /// Makes an empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a row, whether there is one under the key or not.
    pub fn put(&mut self, space: Space, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.put_with(space, key, |bytes| bytes.extend_from_slice(value.as_ref()));
    }

    /// Writes a row whose value is appended to the bytes it is given.
    pub(crate) fn put_with(
        &mut self,
        space: Space,
        key: impl AsRef<[u8]>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let key_at = self.begin();
        self.bytes.extend_from_slice(key.as_ref());
        let value_at = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        self.entries.push(Entry { space, is_put: true, key_at, value_at, end });
    }

    /// Deletes the row under a key, if there is one.
    pub fn delete(&mut self, space: Space, key: impl AsRef<[u8]>) {
        let key_at = self.begin();
        self.bytes.extend_from_slice(key.as_ref());
        let end = self.bytes.len();
        self.entries.push(Entry { space, is_put: false, key_at, value_at: end, end });
    }

    /// Where the next operation lies.
    fn begin(&mut self) -> usize {
        if self.entries.capacity() == 0 {
            self.bytes.reserve(FIRST_BYTES);
            self.entries.reserve(FIRST_ENTRIES);
        }
        self.bytes.len()
    }

    /// Moves all operations of another batch behind those of this one.
    pub fn append(&mut self, other: &mut Self) {
        let offset = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.entries.extend(other.entries.drain(..).map(|entry| Entry {
            key_at: entry.key_at + offset,
            value_at: entry.value_at + offset,
            end: entry.end + offset,
            ..entry
        }));
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much memory and journal the batch takes, roughly, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * OP_OVERHEAD_BYTES
    }

    /// The operations, in order.
    pub fn ops(&self) -> impl ExactSizeIterator<Item = Op<'_>> + DoubleEndedIterator {
        self.entries.iter().map(|entry| {
            let Entry { space, is_put, key_at, value_at, end } = *entry;
            let key = &self.bytes[key_at..value_at];
            if is_put {
                Op::Put { space, key, value: &self.bytes[value_at..end] }
            } else {
                Op::Delete { space, key }
            }
        })
    }

    /// Checks that every store can hold the batch: keys of 1 to [`KEY_BYTES_MAX`] bytes, none of
    /// them [`RESERVED_KEY`], and values below 4 GiB.
    ///
    /// # Errors
    /// [`StoreError::InvalidBatch`] names the first operation that no store can hold, and
    /// [`StoreError::ReservedKey`] one on a key that no batch may write.
    pub fn check(&self) -> Result<(), StoreError> {
        for op in self.ops() {
            let key_bytes = op.key().len();
            let value_bytes = match op {
                Op::Put { value, .. } => value.len(),
                Op::Delete { .. } => 0,
            };
            if key_bytes == 0 || key_bytes > KEY_BYTES_MAX || u32::try_from(value_bytes).is_err() {
                return Err(StoreError::InvalidBatch { space: op.space(), key_bytes, value_bytes });
            }
            if op.key() == RESERVED_KEY {
                return Err(StoreError::ReservedKey { space: op.space() });
            }
        }
        Ok(())
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
