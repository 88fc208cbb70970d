//! The three primitives of the sealed record, in the one form it uses them: AES-256-GCM with a 96-bit nonce and
//! a 128-bit tag, HKDF and SHA-256.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

pub(crate) const KEY_LEN: usize = 32;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;

/// What an authenticated decryption says when the tag does not hold. Nothing more is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TagMismatch;

/// Encrypts `buffer` where it lies and gives the tag.
///
/// The lengths that AES-GCM refuses (64 GiB) are far above every bound of this library; `None` all the same
/// rather than a panic.
pub(crate) fn encrypt(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    buffer: &mut [u8],
) -> Option<[u8; TAG_LEN]> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    let tag = cipher.encrypt_inout_detached(&Nonce::from(*nonce), associated, buffer.into()).ok()?;
    Some(tag.into())
}

/// Decrypts `buffer` where it lies. When the tag does not hold the buffer keeps its ciphertext.
pub(crate) fn decrypt(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    associated: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), TagMismatch> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    cipher
        .decrypt_inout_detached(&Nonce::from(*nonce), associated, buffer.into(), &Tag::from(*tag))
        .map_err(|_| TagMismatch)
}

/// HKDF-SHA256 to `N` bytes; `info` is the concatenation of its parts. `N` is at most 255 times 32.
pub(crate) fn hkdf_sha256<const N: usize>(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "HKDF gives at most 255 blocks") };
    let mut okm = Zeroizing::new([0; N]);
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(salt), ikm);
    prk.as_mut_slice().zeroize();
    hkdf.expand_multi_info(info, okm.as_mut_slice()).expect("the length is checked when compiled");
    okm
}

/// HKDF-SHA512 to `N` bytes; `info` is the concatenation of its parts. `N` is at most 255 times 64.
pub(crate) fn hkdf_sha512<const N: usize>(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 64, "HKDF gives at most 255 blocks") };
    let mut okm = Zeroizing::new([0; N]);
    let (mut prk, hkdf) = Hkdf::<Sha512>::extract(Some(salt), ikm);
    prk.as_mut_slice().zeroize();
    hkdf.expand_multi_info(info, okm.as_mut_slice()).expect("the length is checked when compiled");
    okm
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests;
