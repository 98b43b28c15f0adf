//! The open database, shared between a store and its work on blocking threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use fjall::PersistMode;

use super::database::Opened;
use super::errors;
use super::keeper::Poison;
use crate::batch::Batch;
use crate::error::StoreError;
use crate::store::{Row, Space};

/// What a store and its blocking tasks share.
pub(super) struct Shared {
    path: PathBuf,
    /// None once the store is closed. Held for reading by all work, so that closing waits for
    /// what is under way and then holds the only copy of the database.
    opened: RwLock<Option<Opened>>,
    /// How a commit, a sync or the keeper failed, if one did.
    poisoned: Poison,
}

impl Shared {
    pub(super) fn new(path: PathBuf, opened: Opened, poisoned: Poison) -> Self {
        Self { path, opened: RwLock::new(Some(opened)), poisoned }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[cfg(test)]
    pub(super) fn with<T>(&self, look: impl FnOnce(&Opened) -> T) -> T {
        look(self.read().as_ref().unwrap())
    }

    #[cfg(test)]
    pub(super) fn poison(&self) -> &Poison {
        &self.poisoned
    }

    pub(super) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.look("read a row", |opened| opened.get(space, key))
    }

    pub(super) fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.look("scan rows", |opened| opened.scan(space, start, end, limit))
    }

    pub(super) fn commit(&self, batch: Batch, mode: PersistMode) -> Result<(), StoreError> {
        batch.check()?;
        self.write(|opened| opened.commit(&batch, mode))
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.write(Opened::sync)
    }

    /// Syncs, then closes the database whatever came of it.
    pub(super) fn close(&self) -> Result<(), StoreError> {
        let synced = match self.sync() {
            Err(StoreError::Closed) => return Ok(()),
            result => result,
        };
        let opened = self.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut opened) = opened else { return synced };
        let finished = if synced.is_ok() { opened.finish() } else { Ok(()) };
        // The last copy of the database: dropping it ends its threads and closes its files.
        drop(opened);
        synced.and(finished)
    }

    /// Poisons the store; the first failure is the one that counts.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        let reason = match &error {
            StoreError::Poisoned { reason } => reason.clone(),
            error => error.to_string().into(),
        };
        if self.poisoned.set(reason).is_ok() {
            tracing::error!(path = %self.path.display(), %error, "the store takes no more writes");
        }
        error
    }

    /// Reads; where damaged tables make the storage crates panic, that is an error too.
    fn look<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Opened) -> fjall::Result<T>,
    ) -> Result<T, StoreError> {
        let guard = self.read();
        let opened = guard.as_ref().ok_or(StoreError::Closed)?;
        match catch_unwind(AssertUnwindSafe(|| read(opened))) {
            Ok(result) => result.map_err(|error| errors::name(doing, Some(&self.path), error)),
            Err(panic) => {
                let text = errors::panic_text(&*panic);
                Err(StoreError::Backend { reason: format!("cannot {doing}: panicked: {text}") })
            }
        }
    }

    fn write(
        &self,
        work: impl FnOnce(&Opened) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let guard = self.read();
        let opened = guard.as_ref().ok_or(StoreError::Closed)?;
        if let Some(reason) = self.poisoned.get() {
            return Err(StoreError::Poisoned { reason: reason.clone() });
        }
        work(opened).map_err(|error| self.fail(error))
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        // A panic under the lock changes nothing: only closing writes.
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }
}
