//! A codec that encrypts payloads with XChaCha20-Poly1305.
//!
//! The `chacha20poly1305` crate was audited by NCC Group. Each payload gets a random nonce of
//! 24 bytes, which is long enough for any number of payloads under one key. The id of the key
//! is part of the encoding's name and is authenticated with the payload, so several keys can
//! be in use at the same time: new payloads are encrypted with the first one, and whatever an
//! older key has encrypted is read with that.

use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload as Sealed};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use entracte::{CodecError, Payload, PayloadCodec};

/// What the encoding of an encrypted payload begins with; the id of the key follows.
const ENCODING_PREFIX: &str = "binary/encrypted; key=";
const NONCE_BYTES: usize = 24;

/// A key of 256 bits with its id. The id is stored beside what it encrypts.
pub(crate) struct NamedKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl NamedKey {
    /// Takes a key.
    pub(crate) fn new(id: impl Into<String>, key: [u8; 32]) -> Self {
        Self { id: id.into(), cipher: XChaCha20Poly1305::new(Key::from_slice(&key)) }
    }

    fn encoding(&self) -> String {
        format!("{ENCODING_PREFIX}{}", self.id)
    }
}

/// Encrypts payloads with the first of its keys, and decrypts with all of them.
pub(crate) struct Encryption {
    current: NamedKey,
    older: Vec<NamedKey>,
}

impl Encryption {
    /// Takes the key for new payloads, and those that may still be needed for old ones.
    pub(crate) fn new(current: NamedKey, older: Vec<NamedKey>) -> Self {
        Self { current, older }
    }

    fn key(&self, id: &str) -> Option<&NamedKey> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id == id)
    }
}

impl PayloadCodec for Encryption {
    fn encode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        let key = &self.current;
        // The whole payload goes inside, so that its own encoding comes back with it.
        let plain = rmp_serde::to_vec_named(payload)
            .map_err(|error| CodecError::new(format!("a payload cannot be written: {error}")))?;
        let encoding = key.encoding();
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let sealed = Sealed { msg: &plain, aad: encoding.as_bytes() };
        let encrypted = key.cipher.encrypt(&nonce, sealed);
        let encrypted = encrypted.map_err(|_| CodecError::new("a payload is too long"))?;
        Ok(Payload::from_parts(encoding, [&nonce[..], &encrypted[..]].concat()))
    }

    fn decode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        let encoding = payload.encoding();
        let Some(id) = encoding.strip_prefix(ENCODING_PREFIX) else { return Ok(payload.clone()) };
        let key = self
            .key(id)
            .ok_or_else(|| CodecError::new(format!("the key `{id}` is not there to decrypt")))?;
        let wrong = || CodecError::new(format!("the key `{id}` does not fit, or it was tampered"));
        let (nonce, encrypted) = payload.data().split_at_checked(NONCE_BYTES).ok_or_else(wrong)?;
        let sealed = Sealed { msg: encrypted, aad: encoding.as_bytes() };
        let plain = key.cipher.decrypt(XNonce::from_slice(nonce), sealed).map_err(|_| wrong())?;
        rmp_serde::from_slice(&plain)
            .map_err(|error| CodecError::new(format!("a payload cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, byte: u8) -> NamedKey {
        NamedKey::new(id, [byte; 32])
    }

    #[test]
    fn what_was_encrypted_comes_back_and_is_never_the_same_twice() {
        let codec = Encryption::new(key("a", 1), Vec::new());
        for payload in [Payload::null(), Payload::encode("secret").unwrap()] {
            let (one, two) = (codec.encode(&payload).unwrap(), codec.encode(&payload).unwrap());
            assert_ne!(one, two);
            assert_eq!(codec.decode(&one).unwrap(), payload);
            assert_eq!(codec.decode(&two).unwrap(), payload);
            assert!(!one.data().windows(6).any(|part| part == b"secret"));
        }
    }

    #[test]
    fn an_older_key_still_reads() {
        let payload = Payload::encode(&7).unwrap();
        let old = Encryption::new(key("a", 1), Vec::new()).encode(&payload).unwrap();
        let rotated = Encryption::new(key("b", 2), vec![key("a", 1)]);
        assert_eq!(rotated.decode(&old).unwrap(), payload);
        assert!(rotated.encode(&payload).unwrap().encoding().ends_with("key=b"));
    }

    #[test]
    fn a_wrong_key_and_a_changed_byte_are_named() {
        let payload = Payload::encode(&7).unwrap();
        let codec = Encryption::new(key("a", 1), Vec::new());
        let encrypted = codec.encode(&payload).unwrap();
        let reason = |codec: &Encryption, payload: &Payload| codec.decode(payload).unwrap_err();
        let other_id = Encryption::new(key("b", 1), Vec::new());
        assert!(reason(&other_id, &encrypted).reason.contains("the key `a` is not there"));
        let other_key = Encryption::new(key("a", 2), Vec::new());
        assert!(reason(&other_key, &encrypted).reason.contains("does not fit"));
        for at in 0..encrypted.data().len() {
            let mut data = encrypted.data().to_vec();
            data[at] ^= 1;
            let changed = Payload::from_parts(encrypted.encoding().to_owned(), data);
            assert!(reason(&codec, &changed).reason.contains("does not fit"), "{at}");
        }
        let short = Payload::from_parts(encrypted.encoding().to_owned(), vec![0; 5]);
        assert!(reason(&codec, &short).reason.contains("does not fit"));
    }

    #[test]
    fn what_was_not_encrypted_is_left_as_it_is() {
        let payload = Payload::encode("from before").unwrap();
        let codec = Encryption::new(key("a", 1), Vec::new());
        assert_eq!(codec.decode(&payload).unwrap(), payload);
    }
}
