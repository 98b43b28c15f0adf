//! Keys of local activities that have not ended.

use entracte_model::{RunId, Seq};

use super::{InvalidKey, Key, KeyRange, Kind, exactly, expect_kind, prefix, take};
use crate::store::Space;

/// The place of the row of a local activity that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalActivityKey {
    /// The run that scheduled it.
    pub run_id: RunId,
    /// Its number in the run.
    pub seq: Seq,
}

impl LocalActivityKey {
    const LEN: usize = 1 + RunId::LEN + 4;
}

impl Key for LocalActivityKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = prefix(Kind::LocalActivity, Some(self.run_id));
        key.extend(self.seq.get().to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::LocalActivity, kind)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let seq = Seq::new(u32::from_be_bytes(take(&mut rest)?));
        Ok(Self { run_id, seq })
    }
}

/// The local activities of all runs.
#[must_use]
pub fn local_activities_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::LocalActivity, None))
}

/// The local activities of a run, in the order of their numbers.
#[must_use]
pub fn local_activities_of(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::LocalActivity, Some(run_id)))
}
