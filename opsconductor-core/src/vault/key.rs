//! [`MasterKey`]: a key-encryption key, its id, and how often it has wrapped.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::{Zeroize, Zeroizing};

use crate::vault::primitives::{KEY_LEN, sha256};
use crate::{Error, ErrorKind, Result, Secret};

/// How many data keys one master key wraps before it refuses: half of what NIST SP 800-38D allows one AES-GCM key
/// with random nonces. The record derives a fresh wrapping key each time, so even this is far inside the margin.
pub const WRAPS_MAX: u64 = 1 << 31;

/// The longest key id the sealed record can name.
pub const KEY_ID_BYTES_MAX: usize = 255;

/// A key-encryption key: 256 bits that wrap the data keys of sealed records.
pub struct MasterKey {
    id: String,
    bytes: Secret<[u8; KEY_LEN]>,
    wraps: AtomicU64,
}

impl MasterKey {
    /// Reads a key from base64 (either alphabet, padded or not). Its id is the first 16 hexadecimal digits of the
    /// key's SHA-256.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the text is not base64, not 256 bits, or one byte repeated, as all zeros.
    pub fn parse(text: &str) -> Result<Self> {
        let mut decoded = Zeroizing::new([0_u8; KEY_TEXT_BYTES_MAX]);
        let text = text.trim();
        if text.len() > KEY_TEXT_BYTES_MAX {
            return Err(bad_key("it must be 256 bits, and this text is longer"));
        }
        let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let length = engine
            .decode_slice(text, decoded.as_mut_slice())
            .map_err(|_| bad_key("it is not base64; `opsconductor key generate` prints a good one"))?;
        let bytes = decoded[..length]
            .try_into()
            .map_err(|_| bad_key(&format!("it must be 256 bits in base64, and is {}", length * 8)))?;
        Self::from_bytes(Secret::new(bytes))
    }

    /// Takes a key as its 32 bytes, with the id that [`MasterKey::parse`] gives.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when it is one byte repeated, as all zeros.
    pub fn from_bytes(bytes: Secret<[u8; KEY_LEN]>) -> Result<Self> {
        if bytes.expose().iter().all(|byte| *byte == bytes.expose()[0]) {
            return Err(bad_key("it is one byte repeated, which is not a random key"));
        }
        let hash = sha256(bytes.expose());
        let id = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, bytes, wraps: AtomicU64::new(0) })
    }

    /// Names the key otherwise than by its hash.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the id is empty, longer than [`KEY_ID_BYTES_MAX`] bytes, or has white space,
    /// control characters or a comma.
    pub fn with_id(mut self, id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if !is_key_id(&id) {
            // The id itself is not repeated: where it is malformed, it may well be a key put in the wrong place.
            return Err(Error::new(
                ErrorKind::Vault,
                format!(
                    "a key id is 1 to {KEY_ID_BYTES_MAX} bytes without white space, control characters or commas"
                ),
            ));
        }
        self.id = id;
        Ok(self)
    }

    /// Carries on a count that the host keeps beyond this process.
    #[must_use]
    pub fn with_wraps(self, wraps: u64) -> Self {
        self.wraps.store(wraps, Ordering::Relaxed);
        self
    }

    /// The id that records sealed under this key name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many data keys this key has wrapped since it was loaded.
    pub fn wraps(&self) -> u64 {
        self.wraps.load(Ordering::Relaxed)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        self.bytes.expose()
    }

    pub(crate) fn count_wrap(&self) -> Result<()> {
        let below_limit = |wraps| (wraps < WRAPS_MAX).then_some(wraps + 1);
        self.wraps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_limit).map(|_| ()).map_err(|_| {
            Error::new(
                ErrorKind::Vault,
                "the key has wrapped as many records as it may: make a new key current",
            )
            .with("key", &self.id)
        })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A new random key, in base64, for [`MasterKey::parse`].
