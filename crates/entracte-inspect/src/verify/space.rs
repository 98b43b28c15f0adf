//! What belongs to no run: facts about the store, and keys of no known kind.

use entracte_store::keys::{self, CLOCK_KEY, FORMAT_KEY, KeyRange};
use entracte_store::{InvalidRow, Space};

use super::Verifier;
use super::problem::Problem;
use super::rows::{Rows, hex};

impl Verifier<'_> {
    /// Reads the space `Meta`, and holds the clock against what was journaled.
    pub(super) fn check_meta(&mut self) {
        let all = KeyRange { space: Space::Meta, start: Vec::new(), end: None };
        let mut rows = Rows::new(self.store, all);
        while let Some(row) = rows.next(self.sink) {
            let expected = match row.key.as_ref() {
                FORMAT_KEY => size_of::<u32>(),
                CLOCK_KEY => size_of::<u64>(),
                key => {
                    (self.sink)(Problem::UnknownKey { space: Space::Meta, key: hex(key) });
                    continue;
                }
            };
            let found = row.value.len();
            if found != expected {
                let error = InvalidRow::Length { expected, found };
                let key = hex(&row.key);
                (self.sink)(Problem::Row { space: Space::Meta, key, error });
            }
        }
        self.counts.bytes.add(Space::Meta, rows.counts.bytes);
        self.check_clock();
    }

    /// Reads what lies between the known kinds of keys.
    pub(super) fn check_unknown_keys(&mut self) {
        for range in gaps() {
            let mut rows = Rows::new(self.store, range);
            while let Some(row) = rows.next(self.sink) {
                let key = hex(&row.key);
                (self.sink)(Problem::UnknownKey { space: Space::State, key });
            }
            self.counts.bytes.add(Space::State, rows.counts.bytes);
        }
    }
}

/// The ranges of the space `State` that belong to no kind of key.
fn gaps() -> Vec<KeyRange> {
    let mut known = [
        keys::run_all(),
        keys::workflow_id_all(),
        keys::pending_all(),
        keys::due_all(),
        keys::inbox_all(),
        keys::local_activities_all(),
        keys::published_all(),
        keys::deliveries_all(),
    ];
    known.sort_by(|one, other| one.start.cmp(&other.start));
    let mut gaps = Vec::new();
    let mut start = Some(Vec::new());
    for range in known {
        if let Some(start) = start.take().filter(|start| *start < range.start) {
            gaps.push(KeyRange { space: Space::State, start, end: Some(range.start) });
        }
        start = range.end;
    }
    gaps.extend(start.map(|start| KeyRange { space: Space::State, start, end: None }));
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_of_a_known_kind_or_lies_in_a_gap() {
        let gaps = gaps();
        for byte in 0..=u8::MAX {
            for key in [vec![byte], vec![byte, 0xff, 0xff]] {
                let holders = gaps.iter().filter(|gap| gap.contains(&key)).count();
                let is_known = matches!(byte, 1..=7 | 10);
                assert_eq!(holders, usize::from(!is_known), "{key:?}");
            }
        }
    }
}
