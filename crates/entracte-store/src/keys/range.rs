//! Ranges of keys.

use crate::store::Space;

/// The keys from one, included, up to another one, excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where the keys stand.
    pub space: Space,
    /// The first key.
    pub start: Vec<u8>,
    /// The key after the last one; none stands for the end of the space.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The keys that begin with a prefix.
    #[must_use]
    pub fn of_prefix(space: Space, prefix: Vec<u8>) -> Self {
        let end = next_prefix(&prefix);
        Self { space, start: prefix, end }
    }

    /// Whether a key lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && self.end.as_deref().is_none_or(|end| key < end)
    }
}

/// The smallest key behind all those that begin with a prefix; none if nothing lies behind.
#[must_use]
pub fn next_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

/// The smallest key behind another one.
#[must_use]
pub fn next_key(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_prefix_carries_over_full_bytes() {
        assert_eq!(next_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(next_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(next_prefix(&[255, 255]), None);
        assert_eq!(next_prefix(&[]), None);
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_with_the_prefix(
            prefix in prop::collection::vec(any::<u8>(), 0..4),
            key in prop::collection::vec(prop_oneof![Just(0), Just(255), any::<u8>()], 0..6),
            tail: Vec<u8>,
        ) {
            let range = KeyRange::of_prefix(Space::State, prefix.clone());
            prop_assert_eq!(range.contains(&key), key.starts_with(&prefix));
            prop_assert!(range.contains(&[prefix, tail].concat()));
        }

        #[test]
        fn nothing_lies_between_a_key_and_the_next(key: Vec<u8>, other: Vec<u8>) {
            prop_assert!(key < next_key(&key));
            prop_assert!(other <= key || other >= next_key(&key));
        }
    }
}