///
/// # Errors
/// [`ErrorKind::Vault`] when the operating system gives no randomness.
pub fn generate_key() -> Result<Secret<String>> {
    let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
    random(bytes.as_mut_slice())?;
    let mut text = Zeroizing::new([0_u8; KEY_TEXT_BYTES_MAX]);
    let length = STANDARD.encode_slice(bytes.as_slice(), text.as_mut_slice()).map_err(|error| {
        Error::new(ErrorKind::Internal, "a key did not fit its buffer").with_source(error)
    })?;
    Ok(Secret::new(text[..length].iter().map(|byte| char::from(*byte)).collect()))
}

/// Fills `bytes` from the operating system.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        // Nothing half filled is left to be mistaken for a key.
        bytes.zeroize();
        Error::new(ErrorKind::Vault, "the operating system gave no randomness").with_source(error)
    })
}

fn is_key_id(id: &str) -> bool {
    (1..=KEY_ID_BYTES_MAX).contains(&id.len())
        && !id.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
}

fn bad_key(why: &str) -> Error {
    Error::new(ErrorKind::Vault, format!("the master key cannot be used: {why}"))
}

/// 256 bits are 44 characters of base64; a few more are read so that the error can say how long the key is.
const KEY_TEXT_BYTES_MAX: usize = 96;

const EITHER_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER_PADDING);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_id_is_the_beginning_of_the_hash() {
        let key = MasterKey::parse(TEXT).unwrap();
        assert_eq!(key.id(), "630dcd2966c43366");
        assert_eq!(MasterKey::parse(&format!(" {}\n", TEXT.trim_end_matches('='))).unwrap().id(), key.id());
    }

    #[test]
    fn either_alphabet_is_read() {
        let standard = MasterKey::parse(&format!("A{}8=", "/".repeat(41))).unwrap();
        let url_safe = MasterKey::parse(&format!("A{}8", "_".repeat(41))).unwrap();
        assert_eq!(standard.id(), url_safe.id());
    }

    #[test]
    fn what_is_not_a_random_key_is_refused_without_repeating_it() {
        let zeros = format!("{}=", "A".repeat(43));
        let ones = format!("{}8=", "/".repeat(42));
        let long = "QUJD".repeat(30);
        for (text, why) in [
            ("", "is 0"),
            ("c2hvcnQ=", "is 40"),
            ("not base64!", "not base64"),
            ("hunter2-hunter2-hunter2-hunter2-hunter2-hunt", "is 264"),
            (zeros.as_str(), "one byte repeated"),
            (ones.as_str(), "one byte repeated"),
            (long.as_str(), "longer"),
        ] {
            let error = MasterKey::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Vault);
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn generated_keys_are_good_and_differ() {
        let (one, two) = (generate_key().unwrap(), generate_key().unwrap());
        assert_eq!(one.expose().len(), 44);
        assert_ne!(one.expose(), two.expose());
        MasterKey::parse(one.expose()).unwrap();
    }

    #[test]
    fn ids_are_checked() {
        for id in ["", "two words", "a,b", "tab\t", &"x".repeat(256)] {
            assert_eq!(MasterKey::parse(TEXT).unwrap().with_id(id).unwrap_err().kind(), ErrorKind::Vault);
        }
        let key = MasterKey::parse(TEXT).unwrap().with_id("arn:aws:kms:eu:1:key/7").unwrap();
        assert_eq!(key.id(), "arn:aws:kms:eu:1:key/7");
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let shown = format!("{:?}", MasterKey::parse(TEXT).unwrap());
        assert_eq!(shown, "MasterKey { id: \"630dcd2966c43366\", bytes: [redacted], .. }");
    }

    #[test]
    fn the_count_ends_in_a_refusal() {
        let key = MasterKey::parse(TEXT).unwrap().with_wraps(WRAPS_MAX - 1);
        key.count_wrap().unwrap();
        let error = key.count_wrap().unwrap_err();
        assert_eq!((error.kind(), key.wraps()), (ErrorKind::Vault, WRAPS_MAX));
        assert!(error.to_string().contains(key.id()), "{error}");
    }
}
