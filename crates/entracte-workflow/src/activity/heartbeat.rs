//! Heartbeats: how an attempt tells that it is alive and how far it has come.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use entracte_model::{DecodeError, EncodeError, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The engine's side of [`ActivityContext::heartbeat`](super::ActivityContext::heartbeat).
pub trait HeartbeatSink: fmt::Debug + Send + Sync {
    /// Takes the latest details. Must not block.
    fn record(&self, details: Payload);

    /// The largest details, in bytes.
    fn details_bytes_max(&self) -> usize;
}

/// Says why a heartbeat was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeartbeatError {
    /// The details could not be encoded.
    #[error("heartbeat details: {0}")]
    Encode(#[from] EncodeError),
    /// The details are larger than the engine takes.
    #[error("heartbeat details exceed the size limit: {bytes} bytes, {bytes_max} allowed")]
    TooLarge {
        /// How large they are.
        bytes: usize,
        /// How large they may be.
        bytes_max: usize,
    },
}

/// What the clones of a context share of their heartbeats.
#[derive(Debug)]
pub(super) struct Heartbeats {
    sink: Option<Arc<dyn HeartbeatSink>>,
    latest: Mutex<Option<Payload>>,
}

impl Heartbeats {
    pub(super) fn new(sink: Option<Arc<dyn HeartbeatSink>>, earlier: Option<Payload>) -> Self {
        Self { sink, latest: Mutex::new(earlier) }
    }

    pub(super) fn record<T: Serialize + ?Sized>(&self, details: &T) -> Result<(), HeartbeatError> {
        let details = Payload::encode(details)?;
        let bytes = details.data().len();
        if let Some(sink) = &self.sink {
            let bytes_max = sink.details_bytes_max();
            if bytes > bytes_max {
                return Err(HeartbeatError::TooLarge { bytes, bytes_max });
            }
        }
        let latest = Some(details.clone());
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
        if let Some(sink) = &self.sink {
            sink.record(details);
        }
        Ok(())
    }

    pub(super) fn details<T: DeserializeOwned>(&self) -> Result<Option<T>, DecodeError> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latest.as_ref().map(Payload::decode).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ActivityContext;

    #[derive(Debug, Default)]
    struct Small(Mutex<Vec<Payload>>);

    impl HeartbeatSink for Small {
        fn record(&self, details: Payload) {
            self.0.lock().unwrap().push(details);
        }

        fn details_bytes_max(&self) -> usize {
            10
        }
    }

    #[test]
    fn hb_2_details_of_an_earlier_attempt_are_there_until_they_are_overwritten() {
        let mut info = ActivityContext::test().info().clone();
        info.heartbeat_details = Some(Payload::encode(&7_u32).unwrap());
        let (ctx, _canceller) = ActivityContext::new(info);
        assert_eq!(ctx.heartbeat_details::<u32>(), Ok(Some(7)));
        ctx.heartbeat(&8_u32).unwrap();
        assert_eq!(ctx.heartbeat_details::<u32>(), Ok(Some(8)));
        assert!(ctx.heartbeat_details::<String>().is_err());
        assert_eq!(ActivityContext::test().heartbeat_details::<u32>(), Ok(None));
    }

    #[test]
    fn details_that_are_too_large_are_a_typed_error_and_change_nothing() {
        let sink = Arc::new(Small::default());
        let ctx = ActivityContext::test().with_heartbeats(sink.clone());
        ctx.heartbeat("123").unwrap();
        let error = ctx.heartbeat("12345678901").unwrap_err();
        assert_eq!(error, HeartbeatError::TooLarge { bytes: 12, bytes_max: 10 });
        assert_eq!(ctx.heartbeat_details::<String>().unwrap().unwrap(), "123");
        assert_eq!(*sink.0.lock().unwrap(), [Payload::encode("123").unwrap()]);
    }
}
