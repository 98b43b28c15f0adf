//! What the directory of a store looks like, and whether there is one.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::lock::LOCK_FILE;
use super::tail::{self, TAIL_FILE, TAIL_FILE_NEW};
use crate::error::StoreError;

/// The newest format that this code reads, and the one that it writes.
pub const FORMAT_SUPPORTED: u32 = 2;

/// The name of the file that tells the format.
pub(super) const FORMAT_FILE: &str = "FORMAT";
/// The name of that file while it is being written.
const FORMAT_FILE_NEW: &str = "FORMAT.new";
/// The name of the directory that is fjall's own.
pub(super) const JOURNAL_DIRECTORY: &str = "journal";
/// The name of that directory while it is being made.
pub(super) const JOURNAL_DIRECTORY_NEW: &str = "journal.new";
/// What the text of the format's file begins with.
const MAGIC: &str = "entracte store format ";

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory in which a store can be made, or the making of one has broken off.
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
    // Each new directory's own entry must survive a power loss too.
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .collect();
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
    for new in missing.into_iter().rev() {
        match new.parent() {
            Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new("."))?,
            Some(parent) => sync_directory(parent)?,
            None => {}
        }
    }
    Ok(())
}

/// Finds out what a directory holds, without writing into it.
pub(super) fn inspect(directory: &Path) -> Result<Found, StoreError> {
    let path = directory.join(FORMAT_FILE);
    match fs::read(&path) {
        Ok(text) => check_format(directory, &text).and_then(|()| check_journal(directory)),
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

/// Tells whether there is a journal. It comes into its place complete, as the last step of the
/// making of a store; whatever is missing later was taken away.
fn check_journal(directory: &Path) -> Result<Found, StoreError> {
    let path = directory.join(JOURNAL_DIRECTORY);
    match path.try_exists() {
        Ok(true) => Ok(Found::Store),
        Ok(false) => match tail::read(directory)?.synced {
            0 => Ok(Found::Empty),
            synced => Err(StoreError::Truncated { path: directory.to_path_buf(), last: 0, synced }),
        },
        Err(error) => Err(StoreError::from_io("look for the journal", Some(&path), error)),
    }
}

/// Makes fjall's own lock file again where it was removed: it holds nothing, and the store is
/// locked by [`LOCK_FILE`] already, but fjall does not open without it.
pub(super) fn restore_journal_lock(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(JOURNAL_DIRECTORY).join("lock");
    let made = File::options().write(true).create(true).truncate(false).open(&path);
    made.map(drop).map_err(|error| StoreError::from_io("make fjall's lock", Some(&path), error))
}

/// Refuses formats that this code does not read.
pub(super) fn check_number(directory: &Path, found: u32) -> Result<(), StoreError> {
    let path = directory.to_path_buf();
    let supported = FORMAT_SUPPORTED;
    match found.cmp(&supported) {
        Ordering::Equal => Ok(()),
        Ordering::Less => Err(StoreError::OlderFormat { path, found, supported }),
        Ordering::Greater => Err(StoreError::NewerFormat { path, found, supported }),
    }
}

/// Refuses a directory in which there is something that a broken-off first opening cannot have
/// left.
fn check_empty(directory: &Path) -> Result<Found, StoreError> {
    const LEFT: [&str; 5] =
        [LOCK_FILE, FORMAT_FILE_NEW, TAIL_FILE, TAIL_FILE_NEW, JOURNAL_DIRECTORY_NEW];
    let name = |error| StoreError::from_io("list the directory", Some(directory), error);
    for entry in fs::read_dir(directory).map_err(name)? {
        let entry = entry.map_err(name)?.file_name();
        let is_left = LEFT.iter().any(|left| entry == *left);
        if !is_left || (entry == TAIL_FILE && tail::read(directory)?.synced > 0) {
            return Err(StoreError::NotAStore { path: directory.to_path_buf() });
        }
    }
    Ok(Found::Empty)
}

/// Syncs a directory and everything below it.
pub(super) fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync(directory)
}

/// Makes the names of all files of a store survive a power loss. A process that was killed may
/// have given them without syncing them, and from now on they are relied on: what is written
/// into a file whose name is lost is lost too.
pub(super) fn sync_names(directory: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_io("sync the store's names", Some(directory), error);
    sync_directories(&directory.join(JOURNAL_DIRECTORY)).map_err(failed)?;
    sync(directory).map_err(failed)
}

/// Syncs a directory and those below it, but not the files in them.
fn sync_directories(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync(directory)
}

/// Makes the entries of a directory survive a power loss.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    sync(directory)
        .map_err(|error| StoreError::from_io("sync the directory", Some(directory), error))
}

#[cfg(unix)]
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere directories cannot be synced.
#[cfg(not(unix))]
pub(super) fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}
