//! One batch in a journal file of fjall 3.1, as bytes.
//!
//! ```text
//! start    0x01, number of items u32, sequence number u64
//! item     0x02, kind of value u8, compression u8, keyspace u64,
//!          length of key u16, length of value u32, length on disk u32, key, value
//! end      0x03, XXH3 of all items u64, "FJL" 0x03
//! ```
//!
//! Numbers are little endian. The journals of a store hold nothing but commits of ours, which
//! are batches with one [`CommitRow`] in each space. What fjall writes and this understands are
//! held together by a fixture test and by the exact version of fjall in `Cargo.toml`.

use super::super::checksum;
use super::super::numbers::CommitRow;
use crate::keys::RESERVED_KEY;
use crate::store::Space;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const TRAILER: [u8; 4] = *b"FJL\x03";
/// How long the start of a batch is.
const START_LEN: usize = 13;
/// Plain values, tombstones and weak tombstones: kinds that a journal may hold.
const KINDS: [u8; 3] = [0, 1, 2];
/// How far the sequence number of a batch may lie above what its row says: fjall's own threads
/// take a few numbers in between.
const SEQNO_SLACK: u64 = 1 << 16;

/// A complete commit in a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    /// Where it ends.
    pub(super) end: usize,
    /// Its sequence number in fjall.
    pub(super) seqno: u64,
    /// What it says about itself.
    pub(super) row: CommitRow,
}

/// Why there is no complete commit at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The file ends within the commit.
    #[error("the file ends within a commit")]
    Incomplete,
    /// What stands there is not the next part of a batch.
    #[error("the bytes are not those of a commit")]
    Malformed,
    /// The checksum of the items is not that of the batch.
    #[error("the checksum of a commit differs")]
    Checksum,
    /// The batch was not written by a store, or by another one.
    #[error("a batch is not a commit of this store")]
    Foreign,
    /// The sequence number cannot be that of the commit.
    #[error("the sequence number of a commit is wrong")]
    Seqno,
}

impl Commit {
    /// The commit, if it belongs to a store.
    pub(super) fn of(self, store_id: u64) -> Result<Self, Fault> {
        if self.row.store_id == store_id { Ok(self) } else { Err(Fault::Foreign) }
    }
}

/// Reads the commit that begins at an offset, of whatever store.
pub(super) fn read(bytes: &[u8], at: usize) -> Result<Commit, Fault> {
    let mut cursor = Cursor { bytes, at };
    if cursor.byte()? != START {
        return Err(Fault::Malformed);
    }
    let items = u32::from_le_bytes(cursor.take()?);
    let seqno = u64::from_le_bytes(cursor.take()?);
    let body_at = cursor.at;
    let mut rows = [None; Space::ALL.len()];
    for _ in 0..items {
        let item = cursor.item()?;
        if item.key == RESERVED_KEY {
            rows[item.space] = CommitRow::decode(item.value);
        }
    }
    let body = &bytes[body_at..cursor.at];
    if cursor.byte()? != END {
        return Err(Fault::Malformed);
    }
    let expected = u64::from_le_bytes(cursor.take()?);
    if cursor.take::<4>()? != TRAILER {
        return Err(Fault::Malformed);
    }
    if checksum::short(body) != expected {
        return Err(Fault::Checksum);
    }
    let [Some(row), Some(other), Some(third)] = rows else { return Err(Fault::Foreign) };
    if row != other || row != third {
        return Err(Fault::Foreign);
    }
    if seqno < row.seqno_min || seqno - row.seqno_min > SEQNO_SLACK {
        return Err(Fault::Seqno);
    }
    Ok(Commit { end: cursor.at, seqno, row })
}

/// Looks for the first complete commit of the kind that is wanted, from an offset on.
pub(super) fn find(
    bytes: &[u8],
    from: usize,
    is_wanted: impl Fn(CommitRow) -> bool,
) -> Option<(usize, Commit)> {
    let mut at = from;
    // A commit begins with the start of a batch and goes on with an item.
    while let Some(window) = bytes.get(at..at + START_LEN + 1) {
        if window[0] == START
            && window[START_LEN] == ITEM
            && let Ok(commit) = read(bytes, at)
            && is_wanted(commit.row)
        {
            return Some((at, commit));
        }
        at += 1;
    }
    None
}

struct Item<'a> {
    /// The index of the space.
    space: usize,
    key: &'a [u8],
    value: &'a [u8],
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(len).ok_or(Fault::Malformed)?;
        let slice = self.bytes.get(self.at..end).ok_or(Fault::Incomplete)?;
        self.at = end;
        Ok(slice)
    }

    fn take<const LEN: usize>(&mut self) -> Result<[u8; LEN], Fault> {
        let (part, _) = self.bytes[self.at..].split_first_chunk().ok_or(Fault::Incomplete)?;
        self.at += LEN;
        Ok(*part)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn item(&mut self) -> Result<Item<'a>, Fault> {
        let [tag, kind, compression] = self.take()?;
        if tag != ITEM || !KINDS.contains(&kind) || compression > 1 {
            return Err(Fault::Malformed);
        }
        let keyspace = u64::from_le_bytes(self.take()?);
        // The spaces are made in order, after a keyspace of fjall's own.
        let space = usize::try_from(keyspace).ok().and_then(|id| id.checked_sub(1));
        let space = space.filter(|space| *space < Space::ALL.len()).ok_or(Fault::Malformed)?;
        let key_len = u16::from_le_bytes(self.take()?);
        let value_len = u32::from_le_bytes(self.take()?);
        let stored_len = u32::from_le_bytes(self.take()?);
        if compression == 0 && stored_len != value_len {
            return Err(Fault::Malformed);
        }
        let key = self.slice(usize::from(key_len))?;
        let value = self.slice(stored_len as usize)?;
        Ok(Item { space, key, value })
    }
}
