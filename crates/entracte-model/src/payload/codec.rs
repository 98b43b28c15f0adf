//! Codecs: what is done to payloads on their way to the disk and back.

use super::Payload;

/// Changes every payload on its way to the disk, and back: it encrypts, for instance, or
/// compresses.
///
/// Arguments, results, headers, heartbeat and failure details, signals and published values are
/// payloads. Names (those of headers too), ids, times, options and the messages of failures are
/// not, and are stored as they are; put nothing secret into them.
///
/// A codec is called for every row that is written or read, so it must be quick and must not
/// wait for a network. It may give a different payload each time for the same one, as
/// encryption with a nonce does: nothing compares encoded payloads.
pub trait PayloadCodec: Send + Sync + 'static {
    /// Encodes a payload on its way to the disk, and gives it an encoding of its own
    /// ([`Payload::from_parts`]) by which [`decode`](Self::decode) knows it again.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be encoded: nothing more is written then, and the engine
    /// stops as it does when the disk is full.
    fn encode(&self, payload: &Payload) -> Result<Payload, CodecError>;

    /// Decodes a payload from the disk. One that this codec has not encoded is given back
    /// unchanged, so that a codec can be set on an existing store.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be decoded, such as without the key that encrypted it.
    /// Nothing is lost: the same store can be read once the codec can decode it.
    fn decode(&self, payload: &Payload) -> Result<Payload, CodecError>;
}

/// Says why a payload could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CodecError {
    /// What is wrong, without secrets: it is logged.
    pub reason: String,
}

impl CodecError {
    /// Says what is wrong.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Something that holds payloads.
pub trait HasPayloads {
    /// Replaces each payload by what it becomes.
    ///
    /// # Errors
    /// The first error there is; the payloads before have been replaced by then.
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E>;
}

impl HasPayloads for Payload {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        *self = replace(self)?;
        Ok(())
    }
}

impl<T: HasPayloads> HasPayloads for Option<T> {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        self.as_mut().map_or(Ok(()), |inner| inner.replace_payloads(replace))
    }
}

impl<T: HasPayloads> HasPayloads for Vec<T> {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        self.iter_mut().try_for_each(|inner| inner.replace_payloads(replace))
    }
}
