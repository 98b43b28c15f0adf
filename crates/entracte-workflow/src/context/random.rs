//! Random numbers that come out the same when a run is rebuilt.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use uuid::Uuid;

use super::WorkflowContext;

impl WorkflowContext {
    /// A random number, the same when the run is rebuilt (rule DET-3).
    #[must_use]
    pub fn random(&self) -> u64 {
        self.core.lock().random.next()
    }

    /// A random number of a range, each with the same probability; the same when the run is
    /// rebuilt.
    ///
    /// # Panics
    /// If the range is empty.
    #[must_use]
    pub fn random_range(&self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "the range {range:?} is empty");
        range.start + self.core.lock().random.below(range.end - range.start)
    }

    /// A random UUID of version 4, the same when the run is rebuilt.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.core.lock().random.uuid()
    }
}

/// `ChaCha8` from the run's randomness seed (rule DET-3).
#[derive(Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The seed is widened here, by `SplitMix64`, and not by a library that could change how:
    /// the numbers a seed gives are part of what old histories rely on.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, by Lemire's method, which rejects what would make some numbers
    /// likelier than others.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
            let (high, low) = ((product >> 64) as u64, product as u64);
            if low >= threshold {
                return high;
            }
        }
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn det_3_the_numbers_of_a_seed_never_change() {
        // Computed apart from this code, after the descriptions of SplitMix64 and ChaCha8.
        let mut random = Random::new(42);
        let numbers = [random.next(), random.next()];
        assert_eq!(numbers, [3_536_907_876_931_541_756, 1_681_417_456_739_323_905]);
        assert_eq!(random.uuid().to_string(), "9fa6d99a-bfaf-40f7-9a49-37fdd57a20b9");
    }

    proptest! {
        #[test]
        fn numbers_stay_below_their_bound(seed: u64, bound in 1_u64..) {
            prop_assert!(Random::new(seed).below(bound) < bound);
        }
    }
}
