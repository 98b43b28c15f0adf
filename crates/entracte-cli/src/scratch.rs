//! A store that is opened without touching the original.

use std::fs;
use std::io;
use std::path::Path;

use entracte::store::{FjallOptions, FjallStore, StoreError};
use tempfile::TempDir;

use crate::arguments::Look;
use crate::error::CliError;
use crate::inspect::FORMAT_FILE;
use crate::lock::{LOCK_FILE, ReadLock};

/// A store opened on a copy, which goes when this is dropped.
#[derive(Debug)]
pub(crate) struct ScratchStore {
    /// Closed before its directory goes: fields are dropped in their order.
    pub(crate) store: FjallStore,
    _directory: TempDir,
}

impl ScratchStore {
    pub(crate) fn open(look: &Look) -> Result<Self, CliError> {
        check_is_store(&look.directory)?;
        let directory = scratch_directory(look)?;
        let store = open_copy(&look.directory, &directory.path().join("store"))?;
        Ok(Self { store, _directory: directory })
    }
}

/// Refuses what is no store before anything is copied.
fn check_is_store(directory: &Path) -> Result<(), CliError> {
    let path = directory.to_path_buf();
    match fs::metadata(directory) {
        Ok(metadata) if !metadata.is_dir() => Err(StoreError::NotADirectory { path }.into()),
        Ok(_) if !directory.join(FORMAT_FILE).exists() => Err(CliError::NotAStore { path }),
        Ok(_) => Ok(()),
        Err(source) => Err(CliError::Read { path, source }),
    }
}

/// Makes an empty directory for the copy: beside the store if that is possible, since both are
/// on the same disk then.
fn scratch_directory(look: &Look) -> Result<TempDir, CliError> {
    let made = |parent: &Path| tempfile::Builder::new().prefix(".entracte-").tempdir_in(parent);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::Scratch { path, source }
    };
    if let Some(parent) = &look.scratch {
        return made(parent).map_err(failed(parent));
    }
    let beside = fs::canonicalize(&look.directory);
    let beside = beside.ok().and_then(|path| path.parent().and_then(|parent| made(parent).ok()));
    let temporary = std::env::temp_dir();
    beside.map_or_else(|| made(&temporary).map_err(failed(&temporary)), Ok)
}

/// Copies a store and opens the copy. The one place that knows how that is done.
fn open_copy(directory: &Path, copy: &Path) -> Result<FjallStore, CliError> {
    let Some(lock) = ReadLock::take(directory)? else {
        return Err(StoreError::Locked { path: directory.to_path_buf() }.into());
    };
    let failed = |source| CliError::Scratch { path: copy.to_path_buf(), source };
    copy_directory(directory, copy).map_err(failed)?;
    drop(lock);
    Ok(FjallStore::open_blocking(copy, &FjallOptions::default())?)
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_directory(&source, &target)?;
        } else if entry.file_name() != LOCK_FILE {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
