//! The copy while it is made: `TARGET.part`.
//!
//! What has been told to be safe is safe: bytes are synced before anybody hears of them, the
//! file's name is synced before the first of them, and what stands behind the safe bytes is cut
//! off before more is written. A lock keeps an attempt that was given up, and has not noticed
//! yet, apart from the one that follows it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entracte::prelude::*;

/// How long a busy lock is left alone before it is tried again.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The copy while it is made, open and locked.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    end: u64,
}

impl Partial {
    /// Where the copy to a target is made.
    pub(crate) fn path_of(target: &Path) -> PathBuf {
        let mut path = OsString::from(target);
        path.push(".part");
        PathBuf::from(path)
    }

    /// Opens the file, or makes it, and cuts off what is not known to be safe. If not even
    /// that is there, it begins from zero.
    pub(crate) fn open(target: &Path, safe: u64, ctx: &ActivityContext) -> ActivityResult<Self> {
        let path = Self::path_of(target);
        let mut file = lock(&path, ctx)?;
        let prepared = || -> io::Result<u64> {
            let end = if file.metadata()?.len() < safe { 0 } else { safe };
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            file.sync_all()?;
            sync_directory(&path)?;
            Ok(end)
        }();
        let end = prepared.with_context(|| format!("prepare `{}`", path.display()))?;
        Ok(Self { file, path, end })
    }

    /// How many bytes of the copy are safe.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Writes more bytes; they are safe when this returns.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.end += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Gives the copy its name. Without `replace` nothing that has the name is touched.
    pub(crate) fn publish(self, target: &Path, replace: bool) -> io::Result<()> {
        if replace {
            fs::rename(&self.path, target)?;
        } else {
            match fs::hard_link(&self.path, target) {
                // A lost attempt came that far.
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && is_same_file(&self.path, target) => {}
                linked => linked?,
            }
            fs::remove_file(&self.path)?;
        }
        sync_directory(target)
    }

    /// Removes the copy to a target, if there is one and nobody writes it any more.
    pub(crate) fn discard(target: &Path, ctx: &ActivityContext) -> ActivityResult<()> {
        let path = Self::path_of(target);
        if !path.try_exists()? {
            return Ok(());
        }
        let _locked = lock(&path, ctx)?;
        fs::remove_file(&path).with_context(|| format!("remove `{}`", path.display()))?;
        Ok(sync_directory(&path)?)
    }
}

/// Opens the file, or makes it, and waits until nobody else has it.
fn lock(path: &Path, ctx: &ActivityContext) -> ActivityResult<File> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("open `{}`", path.display()))?;
        match file.try_lock() {
            // Unless the file has lost its name while it was waited for.
            Ok(()) if has_name(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                if ctx.wait_cancelled(LOCK_INTERVAL).is_some() {
                    return Err(Failure::canceled());
                }
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("lock `{}`", path.display()))?;
            }
        }
    }
}

fn has_name(file: &File, path: &Path) -> bool {
    let (file, named) = (file.metadata(), path.metadata());
    file.is_ok_and(|file| named.is_ok_and(|named| id(&file) == id(&named)))
}

/// Whether two names are those of one file.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    let (one, other) = (one.metadata(), other.metadata());
    one.is_ok_and(|one| other.is_ok_and(|other| id(&one) == id(&other)))
}

fn id(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Syncs the directory of a file, and with it the file's name.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(target: &Path, safe: u64) -> ActivityResult<Partial> {
        Partial::open(target, safe, &ActivityContext::test())
    }

    #[test]
    fn what_is_not_known_to_be_safe_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        let mut partial = open(&target, 0).unwrap();
        partial.append(b"safe").unwrap();
        partial.append(b"who knows").unwrap();
        assert_eq!(partial.end(), 13);
        drop(partial);
        let mut partial = open(&target, 4).unwrap();
        assert_eq!(partial.end(), 4);
        partial.append(b"!").unwrap();
        partial.publish(&target, false).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "safe!");
        assert!(!Partial::path_of(&target).exists());
        // A file that does not have what was safe is not to be trusted.
        fs::write(Partial::path_of(&target), "saf").unwrap();
        assert_eq!(open(&target, 4).unwrap().end(), 0);
    }

    #[test]
    fn two_attempts_do_not_write_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        let first = open(&target, 0).unwrap();
        let (ctx, canceller) = ActivityContext::new(ActivityContext::test().info().clone());
        canceller.cancel(CancelCause::Cancelled);
        let failure = Partial::open(&target, 0, &ctx).unwrap_err();
        assert_eq!(failure.to_string(), "canceled");
        let second = std::thread::spawn({
            let target = target.clone();
            move || Partial::discard(&target, &ActivityContext::test())
        });
        drop(first);
        second.join().unwrap().unwrap();
        assert!(!Partial::path_of(&target).exists());
    }

    #[test]
    fn a_name_that_is_taken_is_not_touched_unless_it_may_be() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        fs::write(&target, "of somebody else").unwrap();
        let copy = || {
            let mut partial = open(&target, 0).unwrap();
            partial.append(b"ours").unwrap();
            partial
        };
        let error = copy().publish(&target, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "of somebody else");
        copy().publish(&target, true).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "ours");
        // An attempt that was lost between the two steps.
        let again = copy();
        fs::remove_file(&target).unwrap();
        fs::hard_link(Partial::path_of(&target), &target).unwrap();
        again.publish(&target, false).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
