//! Whatever rows become, looking at them never panics.

use entracte_store::{Row, Space};
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::export::export;

/// What becomes of a row.
#[derive(Debug, Clone)]
enum Damage {
    Gone,
    Cut(Index),
    Flipped(Index, u8),
    Replaced(Vec<u8>),
    /// The row stands under another key too, in which one byte differs.
    Copied(Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Gone),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flipped(at, bit)),
        any::<Vec<u8>>().prop_map(Damage::Replaced),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Copied(at, byte)),
    ]
}

fn apply(damage: &Damage, space: Space, row: &Row, batch: &mut Batch) {
    let mut value = row.value.to_vec();
    let mut key = row.key.to_vec();
    match damage {
        Damage::Gone => return batch.delete(space, &key),
        Damage::Cut(at) => value.truncate(at.index(value.len() + 1)),
        Damage::Flipped(at, bit) if !value.is_empty() => {
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
        }
        Damage::Flipped(..) => value.push(1),
        Damage::Replaced(other) => value.clone_from(other),
        Damage::Copied(at, byte) => {
            let at = at.index(key.len());
            key[at] = *byte;
        }
    }
    batch.put(space, key, value);
}

fn damaged(damages: &[(Index, Damage)]) -> MemoryStore {
    let store = sound().now_or_never().unwrap();
    let rows: Vec<_> = Space::ALL
        .into_iter()
        .flat_map(|space| {
            let rows = store.scan(space, &[], None, usize::MAX).unwrap();
            rows.into_iter().map(move |row| (space, row))
        })
        .collect();
    let mut batch = Batch::new();
    for (which, damage) in damages {
        let (space, row) = &rows[which.index(rows.len())];
        apply(damage, *space, row, &mut batch);
    }
    store.commit(batch, Persist::Sync).now_or_never().unwrap().unwrap();
    store
}

proptest! {
    #[test]
    fn damaged_stores_are_looked_through_and_exported(
        damages in prop::collection::vec((any::<Index>(), damage()), 1..4),
    ) {
        let store = damaged(&damages);
        let report = verify(&store).unwrap();
        let exported = export(&store, &mut Vec::new()).unwrap();
        prop_assert_eq!(exported.problems, report.problems_total());
        prop_assert!(exported.events <= report.counts.events);
    }

    #[test]
    fn a_row_that_is_gone_is_missed(which: Index) {
        let gone = [(which, Damage::Gone)];
        let report = verify(&damaged(&gone)).unwrap();
        let expected = verify(&sound().now_or_never().unwrap()).unwrap().counts;
        // Four rows can go without being missed: the format's, which only a store on disk must
        // have; the end of a back-off, which the activity's row tells too; what waits in the
        // inbox of a run that also waits for something else; and what a run has published.
        let is_missed = !report.is_sound();
        let may_go = report.counts.due < expected.due
            || report.counts.inbox < expected.inbox
            || report.counts.published < expected.published
            || report.counts.bytes.meta < expected.bytes.meta;
        prop_assert!(is_missed || may_go, "{}", report);
    }
}
