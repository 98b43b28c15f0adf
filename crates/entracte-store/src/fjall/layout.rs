//! What the directory of a store looks like, and whether there is one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::lock::LOCK_FILE;
use crate::error::StoreError;

/// The newest format that this code reads, and the one that it writes.
pub const FORMAT_SUPPORTED: u32 = 1;

/// The name of the file that tells the format.
pub(super) const FORMAT_FILE: &str = "FORMAT";
/// The name of that file while it is being written.
const FORMAT_FILE_NEW: &str = "FORMAT.new";
/// The name of the directory that is fjall's own.
pub(super) const JOURNAL_DIRECTORY: &str = "journal";
/// What the text of the format's file begins with.
const MAGIC: &str = "entracte store format ";

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory in which a store can be made.
    Empty,
    /// A store, of a format that this code reads.
    Store,
}

/// Creates a directory that only its owner can enter; an existing one is left as it is.
pub(super) fn create_directory(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(StoreError::NotADirectory { path: path.to_path_buf() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(StoreError::from_io("open the directory", Some(path), error)),
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::from_io("create the directory", Some(path), error)
        }
        _ => StoreError::CreateDirectory { path: path.to_path_buf(), source: error.into() },
    })?;
    // The new directory's own entry must survive a power loss too.
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Finds out what a directory holds, without writing into it.
pub(super) fn inspect(directory: &Path) -> Result<Found, StoreError> {
    let path = directory.join(FORMAT_FILE);
    match fs::read(&path) {
        Ok(text) => check_format(directory, &text).map(|()| Found::Store),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_empty(directory),
        Err(error) => Err(StoreError::from_io("read the format", Some(&path), error)),
    }
}

/// Writes which format the store has, in full or not at all.
pub(super) fn write_format(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(FORMAT_FILE);
    let new = directory.join(FORMAT_FILE_NEW);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        writeln!(file, "{MAGIC}{FORMAT_SUPPORTED}")?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|error| StoreError::from_io("write the format", Some(&path), error))?;
    sync_directory(directory)
}

fn check_format(directory: &Path, text: &[u8]) -> Result<(), StoreError> {
    let path = directory.to_path_buf();
    let text = std::str::from_utf8(text).ok();
    let number = text.and_then(|text| text.trim_end().strip_prefix(MAGIC)?.parse().ok());
    match number {
        None | Some(0) => Err(StoreError::NotAStore { path }),
        Some(found) => check_number(directory, found),
    }
}

/// Refuses a format that is newer than this code.
pub(super) fn check_number(directory: &Path, found: u32) -> Result<(), StoreError> {
    if found <= FORMAT_SUPPORTED {
        return Ok(());
    }
    let path = directory.to_path_buf();
    Err(StoreError::NewerFormat { path, found, supported: FORMAT_SUPPORTED })
}

/// Refuses a directory in which there is something that a broken-off first opening cannot have
/// left.
fn check_empty(directory: &Path) -> Result<Found, StoreError> {
    let name = |error| StoreError::from_io("list the directory", Some(directory), error);
    for entry in fs::read_dir(directory).map_err(name)? {
        let entry = entry.map_err(name)?.file_name();
        if entry != LOCK_FILE && entry != FORMAT_FILE_NEW {
            return Err(StoreError::NotAStore { path: directory.to_path_buf() });
        }
    }
    Ok(Found::Empty)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| StoreError::from_io("sync the directory", Some(directory), error))
}

/// Elsewhere directories cannot be synced.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> Result<(), StoreError> {
    Ok(())
}
