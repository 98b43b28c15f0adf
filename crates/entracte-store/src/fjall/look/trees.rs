//! The files of fjall's trees: which tables there are, and how far they reach.
//!
//! fjall trusts these files. It does not compare a version file with the checksum that
//! `current` holds, it deletes tables that the version does not name, and it deletes a whole
//! keyspace whose `current` is missing. So they are looked at before fjall sees them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_tree::{Cache, Checksum, Table};

use super::super::checksum;
use super::super::numbers::CommitRow;
use super::contents;
use crate::error::StoreError;
use crate::keys::RESERVED_KEY;
use crate::store::Space;

/// What fjall writes into the file that tells its format.
const FJALL_VERSION: &[u8] = b"FJL\x03";
/// The length of `current`: the number of the version, its checksum, the kind of checksum.
const CURRENT_LEN: usize = 8 + 16 + 1;
/// How much memory the look at the tables may take for blocks, in bytes.
const CACHE_BYTES: u64 = 1024 * 1024;

/// Up to which commit the tables of each space reach, in the order of [`Space::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Persisted([u64; Space::ALL.len()]);

impl Persisted {
    /// Every commit up to this one is in the tables.
    pub(super) fn all(&self) -> u64 {
        self.0.into_iter().min().unwrap_or_default()
    }

    /// The last commit of which the tables have at least a part.
    pub(super) fn some(&self) -> u64 {
        self.0.into_iter().max().unwrap_or_default()
    }
}

/// What the trees say of themselves.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// How far the tables reach.
    pub(super) persisted: Persisted,
    /// The tables of the spaces.
    pub(super) tables: Vec<TableFile>,
}

/// A table that a version names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct TableFile {
    pub(in super::super) path: PathBuf,
    /// The checksum of the whole file.
    pub(in super::super) checksum: u128,
    /// The length of the file, in bytes.
    pub(in super::super) bytes: u64,
    global_seqno: u64,
    /// Whether it is the first one of its run, which has the smallest keys.
    is_first: bool,
}

/// Checks that everything is there that the trees say is there, and reads how far it reaches.
/// What the tables hold is not compared with their checksums.
pub(super) fn look(journal: &Path, store_id: u64) -> Result<Trees, StoreError> {
    let version = journal.join("version");
    if read(&version)? != FJALL_VERSION {
        return Err(corrupt(&version, "it does not hold the version of fjall's format"));
    }
    let keyspaces = journal.join("keyspaces");
    // fjall's own keyspace, which names the others, is small and hardly ever written.
    for table in tables(&keyspaces.join("0"))? {
        contents::check(&table)?;
    }
    let mut trees = Trees::default();
    for (id, number) in (1..).zip(&mut trees.persisted.0) {
        let tables = tables(&keyspaces.join(id.to_string()))?;
        *number = persisted_number(&tables, store_id)?;
        trees.tables.extend(tables);
    }
    Ok(trees)
}

/// Reads every table in full, compares its checksum, and gives the damage.
pub(in super::super) fn check_tables(journal: &Path) -> Vec<StoreError> {
    let mut damage = Vec::new();
    for id in 0..=Space::ALL.len() {
        match tables(&journal.join("keyspaces").join(id.to_string())) {
            Ok(tables) => {
                damage.extend(tables.iter().filter_map(|table| contents::check(table).err()));
            }
            Err(error) => damage.push(error),
        }
    }
    damage
}

/// The tables of a keyspace, if all that tells about them is whole.
pub(in super::super) fn tables_of(keyspace: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(tables(keyspace)?.into_iter().map(|table| table.path).collect())
}

/// The highest number in the tables of a keyspace.
fn persisted_number(tables: &[TableFile], store_id: u64) -> Result<u64, StoreError> {
    let mut highest = 0;
    for table in tables.iter().filter(|table| table.is_first) {
        if let Some(row) = first_commit_row(table)? {
            if row.store_id != store_id {
                return Err(corrupt(&table.path, "the table belongs to another store"));
            }
            highest = highest.max(row.number);
        }
    }
    Ok(highest)
}

