//! Refresh tokens: of families, each good for one use, derived from a key so that nothing need be kept in the clear.
//!
//! A token is `or1.<key id>.<family>.<generation>.<signature>`. Who presents the one of a generation gets the next. Two who present
//! the same one within a moment get the same successor, because it is derived; the store keeps the digest of the present one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::hmac::Mac as _;
use sha2::{Digest, Sha256};

use super::{hex, random, token::SigningKey};
use crate::{Result, Secret};

/// What every refresh token begins with.
const PREFIX: &str = "or1";

/// What is signed begins with it, so that no signature of another kind passes for one.
const DOMAIN: &[u8] = b"opsconductor refresh token 1\0";

/// The longest one that is looked at.
const TOKEN_BYTES_MAX: usize = 256;

/// The digits of a family's id.
const FAMILY_LEN: usize = 32;

/// A refresh token taken apart. Nothing of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken<'a> {
    pub(crate) key_id: &'a str,
    pub(crate) family: &'a str,
    pub(crate) generation: u64,
    signature: Vec<u8>,
}

impl<'a> RefreshToken<'a> {
    /// Takes a token apart; none when it is none.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let (prefix, key_id, family) = (next()?, next()?, next()?);
        let (generation, signature) = (next()?, URL_SAFE_NO_PAD.decode(next()?).ok()?);
        let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let holds = prefix == PREFIX && is_plain(family) && family.len() == FAMILY_LEN && next().is_none();
        // One form for each number, so that one token has one text.
        let number: u64 = generation.parse().ok().filter(|number: &u64| number.to_string() == generation)?;
        holds.then_some(Self { key_id, family, generation: number, signature })
    }

    /// Whether `key` made it.
    pub(crate) fn is_of(&self, key: &SigningKey) -> bool {
        // In constant time.
        key.id() == self.key_id
            && mac(key, self.family, self.generation).verify_slice(&self.signature).is_ok()
    }
}

/// The token of a generation of a family.
pub(crate) fn make(key: &SigningKey, family: &str, generation: u64) -> Secret<String> {
    let mut text = format!("{PREFIX}.{}.{family}.{generation}.", key.id());
    URL_SAFE_NO_PAD.encode_string(mac(key, family, generation).finalize().into_bytes(), &mut text);
    Secret::new(text)
}

/// An id for a new family.
pub(crate) fn new_family() -> Result<String> {
    Ok(hex(&random::<{ FAMILY_LEN / 2 }>()?))
}

/// What is kept of a token.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn mac(key: &SigningKey, family: &str, generation: u64) -> hkdf::hmac::Hmac<Sha256> {
    key.mac(&[DOMAIN, family.as_bytes(), &generation.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_parts("0123456789abcdef", &[byte; SigningKey::LEN]).unwrap()
    }

    #[test]
    fn a_token_is_derived_and_belongs_to_its_place() {
        let family = new_family().unwrap();
        let made = make(&key(1), &family, 7);
        assert_eq!(made.expose(), make(&key(1), &family, 7).expose());
        let token = RefreshToken::of(made.expose()).unwrap();
        assert_eq!((token.key_id, token.family, token.generation), ("0123456789abcdef", family.as_str(), 7));
        assert!(token.is_of(&key(1)) && !token.is_of(&key(2)));
        for other in [
            RefreshToken { generation: 8, ..token.clone() },
            RefreshToken { family: "00000000000000000000000000000000", ..token.clone() },
            RefreshToken { key_id: "another", ..token.clone() },
        ] {
            assert!(!other.is_of(&key(1)));
        }
        assert_ne!(new_family().unwrap(), family);
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let made = make(&key(1), "00112233445566778899aabbccddeeff", 7);
        let good = made.expose();
        for text in [
            "".to_owned(),
            "or1....".to_owned(),
            good.replace("or1", "or2"),
            good.replace(".7.", ".07."),
            good.replace(".7.", ".+7."),
            good.replace(".7.", ".-7."),
            good.replace("aabb", "AABB"),
            good.replace("aabb", "aab"),
            format!("{good}.x"),
            format!("{good}="),
            "x".repeat(TOKEN_BYTES_MAX + 1),
        ] {
            assert_eq!(RefreshToken::of(&text), None, "{text}");
        }
    }
}
