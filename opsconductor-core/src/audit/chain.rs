//! What binds records to each other: the hash of each stands in the next.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::{Entry, Record};
use crate::{Error, ErrorKind, Result, clock::Timestamp};

/// How long a hash is.
pub const HASH_BYTES: usize = 32;

/// The SHA-256 of a record's canonical form. It prints as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// What stands in the first record, before which there is none.
    pub const NONE: Self = Self([0; HASH_BYTES]);

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A hash as a store keeps it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is not 32 bytes long.
    pub fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "a hash is 32 bytes long").with("bytes", bytes.len())
        })
    }

    /// A hash as a store keeps it, or one that is nothing's when it is damaged: then the record beside it is not the one whose hash
    /// was kept.
    pub fn kept(bytes: Option<&[u8]>) -> Self {
        let bytes = bytes.unwrap_or_default();
        Self::from_slice(bytes).unwrap_or_else(|_| Self::of(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A million of them are written when a chain is checked.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(HASH_BYTES * 2);
        for byte in self.0 {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(ErrorKind::InvalidInput, "a hash is 64 hexadecimal digits in lower case");
        let digits = text.as_bytes();
        if digits.len() != HASH_BYTES * 2 {
            return Err(wrong());
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; HASH_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte =
                digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

/// Where a chain stands: how many records it has had, and the hash of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the last record; 0 before the first.
    pub size: u64,
    /// Its hash; [`Hash::NONE`] before the first.
    pub hash: Hash,
}

impl Head {
    /// The chain that has no record yet.
    pub const START: Self = Self { size: 0, hash: Hash::NONE };

    /// Gives `entry` the next number and binds it to what came before.
    pub fn link(&mut self, at: Timestamp, entry: Entry) -> Chained {
        let record = entry.into_record(self.size + 1, at, self.hash);
        let hash = record.hash();
        *self = Self { size: record.seq, hash };
        Chained { record, hash }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::START
    }
}

/// A record with its hash, as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chained {
    /// The record.
    pub record: Record,
    /// The hash that was computed when it was chained.
    pub hash: Hash,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_hash_prints_as_it_is_read() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        for wrong in ["", "ba", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }
}
