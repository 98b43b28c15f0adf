//! Keys of runs.

use entracte_model::RunId;

use super::{InvalidKey, Key, KeyRange, Kind, exactly, expect_kind, next_key, prefix, take};
use crate::store::Space;

/// The place of a run's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// The run.
    pub run_id: RunId,
}

impl RunKey {
    const LEN: usize = 1 + RunId::LEN;
}

impl Key for RunKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        prefix(Kind::Run, Some(self.run_id))
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::Run, kind)?;
        Ok(Self { run_id: RunId::from_bytes(take(&mut rest)?) })
    }
}

/// All runs, in the order of their ids and so of their starts.
#[must_use]
pub fn run_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Run, None))
}

/// The runs behind one.
#[must_use]
pub fn runs_after(run_id: RunId) -> KeyRange {
    KeyRange { start: next_key(&RunKey { run_id }.encode()), ..run_all() }
}
