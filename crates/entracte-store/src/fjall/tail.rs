//! The tail's file: up to which number the store is known to be durable.
//!
//! It has two slots in two pages, written in turn, so that a write that is torn by a power cut
//! leaves the other one. When the store is closed both are brought up to date, so that damage
//! to one of them takes nothing away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::layout;
use super::numbers::{SLOT_LEN, Slot, Tail};
use crate::error::StoreError;

/// The name of the tail's file.
pub(super) const TAIL_FILE: &str = "TAIL";
/// The name of that file while it is being made.
pub(super) const TAIL_FILE_NEW: &str = "TAIL.new";
/// Where the second slot begins: in a page of its own.
const SECOND_SLOT_AT: usize = 4096;

/// Makes the tail's file of a new store.
pub(super) fn create(directory: &Path, tail: Tail) -> Result<(), StoreError> {
    let path = directory.join(TAIL_FILE);
    let new = directory.join(TAIL_FILE_NEW);
    let write = || -> io::Result<()> {
        let mut bytes = vec![0; SECOND_SLOT_AT + SLOT_LEN];
        bytes[..SLOT_LEN].copy_from_slice(&Slot { sequence: 0, tail }.encode());
        bytes[SECOND_SLOT_AT..].copy_from_slice(&Slot { sequence: 1, tail }.encode());
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|error| StoreError::from_io("write the tail", Some(&path), error))?;
    layout::sync_directory(directory)
}

/// Reads the tail's file.
pub(super) fn read(directory: &Path) -> Result<Tail, StoreError> {
    read_slot(&directory.join(TAIL_FILE)).map(|slot| slot.tail)
}

fn read_slot(path: &Path) -> Result<Slot, StoreError> {
    let failed = |error| StoreError::from_io("read the tail", Some(path), error);
    let corrupt = |reason: &str| StoreError::Corrupt {
        path: path.to_path_buf(),
        offset: None,
        missing: None,
        reason: reason.to_owned(),
    };
    // More than was written is not looked at, however much there may be.
    let limit = (SECOND_SLOT_AT + SLOT_LEN) as u64;
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(limit).read_to_end(&mut bytes).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(corrupt("it is missing"));
        }
        Err(error) => return Err(failed(error)),
    };
    let slots = [0, SECOND_SLOT_AT].map(|at| Slot::decode(bytes.get(at..)?));
    match slots {
        [Some(one), Some(other)] if one.tail.store_id != other.tail.store_id => {
            Err(corrupt("its two slots belong to different stores"))
        }
        [Some(one), Some(other)] => Ok(if one.sequence > other.sequence { one } else { other }),
        [Some(only), None] | [None, Some(only)] => Ok(only),
        [None, None] => Err(corrupt("neither of its slots can be read")),
    }
}

/// The tail's file of an open store.
#[derive(Debug)]
pub(super) struct TailFile {
    file: File,
    path: PathBuf,
    last: Slot,
}

impl TailFile {
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(TAIL_FILE);
        let last = read_slot(&path)?;
        let file = OpenOptions::new().write(true).open(&path);
        let file =
            file.map_err(|error| StoreError::from_io("open the tail", Some(&path), error))?;
        Ok(Self { file, path, last })
    }

    /// A tail's file on a disk that is full.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn on_a_full_disk() -> io::Result<Self> {
        let path = PathBuf::from("/dev/full");
        let tail = Tail { store_id: 9, synced: 0 };
        let file = OpenOptions::new().write(true).open(&path)?;
        Ok(Self { file, path, last: Slot { sequence: 0, tail } })
    }

    pub(super) fn synced(&self) -> u64 {
        self.last.tail.synced
    }

    /// Notes that everything up to a number is synced, in the older one of the two slots.
    pub(super) fn write(&mut self, synced: u64) -> Result<(), StoreError> {
        let sequence = self.last.sequence + 1;
        let slot = Slot { sequence, tail: Tail { synced, ..self.last.tail } };
        let at = if sequence.is_multiple_of(2) { 0 } else { SECOND_SLOT_AT as u64 };
        let write = || -> io::Result<()> {
            (&self.file).seek(SeekFrom::Start(at))?;
            (&self.file).write_all(&slot.encode())?;
            self.file.sync_data()
        };
        write().map_err(|error| StoreError::from_io("write the tail", Some(&self.path), error))?;
        self.last = slot;
        Ok(())
    }

    /// Brings both slots up to date.
    pub(super) fn finish(&mut self, synced: u64) -> Result<(), StoreError> {
        self.write(synced)?;
        self.write(synced)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn tail_of(directory: &TempDir) -> Tail {
        read(directory.path()).unwrap()
    }

    #[test]
    fn a_torn_write_leaves_the_write_before_it() {
        let directory = TempDir::new().unwrap();
        let tail = Tail { store_id: 9, synced: 0 };
        create(directory.path(), tail).unwrap();
        assert_eq!(tail_of(&directory), tail);
        let path = directory.path().join(TAIL_FILE);
        for synced in 1..6 {
            TailFile::open(directory.path()).unwrap().write(synced).unwrap();
            assert_eq!(tail_of(&directory), Tail { store_id: 9, synced });
            let whole = fs::read(&path).unwrap();
            for at in [0, SECOND_SLOT_AT] {
                let mut torn = whole.clone();
                torn[at + 30] ^= 0xff;
                fs::write(&path, torn).unwrap();
                let left = tail_of(&directory).synced;
                assert!(left == synced || left + 1 == synced, "{left} of {synced}");
            }
            fs::write(&path, whole).unwrap();
        }
    }

    #[test]
    fn a_finished_tail_stands_twice() {
        let directory = TempDir::new().unwrap();
        create(directory.path(), Tail { store_id: 9, synced: 0 }).unwrap();
        TailFile::open(directory.path()).unwrap().finish(77).unwrap();
        let path = directory.path().join(TAIL_FILE);
        let whole = fs::read(&path).unwrap();
        for at in [0, SECOND_SLOT_AT] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(tail_of(&directory).synced, 77);
        }
        fs::write(&path, &whole[..SLOT_LEN]).unwrap();
        assert_eq!(tail_of(&directory).synced, 77);
    }

    #[test]
    fn a_tail_without_a_slot_is_corrupt() {
        let directory = TempDir::new().unwrap();
        assert!(matches!(read(directory.path()), Err(StoreError::Corrupt { .. })));
        fs::write(directory.path().join(TAIL_FILE), [0; 5000]).unwrap();
        assert!(matches!(read(directory.path()), Err(StoreError::Corrupt { .. })));
    }
}
