//! How long a store takes to open after it was not closed, by how much its journals hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use entracte::store::fjall::inspect;
use entracte::store::{FjallOptions, FjallStore, Persist, Store};

use crate::commits::{Batches, resident_bytes};
use crate::load::LoadError;

/// What the openings of a store have taken.
#[derive(Debug)]
pub struct Opening {
    /// How much the journals hold, in bytes.
    pub journal_bytes: u64,
    /// In how many commits.
    pub commits: u64,
    /// How long it took to read the journal files into memory and no more: the floor of a look.
    pub read: Vec<Duration>,
    /// How long it took to look through the store, which is the first step of opening it.
    pub look: Vec<Duration>,
    /// How long it took to open the store.
    pub open: Vec<Duration>,
    /// How much memory the process has while the store is open, if the operating system tells.
    pub resident_bytes: Option<u64>,
}

/// Makes a store whose journals hold so many bytes, in batches of so many rows with values of
/// so many bytes, and opens it several times without ever closing it in order.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub fn measure(
    directory: &Path,
    journal_bytes: u64,
    (rows, row_bytes): (usize, usize),
    rounds: u32,
) -> Result<Opening, LoadError> {
    // Nothing leaves the journals.
    let options = FjallOptions {
        memtable_bytes_max: u64::MAX,
        journal_bytes_max: u64::MAX,
        ..FjallOptions::default()
    };
    let (bytes, commits) = fill(directory, &options, journal_bytes, Batches::new(rows, row_bytes))?;
    let mut opening = Opening {
        journal_bytes: bytes,
        commits,
        read: Vec::new(),
        look: Vec::new(),
        open: Vec::new(),
        resident_bytes: None,
    };
    for _ in 0..rounds {
        let start = Instant::now();
        let read = journals(directory)?.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
        opening.read.push(start.elapsed());
        drop(read);
        let start = Instant::now();
        inspect(directory)?;
        opening.look.push(start.elapsed());
        let start = Instant::now();
        let store = FjallStore::open_blocking(directory, &options)?;
        opening.open.push(start.elapsed());
        opening.resident_bytes = opening.resident_bytes.max(resident_bytes());
        drop(store);
    }
    Ok(opening)
}

/// Commits until the journals hold so many bytes, and gives how many they hold and how many
/// commits that took.
fn fill(
    directory: &Path,
    options: &FjallOptions,
    journal_bytes: u64,
    mut batches: Batches,
) -> Result<(u64, u64), LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = FjallStore::open_blocking(directory, options)?;
    let (mut bytes, mut commits) = (0, 0);
    while bytes < journal_bytes {
        let batch = batches.next_batch();
        bytes += batch.size_bytes() as u64;
        commits += 1;
        runtime.block_on(async { store.commit(batch, Persist::Buffer).await })?;
    }
    runtime.block_on(async { store.sync().await })?;
    Ok((bytes, commits))
}

fn journals(directory: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(directory.join("journal"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            journals.push(path);
        }
    }
    Ok(journals)
}
