//! Task tokens: which attempt at an activity something is about, for whoever ends it from
//! elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{RunId, Seq};

/// The version of the byte format that this code writes: the first byte of every token.
const FORMAT_VERSION: u8 = 1;

/// Names one attempt at one activity of one run (rule ASY-1).
///
/// Small, and good to hand to another system: as text (`<run>/<activity>/<attempt>`), as
/// [bytes](Self::to_bytes), or through `serde`, which takes the text in formats for people and
/// the bytes in others. A token is no secret: whoever has the engine and the ids can make one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskToken {
    /// The run that scheduled the activity.
    pub run_id: RunId,
    /// The number of the activity within its run.
    pub seq: Seq,
    /// The number of the attempt, from 1. Unlike the number that the attempt itself sees, it
    /// does not begin anew when the activity is reset, so that no two attempts have one token.
    pub attempt: u32,
}

/// Says why something is not a task token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskTokenError {
    /// The bytes have the wrong length.
    #[error("a task token has {} bytes, not {found}", TaskToken::LEN)]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The token is of a version that is not known here: it was written by newer code.
    #[error("a task token of the unknown version {version}")]
    UnknownVersion {
        /// The version.
        version: u8,
    },
    /// The text is not `<run>/<activity>/<attempt>`.
    #[error("`{text}` is no task token: it is not `<run>/<activity>/<attempt>`")]
    Text {
        /// The beginning of the text.
        text: String,
    },
}

impl TaskToken {
    /// How many bytes a token has.
    pub const LEN: usize = 1 + RunId::LEN + 4 + 4;

    /// The token as bytes: the version of the format, then its parts in big-endian order.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = FORMAT_VERSION;
        bytes[1..17].copy_from_slice(&self.run_id.to_bytes());
        bytes[17..21].copy_from_slice(&self.seq.get().to_be_bytes());
        bytes[21..].copy_from_slice(&self.attempt.to_be_bytes());
        bytes
    }

    /// Reads a token from its bytes.
    ///
    /// # Errors
    /// [`TaskTokenError`] if there are too few or too many, or they are of a newer format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TaskTokenError> {
        let length = TaskTokenError::Length { found: bytes.len() };
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| length.clone())?;
        let ([version], rest) = bytes.split_first_chunk().ok_or(length.clone())?;
        if *version != FORMAT_VERSION {
            return Err(TaskTokenError::UnknownVersion { version: *version });
        }
        let (run_id, rest) = rest.split_first_chunk().ok_or(length.clone())?;
        let (seq, rest) = rest.split_first_chunk().ok_or(length.clone())?;
        let attempt = rest.first_chunk().ok_or(length)?;
        Ok(Self {
            run_id: RunId::from_bytes(*run_id),
            seq: Seq::new(u32::from_be_bytes(*seq)),
            attempt: u32::from_be_bytes(*attempt),
        })
    }
}

impl fmt::Display for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run_id, self.seq, self.attempt)
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskToken {
    type Err = TaskTokenError;

    fn from_str(text: &str) -> Result<Self, TaskTokenError> {
        let error = || TaskTokenError::Text { text: text.chars().take(50).collect() };
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or_else(error);
        let run_id = part()?.parse().map_err(|_| error())?;
        let seq = Seq::new(part()?.parse().map_err(|_| error())?);
        let attempt = part()?.parse().map_err(|_| error())?;
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self { run_id, seq, attempt })
    }
}

impl Serialize for TaskToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for TaskToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TokenVisitor)
        } else {
            deserializer.deserialize_bytes(TokenVisitor)
        }
    }
}

struct TokenVisitor;

impl Visitor<'_> for TokenVisitor {
    type Value = TaskToken;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task token")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<TaskToken, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<TaskToken, E> {
        TaskToken::from_bytes(bytes).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn tokens()(run_id: [u8; 16], seq: u32, attempt: u32) -> TaskToken {
            TaskToken { run_id: RunId::from_bytes(run_id), seq: Seq::new(seq), attempt }
        }
    }

    proptest! {
        #[test]
        fn asy_1_tokens_come_back_from_every_form(token in tokens()) {
            prop_assert_eq!(TaskToken::from_bytes(&token.to_bytes()), Ok(token));
            prop_assert_eq!(token.to_string().parse(), Ok(token));
            let json = serde_json::to_string(&token).unwrap();
            prop_assert_eq!(&json, &format!("\"{token}\""));
            prop_assert_eq!(serde_json::from_str::<TaskToken>(&json).unwrap(), token);
            let packed = rmp_serde::to_vec(&token).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<TaskToken>(&packed).unwrap(), token);
        }

        #[test]
        fn what_is_no_token_is_a_named_error(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(text.parse::<TaskToken>().is_err());
            if let Ok(token) = TaskToken::from_bytes(&bytes) {
                prop_assert_eq!(&token.to_bytes()[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let token =
            TaskToken { run_id: RunId::from_bytes([7; 16]), seq: Seq::new(3), attempt: 258 };
        let mut bytes = vec![1];
        bytes.extend([7; 16]);
        bytes.extend([0, 0, 0, 3, 0, 0, 1, 2]);
        assert_eq!(token.to_bytes().to_vec(), bytes);
        assert_eq!(token.to_string(), "07070707-0707-0707-0707-070707070707/3/258");
        bytes[0] = 2;
        assert_eq!(
            TaskToken::from_bytes(&bytes),
            Err(TaskTokenError::UnknownVersion { version: 2 })
        );
        assert_eq!(TaskToken::from_bytes(&bytes[1..]), Err(TaskTokenError::Length { found: 24 }));
    }
}
