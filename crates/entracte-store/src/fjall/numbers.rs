//! The numbers of commits.
//!
//! Every commit has a number: 1, 2, 3, … without a gap. It is written with the commit, in one
//! row in each of the three spaces, so that the journal tells where something is missing, and
//! the tables of each space tell how far they reach.

use std::array;

use super::checksum;

/// How long the value of a commit's row is.
const LEN: usize = 4 * size_of::<u64>();

/// What is written along with a commit, in every space, under
/// [`RESERVED_KEY`](crate::keys::RESERVED_KEY).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitRow {
    /// Which store it belongs to, so that a journal that somebody keeps as a value in another
    /// one is not taken for a part of it.
    pub(super) store_id: u64,
    /// The number of the commit.
    pub(super) number: u64,
    /// The highest number that was known to be synced when the commit was written.
    pub(super) synced: u64,
    /// The sequence number that fjall would have given to the commit if nothing of its own had
    /// come in between. fjall's checksums leave the sequence number of a batch out.
    pub(super) seqno_min: u64,
}

impl CommitRow {
    pub(super) fn encode(self) -> [u8; LEN] {
        let fields = [self.store_id, self.number, self.synced, self.seqno_min];
        let bytes = fields.map(u64::to_be_bytes);
        array::from_fn(|i| bytes[i / 8][i % 8])
    }

    /// Reads a row; none if these bytes are not one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        let field = |i: usize| u64::from_be_bytes(array::from_fn(|j| bytes[8 * i + j]));
        let row =
            Self { store_id: field(0), number: field(1), synced: field(2), seqno_min: field(3) };
        (row.synced < row.number).then_some(row)
    }
}

/// How far a store is known to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The store's own number, drawn when it is made.
    pub(super) store_id: u64,
    /// The highest number that is known to be synced; 0 before the first commit.
    pub(super) synced: u64,
}

const SLOT_MAGIC: [u8; 8] = *b"ENTRTAIL";
/// How long a slot of the tail's file is: magic, sequence, store id, number, checksum.
pub(super) const SLOT_LEN: usize = 5 * size_of::<u64>();

/// One of the two places in the tail's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// The later one of two slots has the higher sequence.
    pub(super) sequence: u64,
    pub(super) tail: Tail,
}

impl Slot {
    pub(super) fn encode(self) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        let fields = [self.sequence, self.tail.store_id, self.tail.synced].map(u64::to_be_bytes);
        let parts = [SLOT_MAGIC].into_iter().chain(fields);
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part);
        }
        let (body, check) = bytes.split_at_mut(SLOT_LEN - 8);
        check.copy_from_slice(&checksum::short(body).to_be_bytes());
        bytes
    }

    /// Reads a slot; none if these bytes are not one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SLOT_LEN] = bytes.get(..SLOT_LEN)?.try_into().ok()?;
        let field = |i: usize| u64::from_be_bytes(array::from_fn(|j| bytes[8 * i + j]));
        let is_whole = bytes[..8] == SLOT_MAGIC && field(4) == checksum::short(&bytes[..32]);
        let tail = Tail { store_id: field(2), synced: field(3) };
        is_whole.then_some(Self { sequence: field(1), tail })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_and_slots_read_back_as_written(a: u64, b: u64, c in 1_u64.., d: u64) {
            let row = CommitRow { store_id: a, number: c, synced: c - 1, seqno_min: d };
            prop_assert_eq!(CommitRow::decode(&row.encode()), Some(row));
            let slot = Slot { sequence: b, tail: Tail { store_id: a, synced: d } };
            prop_assert_eq!(Slot::decode(&slot.encode()), Some(slot));
        }

        #[test]
        fn a_slot_with_a_flipped_bit_is_none(sequence: u64, synced: u64, bit in 0..SLOT_LEN * 8) {
            let mut bytes = Slot { sequence, tail: Tail { store_id: 7, synced } }.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Slot::decode(&bytes), None);
        }
    }

    #[test]
    fn what_is_no_row_is_none() {
        assert_eq!(CommitRow::decode(&[0; LEN]), None, "nothing has the number 0");
        assert_eq!(CommitRow::decode(&[1; LEN - 1]), None);
        let ahead = CommitRow { store_id: 1, number: 5, synced: 5, seqno_min: 0 };
        assert_eq!(CommitRow::decode(&ahead.encode()), None, "no commit knows of its own sync");
    }
}
