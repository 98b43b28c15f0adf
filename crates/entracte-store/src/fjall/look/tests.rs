//! The look, on journals made by hand and by fjall.

mod damage;
mod format;

use std::path::Path;

use super::super::checksum;
use super::super::numbers::{CommitRow, Tail};
use super::Findings;
use super::walk::Walk;
use crate::error::StoreError;
use crate::keys::RESERVED_KEY;

const STORE_ID: u64 = 77;

fn item(keyspace: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0];
    bytes.extend(keyspace.to_le_bytes());
    bytes.extend((key.len() as u16).to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend(key);
    bytes.extend(value);
    bytes
}

fn batch(seqno: u64, items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend((items.len() as u32).to_le_bytes());
    bytes.extend(seqno.to_le_bytes());
    let body = items.concat();
    bytes.extend(&body);
    bytes.push(3);
    bytes.extend(checksum::short(&body).to_le_bytes());
    bytes.extend(b"FJL\x03");
    bytes
}

/// A commit as fjall writes it, with a row of its own.
fn commit_with(row: CommitRow, seqno: u64, value: &[u8]) -> Vec<u8> {
    let mut items: Vec<_> = (1..=3).map(|id| item(id, RESERVED_KEY, &row.encode())).collect();
    items.push(item(3, b"key", value));
    batch(seqno, &items)
}

fn row(number: u64, synced: u64) -> CommitRow {
    CommitRow { store_id: STORE_ID, number, synced, seqno_min: number * 3 }
}

/// The commit with a number, when everything up to another one was known to be synced.
fn commit(number: u64, synced: u64) -> Vec<u8> {
    commit_with(row(number, synced), number * 3, format!("value {number}").as_bytes())
}

/// Commits each of which was synced before the next one.
fn synced_commits(numbers: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    numbers.flat_map(|number| commit(number, number - 1)).collect()
}

/// What the tail's file and the tables say.
#[derive(Clone, Copy, Default)]
struct Known {
    tail: u64,
    in_tables: u64,
    partly_in_tables: u64,
}

fn look_at(known: Known, files: &[Vec<u8>]) -> Findings {
    let tail = Tail { store_id: STORE_ID, synced: known.tail };
    let mut walk = Walk::new(tail, known.in_tables, known.partly_in_tables.max(known.in_tables));
    for (id, bytes) in files.iter().enumerate() {
        walk.file(Path::new(&format!("{id}.jnl")), bytes);
    }
    walk.finish(Path::new("store"))
}

/// The last commit, and the cuts as file and offset, of a store that may be opened.
fn opens(known: Known, files: &[Vec<u8>]) -> (u64, Vec<(String, u64)>) {
    let findings = look_at(known, files);
    if let Some(error) = findings.refusal {
        panic!("{error}");
    }
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    (findings.last, findings.cuts.iter().map(|cut| (name(&cut.path), cut.offset)).collect())
}

/// The error with which a store is refused.
fn refused(known: Known, files: &[Vec<u8>]) -> StoreError {
    look_at(known, files).refusal.unwrap()
}

const NOTHING: Known = Known { tail: 0, in_tables: 0, partly_in_tables: 0 };

fn tail(tail: u64) -> Known {
    Known { tail, ..NOTHING }
}
