//! Whether an engine has a store open.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::error::CliError;

/// The file that an open store holds a lock on.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// The lock of a store while it is being read; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ReadLock {
    /// None if nobody ever opened the store.
    _file: Option<File>,
}

impl ReadLock {
    /// Takes the lock of a store without changing its directory; nothing if a store is open
    /// there.
    pub(crate) fn take(directory: &Path) -> Result<Option<Self>, CliError> {
        let path = directory.join(LOCK_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Self { _file: None }));
            }
            Err(source) => return Err(CliError::Read { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(CliError::Read { path, source }),
        }
    }
}
