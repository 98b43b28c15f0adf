//! What a store holds, in a few numbers.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use entracte::store::keys::FORMAT_KEY;
use entracte::store::{Row, Space, Store, StoreError};
use serde::{Deserialize, Serialize};

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1_000;

/// The fingerprint of all rows of a store, except for those that the store keeps for itself.
///
/// It is a sum over the rows, so that it can follow each commit without reading them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// How many rows there are in each space.
    pub rows: [u64; 3],
    sum: [u64; 2],
}

impl Content {
    /// Takes a row in.
    pub fn add(&mut self, space: Space, key: &[u8], value: &[u8]) {
        let [first, second] = fingerprints(space, key, value);
        self.rows[index(space)] += 1;
        self.sum = [self.sum[0].wrapping_add(first), self.sum[1].wrapping_add(second)];
    }

    /// Takes a row out that was taken in before.
    pub(super) fn remove(&mut self, space: Space, key: &[u8], value: &[u8]) {
        let [first, second] = fingerprints(space, key, value);
        self.rows[index(space)] -= 1;
        self.sum = [self.sum[0].wrapping_sub(first), self.sum[1].wrapping_sub(second)];
    }
}

/// Why a store could not be read to its end.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It said so itself.
    Store(StoreError),
    /// A scan and a look at a key have given different values.
    Differs(String),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads a store from end to end, and each row by its key once more.
pub(super) fn read(store: &dyn Store) -> Result<Content, ReadError> {
    let mut content = Content::default();
    for space in Space::ALL {
        let mut start = Vec::new();
        loop {
            let rows = store.scan(space, &start, None, PAGE_ROWS)?;
            for row in &rows {
                check_get(store, space, row)?;
                if !is_of_the_store(space, &row.key) {
                    content.add(space, &row.key, &row.value);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE_ROWS => {
                    start = last.key.to_vec();
                    start.push(0);
                }
                _ => break,
            }
        }
    }
    Ok(content)
}

fn check_get(store: &dyn Store, space: Space, row: &Row) -> Result<(), ReadError> {
    let value = store.get(space, &row.key)?;
    if value.as_ref() == Some(&row.value) {
        return Ok(());
    }
    let found = value.map_or("nothing".to_owned(), |value| format!("{} bytes", value.len()));
    Err(ReadError::Differs(format!(
        "the space {space} has {} bytes under {:?} in a scan, and {found} by its key",
        row.value.len(),
        row.key
    )))
}

/// Whether the store writes a row for its own ends.
fn is_of_the_store(space: Space, key: &[u8]) -> bool {
    space == Space::Meta && key == FORMAT_KEY
}

fn index(space: Space) -> usize {
    match space {
        Space::Meta => 0,
        Space::History => 1,
        Space::State => 2,
    }
}

fn fingerprints(space: Space, key: &[u8], value: &[u8]) -> [u64; 2] {
    [0_u8, 1].map(|salt| {
        let mut hasher = DefaultHasher::new();
        (salt, index(space), key, value).hash(&mut hasher);
        hasher.finish()
    })
}
