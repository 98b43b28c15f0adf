//! The lock that keeps a directory to one store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::error::StoreError;

/// The name of the lock's file.
pub(super) const LOCK_FILE: &str = "LOCK";

/// The lock of a directory, held until it is dropped, at the latest until the process ends.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl DirectoryLock {
    /// Takes the lock of a directory.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(LOCK_FILE);
        let name = |error| StoreError::from_io("take the lock", Some(&path), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        Self::lock(directory, options.open(&path).map_err(name)?, name)
    }

    /// Takes the lock of a directory in which nothing may be changed; none if it has none.
    pub(super) fn take_existing(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(LOCK_FILE);
        let name = |error| StoreError::from_io("take the lock", Some(&path), error);
        match File::open(&path) {
            Ok(file) => Self::lock(directory, file, name).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(name(error)),
        }
    }

    fn lock(
        directory: &Path,
        file: File,
        name: impl Fn(io::Error) -> StoreError,
    ) -> Result<Self, StoreError> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Locked { path: directory.to_path_buf() })
            }
            Err(TryLockError::Error(error)) => Err(name(error)),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // A child process that was started meanwhile may hold a copy of the file, and with it
        // the lock, for longer than this one: so it is given back by name.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the store's lock was not given back");
        }
    }
}
