//! The batches: about what one group commit of the engine writes.

use entracte::store::{Batch, Space};

/// The rows of one append of the engine, on average: a run of three activities is 21 rows in
/// four appends.
const ROWS_PER_APPEND: usize = 5;
/// How many different bytes the values are cut from.
const POOL_BYTES: usize = 1 << 20;

/// Makes one batch after the other, the same ones each time.
///
/// A number of runs is open at all times, and each of them has one append in each batch: a
/// start, two completions of an activity with the schedule of the next one, and an end. Its
/// rows are those of the engine, with values of one length: new events in the space `History`,
/// rows of the space `State` that are written, overwritten and deleted, and the clock in the
/// space `Meta`.
#[derive(Debug)]
pub struct Batches {
    runs: u64,
    row_bytes: usize,
    pool: Vec<u8>,
    at: usize,
    number: u64,
}

impl Batches {
    /// Makes batches of so many rows, about, with values of so many bytes.
    #[must_use]
    pub fn new(rows: usize, row_bytes: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        let pool = std::iter::repeat_with(|| (mix(&mut state) >> 56) as u8)
            .take(POOL_BYTES + row_bytes)
            .collect();
        let runs = (rows / ROWS_PER_APPEND).max(1) as u64;
        Self { runs, row_bytes, pool, at: 0, number: 0 }
    }

    /// Makes the next batch.
    pub fn next_batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for slot in 0..self.runs {
            // The runs are not all at the same step.
            let (run, step) =
                ((self.number + slot) / 4 * self.runs + slot, (self.number + slot) % 4);
            self.append(&mut batch, run, step);
        }
        batch.put(Space::Meta, "clock", self.number.to_be_bytes());
        self.number += 1;
        batch
    }

    fn append(&mut self, batch: &mut Batch, run: u64, step: u64) {
        let run_id = run_id(run);
        let (first_event, events) = if step == 0 { (1, 2) } else { (3 * step, 3) };
        for event in first_event..first_event + events {
            let key = [&run_id[..], &event.to_be_bytes()].concat();
            batch.put(Space::History, key, self.value());
        }
        if step > 0 {
            batch.delete(Space::State, pending_key(run_id, step - 1));
        }
        if step < 3 {
            batch.put(Space::State, pending_key(run_id, step), self.value());
        }
        if step == 0 || step == 3 {
            batch.put(Space::State, [&[0x01], &run_id[..]].concat(), self.value());
            let workflow_id = format!("\u{2}sequence-{run}");
            batch.put(Space::State, workflow_id, self.value());
        }
    }

    /// The key of a row of the space `State` that was written early on and is still there.
    #[must_use]
    pub fn early_key(number: u64) -> Vec<u8> {
        [&[0x01], &run_id(number)[..]].concat()
    }

    fn value(&mut self) -> &[u8] {
        self.at = (self.at + self.row_bytes + 1) % POOL_BYTES;
        &self.pool[self.at..self.at + self.row_bytes]
    }
}

/// An id of the layout of the engine's: a time of six bytes, then what looks like chance.
fn run_id(run: u64) -> [u8; 16] {
    let mut state = run;
    let (first, second) = (mix(&mut state), mix(&mut state));
    let mut id = [0; 16];
    // Some runs start in the same millisecond.
    id[..6].copy_from_slice(&(run / 4).to_be_bytes()[2..]);
    id[6..8].copy_from_slice(&first.to_be_bytes()[..2]);
    id[8..].copy_from_slice(&second.to_be_bytes());
    id
}

fn pending_key(run_id: [u8; 16], activity: u64) -> Vec<u8> {
    [&[0x03], &run_id[..], &(activity as u32).to_be_bytes()].concat()
}

/// The generator SplitMix64.
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use entracte::store::Op;

    use super::*;

    #[test]
    fn four_batches_are_as_many_appends_of_each_open_run() {
        let mut batches = Batches::new(100, 150);
        let (mut events, mut state) = (HashSet::new(), 0);
        for _ in 0..4 {
            let batch = batches.next_batch();
            for op in batch.ops() {
                match op.space() {
                    // No event is written twice.
                    Space::History => assert!(events.insert(op.key().to_vec())),
                    Space::State => state += 1,
                    Space::Meta => assert_eq!(op.key(), b"clock"),
                }
            }
        }
        assert_eq!((events.len(), state), (20 * 11, 20 * 10));
    }

    #[test]
    fn a_pending_activity_is_deleted_by_the_next_batch() {
        let mut batches = Batches::new(5, 10);
        let start = batches.next_batch();
        let next = batches.next_batch();
        let put = start.ops().find(|op| op.key()[0] == 0x03).unwrap();
        assert!(matches!(put, Op::Put { value, .. } if value.len() == 10));
        assert!(next.ops().any(|op| matches!(op, Op::Delete { key, .. } if key == put.key())));
    }

    #[test]
    fn batches_are_the_same_each_time() {
        let (mut one, mut other) = (Batches::new(40, 99), Batches::new(40, 99));
        for _ in 0..9 {
            assert_eq!(one.next_batch(), other.next_batch());
        }
    }
}
