//! Commits that follow from their numbers, so that it is known what each of them leaves behind.

use std::collections::BTreeMap;

use entracte::store::{Batch, Op, Space};

use super::content::Content;

/// How large the values of commits are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ValueSizes {
    /// In the spaces `Meta` and `State`, at least; at most twice as large.
    pub(super) small: usize,
    /// In the space `History`, at least; at most twice as large.
    pub(super) history: usize,
    /// The values of the space `History` are this many times as large beyond the commit of
    /// this number.
    pub(super) larger_beyond: (u64, usize),
}

/// The commit of a number, from 1. It writes into every space: rows of its own, a row that each
/// commit overwrites, and deletes rows of earlier commits.
pub(super) fn commit(number: u64, sizes: ValueSizes) -> Batch {
    let mut batch = Batch::new();
    let value = |salt: u64, least: usize| {
        let spread = number.wrapping_mul(7_919).wrapping_add(salt) as usize % least;
        bytes(number << 2 | salt, least + spread)
    };
    batch.put(Space::Meta, "last", number.to_be_bytes());
    batch.put(Space::Meta, format!("meta-{number:08}"), value(0, sizes.small));
    let mut event_key = vec![(number % 7) as u8 + 1; 16];
    event_key.extend(number.to_be_bytes());
    let (last, times) = sizes.larger_beyond;
    let times = if number > last { times } else { 1 };
    batch.put(Space::History, event_key, value(1, sizes.history * times));
    batch.put(Space::State, format!("state-{number:08}"), value(2, sizes.small));
    batch.put(Space::State, format!("turn-{}", number % 5), number.to_be_bytes());
    if number.is_multiple_of(2) && number > 4 {
        batch.delete(Space::State, format!("state-{:08}", number - 4));
    }
    batch
}

/// What a store holds after none, the first, the second … of so many commits.
pub(super) fn contents(commits: u64, sizes: ValueSizes) -> Vec<Content> {
    let mut rows: BTreeMap<(Space, Vec<u8>), Vec<u8>> = BTreeMap::new();
    let mut contents = vec![Content::default()];
    let mut content = Content::default();
    for number in 1..=commits {
        for op in commit(number, sizes).ops() {
            let (space, key) = (op.space(), op.key());
            let before = match op {
                Op::Put { value, .. } => {
                    content.add(space, key, value);
                    rows.insert((space, key.to_vec()), value.to_vec())
                }
                Op::Delete { .. } => rows.remove(&(space, key.to_vec())),
            };
            if let Some(before) = before {
                content.remove(space, key, &before);
            }
        }
        contents.push(content);
    }
    contents
}

/// Bytes that cannot be made smaller, and follow from a seed.
pub(super) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
