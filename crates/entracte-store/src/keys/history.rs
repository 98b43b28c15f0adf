//! Keys of events.

use entracte_model::{EventId, RunId};

use super::{InvalidKey, Key, KeyRange, exactly, next_prefix, take};
use crate::store::Space;

/// The place of an event: run id, then event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryKey {
    /// The run to which it belongs.
    pub run_id: RunId,
    /// Its place in the run.
    pub event_id: EventId,
}

impl HistoryKey {
    const LEN: usize = RunId::LEN + 8;
}

impl Key for HistoryKey {
    const SPACE: Space = Space::History;

    fn encode(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(Self::LEN);
        key.extend(self.run_id.to_bytes());
        key.extend(self.event_id.get().to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let mut rest: &[u8] = &exactly::<{ Self::LEN }>(bytes)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let event_id = EventId::new(u64::from_be_bytes(take(&mut rest)?));
        Ok(Self { run_id, event_id })
    }
}

/// All events of a run.
#[must_use]
pub fn history_range(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::History, run_id.to_bytes().to_vec())
}

/// The events of a run from one on.
#[must_use]
pub fn history_from(run_id: RunId, event_id: EventId) -> KeyRange {
    let start = HistoryKey { run_id, event_id }.encode();
    KeyRange { space: Space::History, start, end: next_prefix(&run_id.to_bytes()) }
}
