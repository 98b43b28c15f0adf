//! A store with a damage.

use std::sync::Arc;

use super::damaging::BATCH_END;
use super::image::Image;
use super::sample::Sample;

/// A store with a damage.
#[derive(Debug, Clone)]
pub struct Case {
    /// The store before.
    pub sample: Arc<Sample>,
    /// Its files afterwards.
    pub image: Image,
    /// What kind of damage it is.
    pub damage: String,
    /// What kind of file is damaged.
    pub file: String,
    /// What exactly was done to which file.
    pub label: String,
    /// Whether the damage is confined to what nobody was promised, so that the store must open.
    pub must_open: bool,
}

impl Case {
    /// How many commits must be there, or an error be told.
    ///
    /// A commit that was not damaged tells that all before it were synced, whatever else the
    /// store knows.
    #[must_use]
    pub fn durable(&self) -> usize {
        let Sample { durable, acknowledged, .. } = *self.sample;
        if durable == acknowledged {
            return durable;
        }
        let journal = self.sample.image.active_journal();
        let before = journal.and_then(|path| self.sample.image.files.get(path));
        let after = journal.and_then(|path| self.image.files.get(path));
        let (Some(before), Some(after)) = (before, after) else { return durable };
        let (before, after) = (before.data.as_slice(), after.data.as_slice());
        let (mut end, mut number) = (before.len(), acknowledged);
        while number > durable {
            let start = start_of_batch(before, end);
            let batch = &before[start..end];
            // Where it was, or as far from the end as it was.
            let is_there = after.get(start..end) == Some(batch);
            let shifted = (start + after.len()).checked_sub(before.len());
            let is_shifted = shifted.is_some_and(|at| after[at..].starts_with(batch));
            if is_there || is_shifted {
                return durable.max(number - 1);
            }
            (end, number) = (start, number - 1);
        }
        durable
    }
}

/// Where the batch begins that ends at some place: where the one before it ends.
fn start_of_batch(journal: &[u8], end: usize) -> usize {
    let front = &journal[..end.saturating_sub(BATCH_END.len())];
    let last = front.windows(BATCH_END.len()).rposition(|window| window == BATCH_END);
    last.map_or(0, |at| at + BATCH_END.len())
}
