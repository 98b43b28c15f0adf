//! A store whose payloads go through a codec.

mod rows;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use entracte_model::{Payload, PayloadCodec};

use crate::batch::{Batch, Op};
use crate::error::StoreError;
use crate::keys::CODEC_KEY;
use crate::store::{Persist, Row, Space, Store, StoreFuture};

/// What the check of a codec encodes.
const CHECK: &str = "entracte";

/// Another store whose payloads go through a codec on their way there and back.
///
/// Nobody above sees it, and whoever looks at the store below sees everything but the values.
/// A row in the space `Meta` holds a known payload, so that a codec that cannot decode the
/// store is refused when it is opened, before anything else is read or written.
pub struct CodedStore {
    inner: Arc<dyn Store>,
    codec: Arc<dyn PayloadCodec>,
}

impl CodedStore {
    /// Puts a codec around a store, after checking that it can decode what is there.
    ///
    /// # Errors
    /// [`StoreError::WrongCodec`] if it cannot, and any error of the store.
    pub async fn open(
        inner: Arc<dyn Store>,
        codec: Arc<dyn PayloadCodec>,
    ) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::WrongCodec { reason };
        let plain = Payload::encode(CHECK).map_err(|error| wrong(error.to_string()))?;
        if let Some(stored) = inner.get(Space::Meta, CODEC_KEY)? {
            let stored: Payload = rmp_serde::from_slice(&stored)
                .map_err(|error| StoreError::corrupt(Space::Meta, CODEC_KEY, error))?;
            let decoded = codec.decode(&stored).map_err(|error| wrong(error.to_string()))?;
            if decoded != plain {
                return Err(wrong("what it decodes is not what was encoded".to_owned()));
            }
        }
        // Written anew each time, so that a key of encryption which is no longer in use can be
        // given up.
        let encoded = codec.encode(&plain).map_err(|error| wrong(error.to_string()))?;
        let bytes = rmp_serde::to_vec_named(&encoded).map_err(|error| wrong(error.to_string()))?;
        let mut batch = Batch::new();
        batch.put(Space::Meta, CODEC_KEY, bytes);
        inner.commit(batch, Persist::Sync).await?;
        Ok(Self { inner, codec })
    }

    /// Checks that a store needs no codec.
    ///
    /// # Errors
    /// [`StoreError::WrongCodec`] if its payloads went through one.
    pub fn check_none(store: &dyn Store) -> Result<(), StoreError> {
        if store.get(Space::Meta, CODEC_KEY)?.is_none() {
            return Ok(());
        }
        let reason = "its payloads went through a codec, and none is set".to_owned();
        Err(StoreError::WrongCodec { reason })
    }

    /// The batch with its payloads encoded.
    fn encoded(&self, batch: &Batch) -> Result<Batch, StoreError> {
        let mut encoded = Batch::new();
        for op in batch.ops() {
            match op {
                Op::Put { space, key, value } => {
                    let replaced = rows::replace(space, key, value, &mut |payload| {
                        self.codec.encode(payload)
                    })?;
                    encoded.put(space, key, replaced.as_deref().unwrap_or(value));
                }
                Op::Delete { space, key } => encoded.delete(space, key),
            }
        }
        Ok(encoded)
    }

    fn decoded(&self, space: Space, key: &[u8], value: Bytes) -> Result<Bytes, StoreError> {
        let decode = &mut |payload: &Payload| self.codec.decode(payload);
        let replaced = rows::replace(space, key, &value, decode)?;
        Ok(replaced.map_or(value, Bytes::from))
    }
}

impl fmt::Debug for CodedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodedStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Store for CodedStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.inner.get(space, key)?;
        value.map(|value| self.decoded(space, key, value)).transpose()
    }

    fn scan(
        &self,
        space: Space,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.inner.scan(space, start, end, limit)?;
        let decode = |Row { key, value }| {
            let value = self.decoded(space, &key, value)?;
            Ok(Row { key, value })
        };
        rows.into_iter().map(decode).collect()
    }

    fn commit(&self, batch: Batch, persist: Persist) -> StoreFuture<'_> {
        match self.encoded(&batch) {
            Ok(encoded) => self.inner.commit(encoded, persist),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn sync(&self) -> StoreFuture<'_> {
        self.inner.sync()
    }

    fn close(&self) -> StoreFuture<'_> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests;
