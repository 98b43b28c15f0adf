//! Keys of workflow ids.

use entracte_model::WorkflowId;

use super::{InvalidKey, Key, KeyRange, Kind, begin, expect_kind, prefix};
use crate::store::Space;

/// The place of a workflow id's row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkflowIdKey {
    /// The workflow id.
    pub workflow_id: WorkflowId,
}

impl Key for WorkflowIdKey {
    const SPACE: Space = Space::State;

    fn encode(&self) -> Vec<u8> {
        let id = self.workflow_id.as_str().as_bytes();
        let mut key = begin(Kind::WorkflowId, 1 + id.len());
        key.extend_from_slice(id);
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let (kind, id) = bytes.split_first().ok_or(InvalidKey::Length { expected: 2, found: 0 })?;
        expect_kind(Kind::WorkflowId, *kind)?;
        let id = std::str::from_utf8(id).map_err(|_| InvalidKey::NotText)?;
        Ok(Self { workflow_id: WorkflowId::new(id)? })
    }
}

/// All workflow ids, in the order of their bytes.
#[must_use]
pub fn workflow_id_all() -> KeyRange {
    KeyRange::of_prefix(Space::State, prefix(Kind::WorkflowId, None))
}
