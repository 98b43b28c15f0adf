//! What is in a file.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How much the page cache writes at once.
pub const PAGE_BYTES: usize = 4096;
/// How much a disk writes at once.
pub(super) const SECTOR_BYTES: usize = 512;

/// A page of a file.
pub type Page = [u8; PAGE_BYTES];

/// The length of a file, and its pages; those that are missing are zeros.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// How long the file is, in bytes.
    pub length: u64,
    /// The pages by their numbers. Behind the end of the file they hold zeros.
    pub pages: BTreeMap<u64, Arc<Page>>,
}

impl Content {
    /// Writes bytes, without making the file longer.
    pub(super) fn put(&mut self, offset: u64, data: &[u8]) {
        for part in parts(offset, data.len()) {
            let page = self.pages.entry(part.page).or_insert_with(zeros);
            Arc::make_mut(page)[part.at..part.at + part.bytes]
                .copy_from_slice(&data[part.from..part.from + part.bytes]);
        }
    }

    /// Makes the file as long as this; what is cut off is gone.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let first_gone = length.div_ceil(PAGE_BYTES as u64);
            drop(self.pages.split_off(&first_gone));
            let rest = (length % PAGE_BYTES as u64) as usize;
            if rest > 0
                && let Some(page) = self.pages.get_mut(&(length / PAGE_BYTES as u64))
            {
                Arc::make_mut(page)[rest..].fill(0);
            }
        }
        self.length = length;
    }

    /// Forgets what lies behind the end.
    pub(super) fn trim(&mut self) {
        let length = self.length;
        self.length = u64::MAX;
        self.set_length(length);
    }

    /// All bytes of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length as usize];
        for (number, page) in &self.pages {
            let start = *number as usize * PAGE_BYTES;
            if start < bytes.len() {
                let end = bytes.len().min(start + PAGE_BYTES);
                bytes[start..end].copy_from_slice(&page[..end - start]);
            }
        }
        bytes
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Self, two: &Self| {
            one.pages.iter().all(|(number, page)| match two.pages.get(number) {
                Some(other) => page == other,
                None => page.iter().all(|byte| *byte == 0),
            })
        };
        self.length == other.length && same(self, other) && same(other, self)
    }
}

impl Eq for Content {}

pub(super) fn zeros() -> Arc<Page> {
    Arc::new([0; PAGE_BYTES])
}

/// The part of some written bytes that lies in one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) page: u64,
    /// Where in the page it begins.
    pub(super) at: usize,
    /// Where in the written bytes it begins.
    pub(super) from: usize,
    pub(super) bytes: usize,
}

/// Splits written bytes at the borders of pages.
pub(super) fn parts(offset: u64, length: usize) -> impl Iterator<Item = Part> {
    let mut from = 0;
    std::iter::from_fn(move || {
        if from >= length {
            return None;
        }
        let position = offset + from as u64;
        let at = (position % PAGE_BYTES as u64) as usize;
        let bytes = (PAGE_BYTES - at).min(length - from);
        let part = Part { page: position / PAGE_BYTES as u64, at, from, bytes };
        from += bytes;
        Some(part)
    })
}
