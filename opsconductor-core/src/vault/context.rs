//! [`Context`]: where a sealed record belongs.

use std::collections::BTreeMap;

use crate::vault::primitives;
use crate::{Error, ErrorKind, Result};

/// The most bytes a context may have in its canonical form.
pub const CONTEXT_BYTES_MAX: usize = 16 * 1024;

/// Where a sealed record belongs: a map of strings that is not stored in the record but must be the same when it
/// is opened. A record moved to another tenant, row or field does not open there.
///
/// ```
/// use opsconductor_core::vault::Context;
/// let context = Context::new().with("tenant", "default").with("kind", "credential").with("id", "7");
/// assert_eq!(context, Context::new().with("id", "7").with("kind", "credential").with("tenant", "default"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, String>);

impl Context {
    /// A context that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `key`; a value already there is replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// The canonical bytes and their hash, as the record's cryptography takes them.
    pub(crate) fn bind(&self) -> Result<Binding> {
        Binding::of(self.0.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

impl From<BTreeMap<String, String>> for Context {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// A context made ready: the associated data A and SHA-256(A).
pub(crate) struct Binding {
    pub(crate) associated: Vec<u8>,
    pub(crate) hash: [u8; 32],
}

impl Binding {
    /// The binding of these pairs, which are in the order of their keys, each key once.
    pub(crate) fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Result<Self> {
        let length: usize = pairs.clone().map(|(key, value)| 8 + key.len() + value.len()).sum();
        if length > CONTEXT_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("a sealing context is at most {CONTEXT_BYTES_MAX} bytes, this one is {length}"),
            ));
        }
        let mut associated = Vec::with_capacity(length);
        for part in pairs.flat_map(|(key, value)| [key, value]) {
            // Bounded just above, so that the length always fits.
            associated.extend_from_slice(&(part.len() as u32).to_le_bytes());
            associated.extend_from_slice(part.as_bytes());
        }
        let hash = primitives::sha256(&associated);
        Ok(Self { associated, hash })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn the_canonical_form_sorts_keys_and_prefixes_lengths() {
        let bound = Context::new().with("tenant", "é").with("id", "7").bind().unwrap();
        assert_eq!(bound.associated, b"\x02\0\0\0id\x01\0\0\x007\x06\0\0\0tenant\x02\0\0\0\xc3\xa9");
        assert_eq!(Context::new().bind().unwrap().associated, b"");
    }

    #[test]
    fn no_two_contexts_share_a_form() {
        let split = |key: &str, value: &str| Context::new().with(key, value).bind().unwrap().associated;
        assert_ne!(split("a", "bc"), split("ab", "c"));
        assert_ne!(split("a", ""), split("", "a"));
    }

    #[test]
    fn a_context_is_bounded() {
        let error = Context::new().with("id", "x".repeat(CONTEXT_BYTES_MAX)).bind().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
