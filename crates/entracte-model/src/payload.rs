//! Values as bytes, with a tag that says how they are encoded.

mod codec;
mod readable;
mod value;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::codec::{CodecError, HasPayloads, PayloadCodec};

/// An encoded value: an argument, a result, or a detail of a failure.
///
/// Values are MessagePack with field names by default, so that fields can be added later.
/// The tag uses Temporal's names where Temporal has one.
///
/// Through `serde` a payload is its tag and its bytes; in formats for people, such as JSON, the
/// bytes are shown as the value they encode, and in hexadecimal where that is not possible
/// or would not give the same bytes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    encoding: Cow<'static, str>,
    data: Bytes,
}

/// MessagePack with field names, the default encoding.
pub const ENCODING_MESSAGE_PACK: &str = "binary/messagepack";
/// No value: what the unit type encodes to (rule WRK-6).
pub const ENCODING_NULL: &str = "binary/null";

/// Says why a value could not be turned into a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a value of type `{type_name}` cannot be encoded: {reason}")]
pub struct EncodeError {
    /// The Rust type of the value.
    pub type_name: &'static str,
    /// What the encoder said.
    pub reason: String,
}

/// Says why a payload could not be read as a value of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not a value of that type.
    #[error("a payload of {bytes} bytes is not a `{type_name}`: {reason}")]
    Malformed {
        /// The Rust type that was wanted.
        type_name: &'static str,
        /// How long the payload is.
        bytes: usize,
        /// What the decoder said.
        reason: String,
    },
    /// The payload's encoding is not known here.
    #[error("a payload is encoded as `{encoding}`, which is not known here")]
    UnknownEncoding {
        /// The tag of the payload.
        encoding: String,
    },
    /// There are more payloads than the one that was wanted.
    #[error("{count} payloads where one `{type_name}` was wanted")]
    WrongCount {
        /// The Rust type that was wanted.
        type_name: &'static str,
        /// How many payloads there are.
        count: usize,
    },
}

impl Payload {
    /// Encodes a value as MessagePack with field names; a unit becomes the null payload.
    ///
    /// # Errors
    /// [`EncodeError`] if the value's own serialisation fails.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        let data = rmp_serde::to_vec_named(value).map_err(|error| EncodeError {
            type_name: std::any::type_name::<T>(),
            reason: error.to_string(),
        })?;
        // MessagePack's nil, one byte: the unit, a unit struct, or a `None`.
        if data == [0xc0] {
            return Ok(Self::null());
        }
        Ok(Self { encoding: Cow::Borrowed(ENCODING_MESSAGE_PACK), data: data.into() })
    }

    /// The payload of no value.
    #[must_use]
    pub const fn null() -> Self {
        Self { encoding: Cow::Borrowed(ENCODING_NULL), data: Bytes::new() }
    }

    /// Makes a payload from its parts.
    #[must_use]
    pub fn from_parts(encoding: impl Into<Cow<'static, str>>, data: impl Into<Bytes>) -> Self {
        Self { encoding: encoding.into(), data: data.into() }
    }

    /// How the value is encoded.
    #[must_use]
    pub fn encoding(&self) -> &str {
        &self.encoding
    }

    /// The encoded value.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Reads the value.
    ///
    /// # Errors
    /// [`DecodeError`] if the encoding is unknown or the bytes are not such a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let data = match self.encoding() {
            ENCODING_MESSAGE_PACK => self.data.as_ref(),
            ENCODING_NULL => &[0xc0],
            unknown => return Err(DecodeError::UnknownEncoding { encoding: unknown.to_owned() }),
        };
        let malformed = |reason: String| DecodeError::Malformed {
            type_name: std::any::type_name::<T>(),
            bytes: self.data.len(),
            reason,
        };
        let mut deserializer = rmp_serde::Deserializer::from_read_ref(data);
        let value =
            T::deserialize(&mut deserializer).map_err(|error| malformed(error.to_string()))?;
        Ok(value)
    }

    /// Reads the one value of an argument list; an empty list stands for the null payload.
    ///
    /// # Errors
    /// [`DecodeError`] if there are several payloads, or the one is not such a value.
    pub fn decode_one<T: DeserializeOwned>(payloads: &[Self]) -> Result<T, DecodeError> {
        match payloads {
            [] => Self::null().decode(),
            [one] => one.decode(),
            several => Err(DecodeError::WrongCount {
                type_name: std::any::type_name::<T>(),
                count: several.len(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: String,
        cents: u64,
        #[serde(default)]
        note: Option<String>,
    }

    proptest! {
        #[test]
        fn values_survive_a_round_trip(id in ".*", cents: u64, note: Option<String>) {
            let order = Order { id, cents, note };
            let payload = Payload::encode(&order).unwrap();
            prop_assert_eq!(payload.decode::<Order>().unwrap(), order);
        }

        #[test]
        fn arbitrary_bytes_never_panic(data: Vec<u8>) {
            let payload = Payload::from_parts(ENCODING_MESSAGE_PACK, data);
            let _ = payload.decode::<Order>();
        }
    }

    #[test]
    fn fields_can_be_added_and_removed() {
        #[derive(Serialize)]
        struct Older {
            cents: u64,
            id: &'static str,
            dropped: bool,
        }
        let payload = Payload::encode(&Older { cents: 5, id: "a", dropped: true }).unwrap();
        let order: Order = payload.decode().unwrap();
        assert_eq!(order, Order { id: "a".into(), cents: 5, note: None });
    }

    #[test]
    fn the_unit_is_the_null_payload_and_an_empty_argument_list() {
        assert_eq!(Payload::encode(&()).unwrap(), Payload::null());
        Payload::null().decode::<()>().unwrap();
        Payload::decode_one::<()>(&[]).unwrap();
        assert_eq!(Payload::null().decode::<Option<u8>>().unwrap(), None);
    }

    #[test]
    fn wrong_types_counts_and_encodings_are_named() {
        let text = Payload::encode("text").unwrap();
        assert!(matches!(text.decode::<u64>(), Err(DecodeError::Malformed { bytes: 5, .. })));
        let foreign = Payload::from_parts("json/protobuf", "{}");
        assert_eq!(
            foreign.decode::<u64>(),
            Err(DecodeError::UnknownEncoding { encoding: "json/protobuf".into() })
        );
        let two = [text.clone(), text];
        assert!(matches!(
            Payload::decode_one::<String>(&two),
            Err(DecodeError::WrongCount { count: 2, .. })
        ));
    }
}
