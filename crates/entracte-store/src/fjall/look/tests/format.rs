//! fjall's format: what the pinned version writes, and that it is understood.

use std::fs;
use std::sync::Arc;

use ::fjall::PersistMode;
use tempfile::TempDir;

use super::super::super::create::make_journal;
use super::super::super::database::Opened;
use super::super::super::layout::{JOURNAL_DIRECTORY, JOURNAL_DIRECTORY_NEW};
use super::super::super::lock::DirectoryLock;
use super::super::super::open::open_database;
use super::super::super::options::FjallOptions;
use super::super::super::progress::Progress;
use super::super::{journals, trees};
use super::*;
use crate::batch::Batch;
use crate::store::Space;

/// The journal of the commits below, as fjall 3.1.13 wrote it.
const FIXTURE: &[u8] = include_bytes!("fixtures/journal-fjall-3.1.13.bin");

/// Makes a store with a few commits of all kinds, and gives its journal.
fn write() -> (TempDir, Vec<u8>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let options = FjallOptions::default();
    let lock = Arc::new(DirectoryLock::take(path).unwrap());
    make_journal(path, &options, STORE_ID, &lock).unwrap();
    fs::rename(path.join(JOURNAL_DIRECTORY_NEW), path.join(JOURNAL_DIRECTORY)).unwrap();
    let database = open_database(path, JOURNAL_DIRECTORY, &options).unwrap();
    let opened =
        Opened::new(path, database, Arc::new(Progress::new(1, 0, usize::MAX)), STORE_ID, lock);
    let mut batch = Batch::new();
    batch.put(Space::History, "event", "happened");
    batch.put(Space::State, "run", vec![7; 300]);
    batch.delete(Space::State, "inbox");
    opened.commit(&batch, PersistMode::SyncData).unwrap();
    let mut batch = Batch::new();
    batch.put(Space::Meta, "clock", []);
    opened.commit(&batch, PersistMode::Buffer).unwrap();
    let mut batch = Batch::new();
    // Large enough that fjall would compress it if it were allowed to.
    batch.put(Space::State, "large", vec![9; 5_000]);
    opened.commit(&batch, PersistMode::SyncData).unwrap();
    drop(opened);
    let files = journals::list(&path.join(JOURNAL_DIRECTORY)).unwrap();
    let bytes = files[0].read().unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (directory, bytes[..used].to_vec())
}

/// When this fails, fjall's format has changed: `batch.rs` has to be changed with it, and the
/// fixture is what `write` gives now.
#[test]
fn fjall_writes_what_it_wrote_before() {
    let (_directory, bytes) = write();
    assert_eq!(bytes.len(), FIXTURE.len());
    let differs = bytes.iter().zip(FIXTURE).position(|(one, other)| one != other);
    assert_eq!(differs, None, "the journal differs from the fixture at this byte");
}

#[test]
fn what_fjall_writes_is_understood() {
    let findings = look_at(tail(4), &[FIXTURE.to_vec()]);
    assert!(findings.places.is_empty(), "{:?}", findings.places);
    assert_eq!((findings.in_journals, findings.last, findings.synced), (Some(1..=4), 4, 4));
    // The buffered third commit was not known to be synced when the fourth was written.
    let findings = look_at(NOTHING, &[FIXTURE.to_vec()]);
    assert_eq!((findings.last, findings.synced), (4, 2));
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen_or_harmless() {
    for bit in 0..FIXTURE.len() * 8 {
        let mut bytes = FIXTURE.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let findings = look_at(tail(4), &[bytes]);
        match findings.refusal {
            Some(StoreError::Corrupt { .. } | StoreError::Truncated { .. }) => {}
            Some(error) => panic!("bit {bit}: {error}"),
            // A sequence number may be a little higher, as long as the order stays.
            None => assert_eq!((findings.cuts, findings.last), (vec![], 4), "bit {bit}"),
        }
    }
    for len in 0..FIXTURE.len() {
        refused(tail(4), &[FIXTURE[..len].to_vec()]);
    }
}

#[test]
fn the_files_of_the_trees_are_understood() {
    let (directory, _) = write();
    let journal = directory.path().join(JOURNAL_DIRECTORY);
    let persisted = trees::look(&journal, STORE_ID).unwrap().persisted;
    assert_eq!((persisted.all(), persisted.some()), (0, 0), "nothing was written to tables");
    assert!(trees::check_tables(&journal).is_empty());
}

#[test]
fn the_tables_tell_how_far_they_reach() {
    let (directory, _) = write();
    let path = directory.path();
    let journal = path.join(JOURNAL_DIRECTORY);
    let lock = Arc::new(DirectoryLock::take(path).unwrap());
    let database = open_database(path, JOURNAL_DIRECTORY, &FjallOptions::default()).unwrap();
    let opened =
        Opened::new(path, database, Arc::new(Progress::new(4, 0, usize::MAX)), STORE_ID, lock);
    for (number, space) in (4..).zip(Space::ALL) {
        opened.keyspaces().of(space).rotate_memtable_and_wait().unwrap();
        let persisted = trees::look(&journal, STORE_ID).unwrap().persisted;
        let all = if number == 6 { 4 } else { 0 };
        assert_eq!((persisted.all(), persisted.some()), (all, number), "{space}");
        let mut batch = Batch::new();
        batch.put(Space::State, "key", "value");
        opened.commit(&batch, PersistMode::SyncData).unwrap();
    }
    let error = trees::look(&journal, STORE_ID + 1).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}
