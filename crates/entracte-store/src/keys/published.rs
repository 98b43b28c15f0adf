//! Keys of published state.

use entracte_model::RunId;

use super::{InvalidKey, Key, KeyRange, Kind, expect_kind, prefix, take};
use crate::store::Space;

/// The place of a piece of state that a run has published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedKey {
    /// The run that published it.
    pub run_id: RunId,
    /// The durable name under which it did.
    pub name: String,
}

impl PublishedKey {
    /// The length of a key without its name, which has one byte at least.
    const LEN: usize = 1 + RunId::LEN;
}

impl Key for PublishedKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let mut key = prefix(Kind::Published, Some(self.run_id));
        key.extend_from_slice(self.name.as_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        if bytes.len() <= Self::LEN {
            return Err(InvalidKey::Length { expected: Self::LEN + 1, found: bytes.len() });
        }
        let mut rest = bytes;
        let [kind] = take(&mut rest)?;
        expect_kind(Kind::Published, kind)?;
        let run_id = RunId::from_bytes(take(&mut rest)?);
        let name = str::from_utf8(rest).map_err(|_| InvalidKey::NotText)?.to_owned();
        Ok(Self { run_id, name })
    }
}

/// What all runs have published.
#[must_use]
pub fn published_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Published, None))
}

/// What a run has published, in the order of the names.
#[must_use]
pub fn published_of(run_id: RunId) -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::Published, Some(run_id)))
}