/// The commit's row of a table: no key of a space is smaller than its key.
fn first_commit_row(table: &TableFile) -> Result<Option<CommitRow>, StoreError> {
    let damaged = |error: lsm_tree::Error| match error {
        lsm_tree::Error::Io(error) if !is_of_wrong_bytes(&error) => {
            StoreError::from_io("read a table", Some(&table.path), error)
        }
        error => corrupt(&table.path, &format!("the table cannot be read: {error}")),
    };
    let opened = Table::recover(
        table.path.clone(),
        Checksum::from_raw(table.checksum),
        table.global_seqno,
        0,
        Arc::new(Cache::with_capacity_bytes(CACHE_BYTES)),
        None,
        false,
        false,
    );
    let opened = opened.map_err(damaged)?;
    let Some(first) = opened.iter().next().transpose().map_err(damaged)? else { return Ok(None) };
    if first.key.user_key.as_ref() != RESERVED_KEY {
        return Ok(None);
    }
    let row = CommitRow::decode(&first.value);
    row.map(Some).ok_or_else(|| corrupt(&table.path, "the number of its last commit is no number"))
}

/// Whether an error comes from what a file holds: an end too early, or a place in it that there
/// cannot be.
fn is_of_wrong_bytes(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidInput | InvalidData)
}

/// Reads which tables the current version of a keyspace names; each of them is there.
fn tables(keyspace: &Path) -> Result<Vec<TableFile>, StoreError> {
    let current = keyspace.join("current");
    let bytes = read(&current)?;
    let bytes: [u8; CURRENT_LEN] =
        bytes.try_into().map_err(|_| corrupt(&current, "it is not as long as it was written"))?;
    let (version, rest) = bytes.split_at(8);
    let (expected, kind) = rest.split_at(16);
    let version = u64::from_le_bytes(version.try_into().unwrap_or_default());
    let expected = u128::from_le_bytes(expected.try_into().unwrap_or_default());
    if kind != [0] {
        return Err(corrupt(&current, "it names an unknown kind of checksum"));
    }
    let path = keyspace.join(format!("v{version}"));
    if checksum::long(&read(&path)?) != expected {
        return Err(corrupt(&path, "its checksum is not the one in the file `current`"));
    }
    let tables = parse_version(&path)
        .map_err(|error| corrupt(&path, &format!("it cannot be read: {error}")))?;
    let tables = tables.into_iter().map(|(is_first, id, checksum, global_seqno)| {
        let path = keyspace.join("tables").join(id.to_string());
        match fs::metadata(&path) {
            Ok(metadata) => {
                let bytes = metadata.len();
                Ok(TableFile { path, checksum, bytes, global_seqno, is_first })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(corrupt(&path, "it is missing"))
            }
            Err(error) => Err(StoreError::from_io("look at a table", Some(&path), error)),
        }
    });
    tables.collect()
}

/// Reads the tables of a version: levels of runs of tables, each with a place in its run, an id,
/// a checksum and a sequence number that is added to those in the table.
fn parse_version(path: &Path) -> Result<Vec<(bool, u64, u128, u64)>, VersionError> {
    let archive = sfa::Reader::new(path).map_err(|error| VersionError(format!("{error:?}")))?;
    let section = archive.toc().section(b"tables");
    let section = section.ok_or_else(|| VersionError("it names no tables".to_owned()))?;
    let mut reader = section.buf_reader(path)?;
    let mut tables = Vec::new();
    let [levels] = take(&mut reader)?;
    for _ in 0..levels {
        let [runs] = take(&mut reader)?;
        for _ in 0..runs {
            let count = u32::from_le_bytes(take(&mut reader)?);
            for index in 0..count {
                let id = u64::from_le_bytes(take(&mut reader)?);
                let [_kind] = take(&mut reader)?;
                let checksum = u128::from_le_bytes(take(&mut reader)?);
                let global_seqno = u64::from_le_bytes(take(&mut reader)?);
                tables.push((index == 0, id, checksum, global_seqno));
            }
        }
    }
    Ok(tables)
}

/// Says why a version file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct VersionError(String);

impl From<std::io::Error> for VersionError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

fn take<const LEN: usize>(reader: &mut impl Read) -> std::io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file that must be there.
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            corrupt(path, "it is missing")
        }
        _ => StoreError::from_io("read a file of the store", Some(path), error),
    })
}

pub(super) fn corrupt(path: &Path, reason: &str) -> StoreError {
    let path = path.to_path_buf();
    StoreError::Corrupt { path, offset: None, missing: None, reason: reason.to_owned() }
}
