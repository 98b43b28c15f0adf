//! Headers: what travels along with calls, beside their arguments.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::payload::{DecodeError, EncodeError, HasPayloads, Payload};

/// What travels along with a start, a signal or an activity, beside its arguments: values by
/// names, in the order of the names. A trace id, for instance, or who asked (rule WRK-3).
///
/// Headers are journaled with the event that they came with, and a payload codec sees their
/// values, not their names. Names and values together are limited as an argument is
/// (rule LIM-4).
///
/// ```
/// use entracte_model::Headers;
///
/// let mut headers = Headers::new();
/// headers.insert("trace-id", "4bf92f35").unwrap();
/// assert_eq!(headers.get::<String>("trace-id"), Some(Ok("4bf92f35".to_owned())));
/// assert_eq!(headers.get::<String>("user"), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, Payload>);

impl Headers {
    /// Makes headers without any.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a header to a value, in place of an earlier one of the same name.
    ///
    /// # Errors
    /// [`EncodeError`] if the value cannot be encoded; nothing is changed then.
    pub fn insert<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<(), EncodeError> {
        let value = Payload::encode(value)?;
        self.insert_payload(name, value);
        Ok(())
    }

    /// Sets a header to a value that is encoded already.
    pub fn insert_payload(&mut self, name: impl Into<String>, value: Payload) {
        self.0.insert(name.into(), value);
    }

    /// Reads a header; none if there is none of this name.
    ///
    /// # Errors
    /// [`DecodeError`] if the header is not such a value.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<Result<T, DecodeError>> {
        self.get_payload(name).map(Payload::decode)
    }

    /// A header's value as it is encoded.
    #[must_use]
    pub fn get_payload(&self, name: &str) -> Option<&Payload> {
        self.0.get(name)
    }

    /// Takes a header out.
    pub fn remove(&mut self, name: &str) -> Option<Payload> {
        self.0.remove(name)
    }

    /// The headers, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Payload)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Adds the headers of `others` whose names are not there yet.
    pub fn add_missing(&mut self, others: &Self) {
        for (name, value) in others.iter() {
            if !self.0.contains_key(name) {
                self.insert_payload(name, value.clone());
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes names and values take; what is limited (rule LIM-4).
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.data().len()).sum()
    }
}

impl HasPayloads for Headers {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        self.0.values_mut().try_for_each(|value| value.replace_payloads(replace))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(entries: &[(&str, u32)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in entries {
            headers.insert(*name, value).unwrap();
        }
        headers
    }

    #[test]
    fn wrk_3_headers_are_in_the_order_of_their_names() {
        let headers = headers(&[("user", 1), ("auth", 2), ("trace", 3)]);
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["auth", "trace", "user"]);
        assert_eq!(headers.size(), "authtraceuser".len() + 3);
    }

    #[test]
    fn wrk_3_what_is_there_already_is_not_replaced_by_what_is_added() {
        let mut own = headers(&[("user", 1)]);
        own.add_missing(&headers(&[("user", 2), ("trace", 3)]));
        assert_eq!(own, headers(&[("user", 1), ("trace", 3)]));
        assert_eq!(own.remove("user"), Payload::encode(&1).ok());
        assert_eq!(own.len(), 1);
    }

    proptest! {
        #[test]
        fn headers_survive_a_round_trip(entries: BTreeMap<String, Vec<u8>>) {
            let mut headers = Headers::new();
            for (name, data) in &entries {
                headers.insert_payload(name, Payload::from_parts("binary/plain", data.clone()));
            }
            let stored = rmp_serde::to_vec_named(&headers).unwrap();
            prop_assert_eq!(&rmp_serde::from_slice::<Headers>(&stored).unwrap(), &headers);
            let readable = serde_json::to_string(&headers).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Headers>(&readable).unwrap(), &headers);
        }
    }
}
