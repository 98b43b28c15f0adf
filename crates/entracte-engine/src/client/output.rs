//! How the result of a workflow comes out of its payload.

use entracte_model::{DecodeError, Payload};
use serde::de::DeserializeOwned;

/// How an `O` comes out of a payload.
pub(crate) enum Output<O> {
    /// It is decoded.
    Decoded,
    /// It is the payload itself.
    Payload(fn(Payload) -> O),
}

impl<O: DeserializeOwned> Output<O> {
    pub(super) fn read(self, payload: Payload) -> Result<O, DecodeError> {
        match self {
            Self::Decoded => payload.decode(),
            Self::Payload(take) => Ok(take(payload)),
        }
    }
}

// Written out because a derive would ask the same of the type.
impl<O> Clone for Output<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Output<O> {}

impl<O> std::fmt::Debug for Output<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Decoded => "Decoded",
            Self::Payload(_) => "Payload",
        })
    }
}
