//! Commits straight to a store on disk, each of which is told before, and after it was
//! answered.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use entracte::store::{Batch, FjallOptions, FjallStore, Persist, Space, Store, StoreError};

/// How many rows of the space `State` a commit leaves: the one before these is deleted.
pub const STATE_ROWS: u64 = 20;
/// The key of the row that every commit overwrites.
const LAST_KEY: &[u8] = b"power-last";
/// What the keys of the other rows begin with.
const PREFIX: &[u8] = b"power/";

/// What is committed.
#[derive(Debug, Clone, Copy)]
pub struct CommitLoad {
    /// How many commits.
    pub commits: u64,
    /// About how many bytes each has; half or double of it at times.
    pub bytes: usize,
    /// Every how many commits one is synced; the others are left to the operating system.
    pub sync_every: u64,
    /// After how many commits there is nothing to do for a while.
    pub pause_after: Option<u64>,
    /// Whether everything stays in the journals, however much it is.
    pub is_lazy: bool,
}

/// How long such a pause is: longer than the store waits with anything.
const PAUSE: Duration = Duration::from_millis(2_500);

/// Options with which tables are written and merged all the time.
#[must_use]
pub fn small_store() -> FjallOptions {
    FjallOptions {
        memtable_bytes_max: 64 * 1024,
        journal_bytes_max: 1024 * 1024,
        ..FjallOptions::default()
    }
}

/// Options with which no table is written.
fn lazy_store() -> FjallOptions {
    let gib = 1024 * 1024 * 1024;
    FjallOptions { memtable_bytes_max: gib, journal_bytes_max: gib, ..FjallOptions::default() }
}

/// Opens the store in a directory, goes on with its commits, and closes it.
///
/// # Errors
/// Those of the store, and those of the file with what is told.
pub async fn commit(data: &Path, told: &Path, load: CommitLoad) -> Result<(), Box<dyn Error>> {
    let told = Told::open(told)?;
    let options = if load.is_lazy { lazy_store() } else { small_store() };
    let store = FjallStore::open(data, options).await?;
    let first = last(&store)? + 1;
    for number in first..first + load.commits {
        told.line(format_args!("begin {number}"))?;
        let is_synced = number.is_multiple_of(load.sync_every);
        let persist = if is_synced { Persist::Sync } else { Persist::Buffer };
        store.commit(batch(number, payload_bytes(number, load.bytes)), persist).await?;
        let done = if is_synced { "synced" } else { "committed" };
        told.line(format_args!("{done} {number}"))?;
        if load.pause_after == Some(number + 1 - first) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    store.close().await?;
    told.line(format_args!("closed"))?;
    Ok(())
}

/// The file with what is told.
struct Told(File);

impl Told {
    fn open(path: &Path) -> std::io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Tells a line in one call of the operating system.
    fn line(&self, line: std::fmt::Arguments<'_>) -> std::io::Result<()> {
        (&self.0).write_all(format!("{line}\n").as_bytes())
    }
}

fn payload_bytes(number: u64, about: usize) -> usize {
    match number % 7 {
        0 => about * 2,
        1 | 2 => about / 2,
        3 => 0,
        _ => about,
    }
}

/// What the commit of a number writes.
pub fn batch(number: u64, payload_bytes: usize) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::Meta, key(number), value(number, 8));
    batch.put(Space::History, key(number), value(number, payload_bytes));
    batch.put(Space::State, key(number), value(number, 100));
    if let Some(old) = number.checked_sub(STATE_ROWS) {
        batch.delete(Space::State, key(old));
    }
    batch.put(Space::State, LAST_KEY, value(number, 0));
    batch
}

fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()].concat()
}

/// The number, the length, and as many bytes that follow from the number and look random.
fn value(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + length + 8);
    bytes.extend(number.to_be_bytes());
    bytes.extend((length as u64).to_be_bytes());
    let mut state = number;
    while bytes.len() < 16 + length {
        // The generator known as splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((mixed ^ (mixed >> 31)).to_be_bytes());
    }
    bytes.truncate(16 + length);
    bytes
}

/// The number in a value, if the value is what a commit has written.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    let length = u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?);
    let is_right = bytes.len() as u64 == 16 + length && value(number, length as usize) == bytes;
    is_right.then_some(number)
}

/// The number of the last commit, by the row that every commit overwrites.
///
/// # Errors
/// Those of the store.
pub fn last(store: &dyn Store) -> Result<u64, StoreError> {
    let row = store.get(Space::State, LAST_KEY)?;
    row.map_or(Ok(0), |bytes| {
        number_of(&bytes).ok_or_else(|| StoreError::corrupt(Space::State, LAST_KEY, "wrong bytes"))
    })
}

/// Checks that the store holds exactly what the first commits have written, and tells how
/// many.
///
/// # Errors
/// Says what is missing, too much or wrong.
pub fn check(store: &dyn Store) -> Result<u64, String> {
    let last = last(store).map_err(|error| error.to_string())?;
    for space in Space::ALL {
        let first = match space {
            Space::State => (last + 1).saturating_sub(STATE_ROWS).max(1),
            _ => 1,
        };
        check_space(store, space, first, last)?;
    }
    Ok(last)
}

fn check_space(store: &dyn Store, space: Space, first: u64, last: u64) -> Result<(), String> {
    const PAGE: usize = 64;
    let (mut next, mut start) = (first, PREFIX.to_vec());
    let end = [b"power0".as_slice()].concat();
    loop {
        let rows =
            store.scan(space, &start, Some(&end), PAGE).map_err(|error| error.to_string())?;
        for row in &rows {
            let number = row.key.get(PREFIX.len()..).and_then(|key| key.try_into().ok());
            let number = number.map(u64::from_be_bytes).ok_or("a key of the wrong length")?;
            if number != next || number > last {
                let place = format!("row {number} of {space} where {next} of 1 to {last}");
                return Err(format!("there is {place} is expected"));
            }
            if number_of(&row.value) != Some(number) {
                return Err(format!("row {number} of {space} is not what was written"));
            }
            next += 1;
        }
        match rows.last() {
            Some(row) if rows.len() == PAGE => start = [&row.key[..], &[0]].concat(),
            _ => break,
        }
    }
    if next != last + 1 {
        return Err(format!("the rows {next} to {last} of {space} are missing"));
    }
    Ok(())
}
