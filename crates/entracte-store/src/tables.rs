//! Three ordered maps in memory, below the stores that need no disk.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::batch::{Batch, Op};
use crate::store::{Row, Space};

type Table = BTreeMap<Bytes, Bytes>;

/// The three spaces as maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    meta: Table,
    history: Table,
    state: Table,
}

impl Tables {
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Option<Bytes> {
        self.table(space).get(key).cloned()
    }

    pub(crate) fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Row> {
        if end.is_some_and(|end| end <= start) {
            // A map panics at a range that ends before it starts.
            return Vec::new();
        }
        let range = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = self.table(space).range::<[u8], _>(range).take(limit);
        rows.map(|(key, value)| Row { key: key.clone(), value: value.clone() }).collect()
    }

    pub(crate) fn apply(&mut self, batch: &Batch) {
        for op in batch.ops() {
            let table = self.table_mut(op.space());
            match op {
                Op::Put { key, value, .. } => {
                    table.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                }
                Op::Delete { key, .. } => {
                    table.remove(key);
                }
            }
        }
    }

    fn table(&self, space: Space) -> &Table {
        match space {
            Space::Meta => &self.meta,
            Space::History => &self.history,
            Space::State => &self.state,
        }
    }

    fn table_mut(&mut self, space: Space) -> &mut Table {
        match space {
            Space::Meta => &mut self.meta,
            Space::History => &mut self.history,
            Space::State => &mut self.state,
        }
    }
}
