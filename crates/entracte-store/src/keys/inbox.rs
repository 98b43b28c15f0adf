//! Keys of inbox rows.

use entracte_model::RunId;

use super::{InvalidKey, Key, KeyRange, Kind, exactly, expect_kind, prefix, take};
use crate::store::Space;

/// The place of what must reach a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxKey {
    /// The run that it must reach.
    pub run_id: RunId,
    /// Its place in the run's inbox.
    pub sequence: u64,
}

impl InboxKey {
    const LEN: usize = 1 + RunId::LEN + 8;
}

impl Key for InboxKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = prefix(Kind::Inbox, Some(self.run_id));
        key.extend(self.sequence.to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::Inbox, kind)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let sequence = u64::from_be_bytes(take(&mut rest)?);
        Ok(Self { run_id, sequence })
    }
}

/// The inboxes of all runs.
#[must_use]
pub fn inbox_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Inbox, None))
}

/// The inbox of a run, in the order of its sequence.
#[must_use]
pub fn inbox_of(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Inbox, Some(run_id)))
}
