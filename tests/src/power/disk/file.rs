//! A file: what is durable of it, and what is pending.

use bytes::Bytes;

use super::Sequence;
use super::content::Content;

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileChange {
    /// Bytes were written, which does not make the file longer by itself.
    Write { offset: u64, data: Bytes },
    /// The file became longer by a write.
    Grow { length: u64 },
    /// The file was cut or made longer.
    SetLength { length: u64 },
}

impl FileChange {
    /// Whether it is about the length.
    pub(super) fn is_length(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }

    pub(super) fn apply(&self, content: &mut Content) {
        match self {
            Self::Write { offset, data } => content.put(*offset, data),
            Self::Grow { length } => content.length = content.length.max(*length),
            Self::SetLength { length } => content.set_length(*length),
        }
    }
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct FileState {
    durable: Content,
    pending: Vec<(Sequence, FileChange)>,
    /// The length with all changes.
    length: u64,
    /// Changes of the length up to this number are durable, though writes before them may not
    /// be.
    lengths_durable: Sequence,
}

impl FileState {
    pub(super) fn write(&mut self, sequence: Sequence, offset: u64, data: Bytes) {
        let end = offset + data.len() as u64;
        self.pending.push((sequence, FileChange::Write { offset, data }));
        if end > self.length {
            self.length = end;
            self.pending.push((sequence, FileChange::Grow { length: end }));
        }
    }

    pub(super) fn set_length(&mut self, sequence: Sequence, length: u64) {
        self.length = length;
        self.pending.push((sequence, FileChange::SetLength { length }));
    }

    pub(super) fn durable(&self) -> &Content {
        &self.durable
    }

    pub(super) fn pending(&self) -> &[(Sequence, FileChange)] {
        &self.pending
    }

    /// Up to which number the changes of the length survive in any case.
    pub(super) fn lengths_durable(&self) -> Sequence {
        self.lengths_durable
    }

    pub(super) fn now(&self) -> Content {
        let mut content = self.durable.clone();
        self.pending.iter().for_each(|(_, change)| change.apply(&mut content));
        content
    }

    /// Makes the changes up to a number durable.
    pub(super) fn sync_data(&mut self, until: Sequence) {
        let pending = std::mem::take(&mut self.pending);
        for (sequence, change) in pending {
            if sequence <= until {
                change.apply(&mut self.durable);
            } else {
                self.pending.push((sequence, change));
            }
        }
    }

    /// Makes the changes of the length up to a number durable, and not the data.
    pub(super) fn sync_lengths(&mut self, until: Sequence) {
        self.lengths_durable = self.lengths_durable.max(until);
    }
}
