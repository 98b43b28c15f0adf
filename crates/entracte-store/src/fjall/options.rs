//! How a store on disk is run.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;

const MIB: u64 = 1024 * 1024;
/// The least that makes sense for the journals.
const JOURNAL_BYTES_MIN: u64 = MIB;

/// How a store on disk is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FjallOptions {
    /// How much memory may hold blocks that were read, in bytes. Default 32 MiB.
    pub cache_bytes: u64,
    /// How much each of the three spaces gathers in memory before it is written to a table, in
    /// bytes. Default 16 MiB.
    ///
    /// Up to four times as much waits in memory when the disk is slow, and commits wait with
    /// it: so all spaces together take at most twelve times this.
    pub memtable_bytes_max: u64,
    /// How much is committed, in bytes, before what came before it has left the journals for
    /// the tables. Default 64 MiB, at least 1 MiB.
    ///
    /// It bounds what an opening reads again, one file at a time in memory, and so how long it
    /// takes: the journal files together hold at most about 64 MB more than this. An opening that
    /// finds more, because those before it were soon over, has all of it written to tables, which
    /// takes it about twice as long, and goes on with an empty journal. What the journals hold is
    /// in memory when the store is open, where rows of 150 bytes take three to four times as
    /// much. A file is made with a length of 64 MiB, most of it a hole.
    pub journal_bytes_max: u64,
    /// How much of the tables an opening compares with their checksums, in bytes, the smallest
    /// tables first. Default 256 MiB.
    ///
    /// The rest is compared in the background, at 64 MiB a second; a table that turns out to be
    /// damaged then ends all writing. Each block of a table is checked whenever it is read, but
    /// only the checksum of the whole table shows that a disk has put a block, or another
    /// table, into the wrong place.
    pub check_bytes_max: u64,
    /// How many threads write and compact tables. Default 2: one of them is always free to
    /// write what waits in memory while the other one compacts.
    pub worker_threads: usize,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 32 * MIB,
            memtable_bytes_max: 16 * MIB,
            journal_bytes_max: 64 * MIB,
            check_bytes_max: 256 * MIB,
            worker_threads: 2,
        }
    }
}

impl FjallOptions {
    /// Checks the options.
    ///
    /// # Errors
    /// [`StoreError::InvalidOption`] names the first option that is wrong.
    pub fn validate(&self) -> Result<(), StoreError> {
        let invalid = |option, reason| Err(StoreError::InvalidOption { option, reason });
        if self.memtable_bytes_max == 0 {
            return invalid("memtable_bytes_max", "it is zero".to_owned());
        }
        if self.journal_bytes_max < JOURNAL_BYTES_MIN {
            let found = self.journal_bytes_max;
            let reason = format!("{found} is less than {JOURNAL_BYTES_MIN}");
            return invalid("journal_bytes_max", reason);
        }
        if self.worker_threads == 0 {
            return invalid("worker_threads", "it is zero".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_options_are_named() {
        assert!(FjallOptions::default().validate().is_ok());
        let name = |options: FjallOptions| match options.validate() {
            Err(StoreError::InvalidOption { option, .. }) => option,
            other => panic!("{other:?}"),
        };
        let default = FjallOptions::default();
        let memtable = FjallOptions { memtable_bytes_max: 0, ..default };
        assert_eq!(name(memtable), "memtable_bytes_max");
        let journal = FjallOptions { journal_bytes_max: 1, ..default };
        assert_eq!(name(journal), "journal_bytes_max");
        assert_eq!(name(FjallOptions { worker_threads: 0, ..default }), "worker_threads");
    }
}
