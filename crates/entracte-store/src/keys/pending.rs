//! Keys of open activities.

use entracte_model::{RunId, Seq};

use super::{InvalidKey, Key, KeyRange, Kind, exactly, expect_kind, prefix, take};
use crate::store::Space;

/// The place of an open activity's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingActivityKey {
    /// The run that scheduled it.
    pub run_id: RunId,
    /// Its number in the run.
    pub seq: Seq,
}

impl PendingActivityKey {
    const LEN: usize = 1 + RunId::LEN + 4;
}

impl Key for PendingActivityKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = prefix(Kind::PendingActivity, Some(self.run_id));
        key.extend(self.seq.get().to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::PendingActivity, kind)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let seq = Seq::new(u32::from_be_bytes(take(&mut rest)?));
        Ok(Self { run_id, seq })
    }
}

/// The open activities of all runs.
#[must_use]
pub fn pending_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::PendingActivity, None))
}

/// The open activities of a run, in the order of their numbers.
#[must_use]
pub fn pending_of(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::PendingActivity, Some(run_id)))
}
