//! What all rows have in common.

use std::io::Cursor;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::store::Space;

/// The version of the row format that this code writes: the first byte of every row.
pub(crate) const ROW_FORMAT_VERSION: u8 = 1;

/// Says why stored bytes are not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRow {
    /// The row ends before its header does.
    #[error("a row of {found} bytes, fewer than its header of {expected}")]
    TooShort {
        /// How many bytes the header has.
        expected: usize,
        /// How many bytes the row has.
        found: usize,
    },
    /// The row has the wrong length.
    #[error("a row of {found} bytes where {expected} are expected")]
    Length {
        /// How many bytes the row must have.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// The row is of a version that is not known here: it was written by newer code.
    #[error("a row of the unknown version {version}")]
    UnknownVersion {
        /// The version.
        version: u8,
    },
    /// The row holds a number that is not known here: it was written by newer code.
    #[error("the unknown {what} {number}")]
    UnknownNumber {
        /// What the number stands for.
        what: &'static str,
        /// The number.
        number: u8,
    },
    /// The row cannot be read.
    #[error("a row that cannot be read: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
}

impl InvalidRow {
    /// Names the place.
    #[must_use]
    pub fn at(self, space: Space, key: &[u8]) -> StoreError {
        StoreError::corrupt(space, key, self)
    }

    pub(crate) fn missing(what: &'static str) -> Self {
        Self::Malformed { reason: format!("{what} is missing") }
    }
}

/// Writes a header, then a struct with its field names.
pub(crate) fn write<T: Serialize>(header: &[u8], body: &T, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(header);
    #[expect(clippy::expect_used, reason = "writing plain data to memory cannot fail")]
    body.serialize(&mut rmp_serde::Serializer::new(buffer).with_struct_map())
        .expect("rows are plain data");
}

/// Cuts the header off a row and checks its version, the first byte.
pub(crate) fn header<const LEN: usize>(bytes: &[u8]) -> Result<([u8; LEN], &[u8]), InvalidRow> {
    let short = InvalidRow::TooShort { expected: LEN, found: bytes.len() };
    let (header, body) = bytes.split_first_chunk::<LEN>().ok_or(short)?;
    match header.first() {
        Some(&ROW_FORMAT_VERSION) | None => Ok((*header, body)),
        Some(&version) => Err(InvalidRow::UnknownVersion { version }),
    }
}

/// Reads a struct that takes up all of the bytes.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, InvalidRow> {
    let malformed = |reason: String| InvalidRow::Malformed { reason };
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let body = T::deserialize(&mut deserializer).map_err(|error| malformed(error.to_string()))?;
    let behind = bytes.len() as u64 - deserializer.position();
    if behind == 0 {
        Ok(body)
    } else {
        Err(malformed(format!("{behind} bytes lie behind its end")))
    }
}

/// Gives a struct the codec of a plain row: the version, then the struct.
macro_rules! plain_row {
    ($row:ident) => {
        impl $row {
            /// Writes the row as it is stored.
            #[must_use]
            pub fn to_bytes(&self) -> Vec<u8> {
                let mut buffer = Vec::new();
                self.write_to(&mut buffer);
                buffer
            }

            /// Appends the row, as it is stored, to a buffer.
            pub fn write_to(&self, buffer: &mut Vec<u8>) {
                let header = [$crate::rows::codec::ROW_FORMAT_VERSION];
                $crate::rows::codec::write(&header, self, buffer);
            }

            /// Reads the row as it is stored.
            ///
            /// # Errors
            /// [`InvalidRow`](crate::rows::InvalidRow) if the bytes are not such a row, or one
            /// of a newer format.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, $crate::rows::InvalidRow> {
                let ([_version], body) = $crate::rows::codec::header(bytes)?;
                $crate::rows::codec::read(body)
            }
        }
    };
}

pub(crate) use plain_row;
