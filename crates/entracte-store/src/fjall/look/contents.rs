//! What tables hold, compared with the checksums that the trees keep of them.
//!
//! Each block of a table carries its own checksum, which fjall compares when it reads it. It
//! does not tell where the block belongs: a block, or a whole table, that a disk has put into
//! the wrong place reads like the right one. The checksum of the whole file tells, and fjall
//! does not compare it.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use super::trees::{TableFile, corrupt};
use crate::error::StoreError;

/// How much of a table is read at once, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// What is wrong with a table that is not what was written.
pub(in super::super) const DIFFERS: &str = "the checksum of the table differs";

/// Compares tables with their checksums, the suspect one and the smallest ones first, until so
/// many bytes are read, and gives those that were left.
///
/// # Errors
/// [`StoreError`] names the first one that is damaged, or cannot be read.
pub(super) fn check_some(
    mut tables: Vec<TableFile>,
    suspect: Option<&Path>,
    bytes_max: u64,
) -> Result<Vec<TableFile>, StoreError> {
    let is_suspect = |table: &TableFile| Some(table.path.as_path()) == suspect;
    tables.sort_by_key(|table| (!is_suspect(table), table.bytes));
    let mut read = 0;
    let checked = tables.iter().take_while(|table| {
        read += table.bytes;
        read <= bytes_max || is_suspect(table)
    });
    let count = checked.map(check).collect::<Result<Vec<()>, _>>()?.len();
    Ok(tables.split_off(count))
}

/// Compares a table with its checksum.
///
/// # Errors
/// [`StoreError::Corrupt`] if it differs, or another one if it cannot be read.
pub(in super::super) fn check(table: &TableFile) -> Result<(), StoreError> {
    let is_whole = is_whole(table)
        .map_err(|error| StoreError::from_io("read a table", Some(&table.path), error))?;
    if is_whole { Ok(()) } else { Err(corrupt(&table.path, DIFFERS)) }
}

/// Checks the tables that were left, slowly, while the store is open, and gives the first one
/// that is damaged. A table that is gone was compacted meanwhile.
///
/// # Errors
/// [`StoreError`] if one cannot be read.
pub(in super::super) fn find_damaged(
    tables: &[TableFile],
    mut wait: impl FnMut(&TableFile) -> ControlFlow<()>,
) -> Result<Option<&TableFile>, StoreError> {
    for table in tables {
        if wait(table).is_break() {
            return Ok(None);
        }
        match is_whole(table) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(table)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(StoreError::from_io("read a table", Some(&table.path), error));
            }
        }
    }
    Ok(None)
}

fn is_whole(table: &TableFile) -> io::Result<bool> {
    File::open(&table.path).and_then(checksum).map(|found| found == table.checksum)
}

fn checksum(mut file: File) -> io::Result<u128> {
    let mut checksum = xxhash_rust::xxh3::Xxh3::new();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(checksum.digest128()),
            Ok(len) => checksum.update(&chunk[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
