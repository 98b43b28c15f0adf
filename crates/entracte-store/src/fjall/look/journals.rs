//! The journal files, read from the oldest to the newest.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::super::numbers::CommitRow;
use super::batch::{self, Commit, Fault};
use crate::error::StoreError;

/// A journal file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JournalFile {
    pub(super) id: u64,
    pub(super) path: PathBuf,
}

/// Lists the journal files, from the oldest to the newest.
pub(super) fn list(journal: &Path) -> Result<Vec<JournalFile>, StoreError> {
    let failed = |error| StoreError::from_io("list the journals", Some(journal), error);
    let mut files = Vec::new();
    for entry in fs::read_dir(journal).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".jnl")) else { continue };
        let is_file = entry.file_type().map_err(failed)?.is_file();
        match stem.parse() {
            Ok(id) if is_file => files.push(JournalFile { id, path: entry.path() }),
            _ => {
                return Err(StoreError::Corrupt {
                    path: entry.path(),
                    offset: None,
                    missing: None,
                    reason: "it is not a journal file".to_owned(),
                });
            }
        }
    }
    files.sort_by_key(|file| file.id);
    Ok(files)
}

/// How much of a file is read at once, in bytes.
const READ_BYTES: usize = 256 * 1024;
static ZEROS: [u8; READ_BYTES] = [0; READ_BYTES];

impl JournalFile {
    /// Reads the file without the zeros at its end.
    ///
    /// A file is made with its full length, as a hole: zeros to the end are its free part, and
    /// take no memory here.
    pub(super) fn read(&self) -> Result<Vec<u8>, StoreError> {
        let bytes = File::open(&self.path).and_then(read);
        bytes.map_err(|error| StoreError::from_io("read a journal", Some(&self.path), error))
    }
}

fn read(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut zeros = 0;
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let len = match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if is_zero(&chunk[..len]) {
            zeros += len;
        } else {
            bytes.resize(bytes.len() + zeros, 0);
            bytes.extend_from_slice(&chunk[..len]);
            zeros = 0;
        }
    }
}

/// The number of the store to which the first complete commit belongs.
pub(super) fn store_id(journal: &Path) -> Result<Option<u64>, StoreError> {
    for file in list(journal)? {
        if let Some((_, commit)) = batch::find(&file.read()?, 0, |_| true) {
            return Ok(Some(commit.row.store_id));
        }
    }
    Ok(None)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// What stands at a place of a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A complete commit.
    Commit(Commit),
    /// Something else, up to the next complete commit or to the end of the file.
    Garbage(Fault),
}

/// Reads through a journal file.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    bytes: &'a [u8],
    store_id: u64,
    at: usize,
    /// The highest number so far: behind damage, older ones are not commits, but values that
    /// look like some.
    highest: u64,
    /// A commit that was found while the end of some garbage was looked for.
    found: Option<(usize, Commit)>,
}

impl<'a> Pieces<'a> {
    /// Begins to read a file whose commits have numbers above a given one.
    pub(super) fn new(bytes: &'a [u8], store_id: u64, highest: u64) -> Self {
        Self { bytes, store_id, at: 0, highest, found: None }
    }
}

impl Iterator for Pieces<'_> {
    /// Where the piece begins, and what it is.
    type Item = (usize, Piece);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        if let Some((_, commit)) = self.found.take() {
            self.at = commit.end;
            self.highest = commit.row.number;
            return Some((at, Piece::Commit(commit)));
        }
        let rest = self.bytes.get(at..)?;
        // The first byte spares most looks at the rest: a commit does not begin with zero.
        if rest.first().is_none_or(|first| *first == 0) && is_zero(rest) {
            return None;
        }
        let commit = batch::read(self.bytes, at);
        match commit.and_then(|commit| commit.of(self.store_id)) {
            Ok(commit) => {
                self.at = commit.end;
                self.highest = self.highest.max(commit.row.number);
                Some((at, Piece::Commit(commit)))
            }
            Err(fault) => {
                let is_ours =
                    |row: CommitRow| row.store_id == self.store_id && row.number > self.highest;
                self.found = batch::find(self.bytes, at + 1, is_ours);
                self.at = self.found.map_or(self.bytes.len(), |(at, _)| at);
                Some((at, Piece::Garbage(fault)))
            }
        }
    }
}
