//! The check of large stores: tables that an opening has left are compared with their checksums
//! in the background.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::keeper::Poison;
use super::layout;
use super::look::{TableFile, corrupt_table, find_damaged};
use crate::error::StoreError;

/// The file that names a table which was found damaged while the store was open: the next
/// opening looks at it first.
const SUSPECT_FILE: &str = "SUSPECT";
/// How fast the tables are read, in bytes per second.
const BYTES_PER_SECOND: u64 = 64 * 1024 * 1024;

/// The handle of the thread. Dropping it ends the thread.
pub(super) struct Scrub {
    /// Nothing is sent: its end is the message.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrub {
    /// Begins to check tables. One that is damaged poisons the store.
    pub(super) fn start(
        directory: &Path,
        tables: Vec<TableFile>,
        poison: Poison,
    ) -> Result<Self, StoreError> {
        if tables.is_empty() {
            return Ok(Self { end: None, thread: None });
        }
        let (end, ended) = mpsc::channel::<()>();
        let directory = directory.to_path_buf();
        let body = move || {
            let wait = |table: &TableFile| {
                let pause = Duration::from_millis(table.bytes * 1000 / BYTES_PER_SECOND);
                match ended.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            };
            let error = match find_damaged(&tables, wait) {
                Ok(None) => return,
                Ok(Some(table)) => {
                    let error = corrupt_table(table);
                    if let Err(error) = remember(&directory, &table.path) {
                        tracing::warn!(%error, "the damaged table could not be noted");
                    }
                    error
                }
                Err(error) => error,
            };
            tracing::error!(%error, "the store takes no more writes");
            // The first failure is the one that counts.
            let _ = poison.set(error.to_string().into());
        };
        let thread = std::thread::Builder::new().name("entracte-scrub".to_owned()).spawn(body);
        let thread = thread
            .map_err(|error| StoreError::from_io("start the thread of the scrub", None, error))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }

    #[cfg(test)]
    pub(super) fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Scrub {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // What it had to say it has said.
            let _ = thread.join();
        }
    }
}

/// The table that is to be looked at first, if one was found damaged.
pub(super) fn suspect(directory: &Path) -> Result<Option<PathBuf>, StoreError> {
    let path = directory.join(SUSPECT_FILE);
    match fs::read_to_string(&path) {
        Ok(table) => Ok(Some(directory.join(table))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // It only says where to look first.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(StoreError::from_io("read a file of the store", Some(&path), error)),
    }
}

fn remember(directory: &Path, table: &Path) -> io::Result<()> {
    let table = table.strip_prefix(directory).unwrap_or(table);
    let mut file = File::create(directory.join(SUSPECT_FILE))?;
    file.write_all(table.as_os_str().as_encoded_bytes())?;
    file.sync_all()?;
    layout::sync(directory)
}
