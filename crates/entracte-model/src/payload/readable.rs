//! Payloads through serde: bytes for machines, values for people.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::value::Value;
use super::{ENCODING_MESSAGE_PACK, Payload};

/// What the tags of all encodings begin with that are JSON text.
const ENCODINGS_JSON: &str = "json/";

/// A payload for machines.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    encoding: Cow<'a, str>,
    data: Cow<'a, Bytes>,
}

/// A payload for people. The value is there if the encoding is known; the bytes in hexadecimal
/// unless the value gives them back, and then they count.
#[derive(Serialize, Deserialize)]
struct Readable<'a> {
    encoding: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// Tells a value that is null from a missing one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let encoding = Cow::Borrowed(self.encoding());
        if !serializer.is_human_readable() {
            return Plain { encoding, data: Cow::Borrowed(self.data()) }.serialize(serializer);
        }
        let value = read(self.encoding(), self.data());
        let is_exact = |value: &Value| {
            value.is_finite()
                && write(self.encoding(), value).is_ok_and(|data| data == self.data()[..])
        };
        let needs_hex = !self.data().is_empty() && !value.as_ref().is_some_and(is_exact);
        let hex = needs_hex.then(|| to_hex(self.data()));
        Readable { encoding, value, hex }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let Plain { encoding, data } = Plain::deserialize(deserializer)?;
            return Ok(Self::from_parts(encoding.into_owned(), data.into_owned()));
        }
        let Readable { encoding, value, hex } = Readable::deserialize(deserializer)?;
        let data = match (hex, value) {
            (Some(hex), _) => from_hex(&hex).ok_or_else(|| de::Error::custom("invalid hex"))?,
            (None, Some(value)) => write(&encoding, &value).map_err(de::Error::custom)?,
            (None, None) => Vec::new(),
        };
        Ok(Self::from_parts(encoding.into_owned(), data))
    }
}

/// Reads bytes as a value that can be shown, if they are one.
fn read(encoding: &str, data: &[u8]) -> Option<Value> {
    if encoding == ENCODING_MESSAGE_PACK {
        rmp_serde::from_slice(data).ok()
    } else if encoding.starts_with(ENCODINGS_JSON) {
        serde_json::from_slice(data).ok()
    } else {
        None
    }
}

/// Writes a value as an encoding has it.
fn write(encoding: &str, value: &Value) -> Result<Vec<u8>, String> {
    if encoding == ENCODING_MESSAGE_PACK {
        rmp_serde::to_vec_named(value).map_err(|error| error.to_string())
    } else if encoding.starts_with(ENCODINGS_JSON) {
        serde_json::to_vec(value).map_err(|error| error.to_string())
    } else {
        Err(format!("a value cannot be encoded as `{encoding}`, which is not known here"))
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ENCODING_NULL;
    use super::*;

    fn json(payload: &Payload) -> String {
        let json = serde_json::to_string(payload).unwrap();
        assert_eq!(&serde_json::from_str::<Payload>(&json).unwrap(), payload, "{json}");
        json
    }

    #[test]
    fn people_see_the_value() {
        #[derive(Serialize)]
        struct Order {
            id: &'static str,
            cents: u64,
            discount: Option<i32>,
        }
        let order = Payload::encode(&Order { id: "o-1", cents: 42, discount: None }).unwrap();
        assert_eq!(
            json(&order),
            r#"{"encoding":"binary/messagepack","value":{"id":"o-1","cents":42,"discount":null}}"#
        );
        assert_eq!(json(&Payload::null()), r#"{"encoding":"binary/null"}"#);
        let foreign = Payload::from_parts("json/plain", r#"{"b":[1,-2.5],"a":null}"#);
        assert_eq!(json(&foreign), r#"{"encoding":"json/plain","value":{"b":[1,-2.5],"a":null}}"#);
    }

    #[test]
    fn what_is_no_value_or_would_change_is_also_in_hexadecimal() {
        let opaque = Payload::from_parts("binary/plain", vec![0x00, 0xff]);
        assert_eq!(json(&opaque), r#"{"encoding":"binary/plain","hex":"00ff"}"#);
        let single = Payload::encode(&0.5_f32).unwrap();
        let text = r#"{"encoding":"binary/messagepack","value":0.5,"hex":"ca3f000000"}"#;
        assert_eq!(json(&single), text);
        let spaced = Payload::from_parts("json/plain", "[1, 2]");
        let text = r#"{"encoding":"json/plain","value":[1,2],"hex":"5b312c20325d"}"#;
        assert_eq!(json(&spaced), text);
        for payload in [
            Payload::encode(&f64::NAN).unwrap(),
            Payload::encode(&std::collections::BTreeMap::from([(1_u8, 2_u8)])).unwrap(),
            Payload::from_parts(ENCODING_MESSAGE_PACK, vec![0x91; 200]),
            Payload::from_parts(ENCODING_MESSAGE_PACK, vec![0xc1]),
            Payload::from_parts(ENCODING_MESSAGE_PACK, Vec::new()),
            Payload::from_parts(ENCODING_NULL, vec![1]),
        ] {
            json(&payload);
        }
    }

    #[test]
    fn a_deep_value_is_not_taken_apart() {
        let mut deep = vec![0x91; 100];
        deep.push(0x01);
        let deep = Payload::from_parts(ENCODING_MESSAGE_PACK, deep);
        assert!(!json(&deep).contains("value"), "nothing reads JSON that deep");
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in [
            r#"{"encoding":"x","hex":"0"}"#,
            r#"{"encoding":"x","hex":"0g"}"#,
            r#"{"encoding":"x","hex":"é"}"#,
            r#"{"encoding":"x","value":1}"#,
            r#"{"value":1}"#,
        ] {
            assert!(serde_json::from_str::<Payload>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_payload_survives_both_forms(
            encoding in prop_oneof![Just(ENCODING_MESSAGE_PACK), Just("json/plain"), Just("x")],
            data: Vec<u8>,
        ) {
            let payload = Payload::from_parts(encoding, data);
            json(&payload);
            let bytes = rmp_serde::to_vec_named(&payload).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Payload>(&bytes).unwrap(), payload);
        }

        #[test]
        fn values_survive_as_json(text: String, number: i64, list: Vec<Option<u64>>) {
            let payload = Payload::encode(&(text, number, list)).unwrap();
            prop_assert!(!json(&payload).contains("hex"));
        }
    }

    /// The form that is stored, spelled out: whoever changes it breaks every store there is.
    #[test]
    fn the_stored_form_does_not_change() {
        let bytes = rmp_serde::to_vec_named(&Payload::from_parts("x", vec![1, 2])).unwrap();
        assert_eq!(bytes, b"\x82\xa8encoding\xa1x\xa4data\xc4\x02\x01\x02");
    }
}
