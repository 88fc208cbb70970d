//! The sealed record: how a secret rests in a store.
//!
//! ```text
//! "OAV1" | suite u8 = 1 | key id (u8 length, UTF-8) | wrap nonce 24 | wrapped data key 48 | commitment 32 | nonce 12 | ciphertext and tag
//! ```
//!
//! * A is the [`Context`]'s canonical form: keys sorted, each key and value as a u32 little-endian length and its
//!   bytes.
//! * Every record has a random data key. HKDF-SHA512(data key, salt = nonce, info = `OAV1/data` ‖ SHA-256(A)) gives
//!   32 bytes that encrypt and 32 that commit to the key: AES-GCM alone would open one ciphertext under two keys.
//! * The data key is wrapped under HKDF-SHA256(master key, salt = wrap nonce\[0..12\], info = `OAV1/wrap`) with nonce
//!   wrap nonce\[12..24\] and associated data `OAV1/wrap` ‖ key id ‖ SHA-256(A).
//!
//! Rewrapping touches the key id, the wrap nonce and the wrapped key, never the ciphertext. It needs the context: the
//! wrap is authenticated over SHA-256(A), which the record does not hold. Without it the old wrap could not be
//! verified and the new one could not be made.
//!
//! The format is frozen: a test opens a record written down here byte for byte.

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::vault::context::{Binding, Context};
use crate::vault::key::{KEY_ID_BYTES_MAX, MasterKey, random};
use crate::vault::primitives::{KEY_LEN, NONCE_LEN, TAG_LEN, decrypt, encrypt, hkdf_sha256, hkdf_sha512};
use crate::{Error, ErrorKind, Result, Secret};

/// The most bytes one record may seal.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Seals `plaintext` under `key`, to be opened in `context` only.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the secret or the context is too large; [`ErrorKind::Vault`] when the key has
/// wrapped too often or the operating system gives no randomness.
pub fn seal(key: &MasterKey, plaintext: &[u8], context: &Context) -> Result<Vec<u8>> {
    seal_bound(key, plaintext, &context.bind()?)
}

/// As [`seal`], for a context that is ready.
pub(crate) fn seal_bound(key: &MasterKey, plaintext: &[u8], binding: &Binding) -> Result<Vec<u8>> {
    seal_with(key, plaintext, binding, &Material::random()?)
}

/// Opens a record that `key` sealed in `context`.
///
/// # Errors
/// [`ErrorKind::Vault`] when the bytes are not a sealed record, name another key or an unknown suite, belong
/// elsewhere, or were altered. Whatever is wrong, no byte of the secret is given.
pub fn open(key: &MasterKey, sealed: &[u8], context: &Context) -> Result<Secret<Vec<u8>>> {
    open_bound(key, sealed, &context.bind()?)
}

/// As [`open`], for a context that is ready.
pub(crate) fn open_bound(key: &MasterKey, sealed: &[u8], binding: &Binding) -> Result<Secret<Vec<u8>>> {
    let record = Record::parse(sealed)?;
    let data_key = unwrap(key, &record, binding)?;
    let keys = data_keys(&data_key, record.nonce, binding);
    let (encryption, commitment) = split(&keys);
    if !bool::from(commitment.ct_eq(record.commitment)) {
        return Err(does_not_open());
    }
    let mut plaintext = Zeroizing::new(record.ciphertext.to_vec());
    decrypt(encryption, record.nonce, &binding.associated, &mut plaintext, record.tag)
        .map_err(|_| does_not_open())?;
    // The buffer itself moves, so that no copy stays behind.
    Ok(Secret::new(std::mem::take(&mut *plaintext)))
}

/// Wraps the data key of a record anew under `to`; the ciphertext stays as it is.
///
/// # Errors
/// As [`open`] for what the wrap protects, and as [`seal`] for the new wrap.
pub fn rewrap(from: &MasterKey, to: &MasterKey, sealed: &[u8], context: &Context) -> Result<Vec<u8>> {
    rewrap_bound(from, to, sealed, &context.bind()?)
}

/// As [`rewrap`], for a context that is ready.
pub(crate) fn rewrap_bound(
    from: &MasterKey,
    to: &MasterKey,
    sealed: &[u8],
    binding: &Binding,
) -> Result<Vec<u8>> {
    let record = Record::parse(sealed)?;
    let data_key = unwrap(from, &record, binding)?;
    // The wrap's tag vouches for the data key; the commitment is checked too, so that a record whose body was
    // exchanged is found while the old key still exists.
    let keys = data_keys(&data_key, record.nonce, binding);
    if !bool::from(split(&keys).1.ct_eq(record.commitment)) {
        return Err(does_not_open());
    }
    let mut wrap_nonce = [0; WRAP_NONCE_LEN];
    random(&mut wrap_nonce)?;
    let mut out = Vec::with_capacity(HEAD_LEN + to.id().len() + WRAP_LEN + record.body.len());
    wrap(to, &data_key, &wrap_nonce, binding, &mut out)?;
    out.extend_from_slice(record.body);
    Ok(out)
}

/// The id of the master key that a record names, without opening it. It is not authenticated until the record is
/// opened.
///
/// # Errors
/// [`ErrorKind::Vault`] when the bytes are not a sealed record.
pub fn key_id(sealed: &[u8]) -> Result<&str> {
    Ok(Record::parse(sealed)?.key_id)
}

/// How many bytes of a record [`named_key`] looks at, at most.
pub const HEAD_BYTES_MAX: usize = HEAD_LEN + KEY_ID_BYTES_MAX;

/// The id of the master key that the head of a record names, whatever follows it: for counting records without reading
/// them whole. None when it is not the head of a sealed record.
pub fn named_key(head: &[u8]) -> Option<&str> {
    let (suite, rest) = head.strip_prefix(MAGIC)?.split_first()?;
    let (id_len, rest) = rest.split_first()?;
    let id = rest.get(..usize::from(*id_len)).filter(|id| *suite == SUITE && !id.is_empty())?;
    std::str::from_utf8(id).ok()
}

const MAGIC: &[u8; 4] = b"OAV1";
const SUITE: u8 = 1;
const WRAP_INFO: &[u8] = b"OAV1/wrap";
const DATA_INFO: &[u8] = b"OAV1/data";
const WRAP_NONCE_LEN: usize = 2 * NONCE_LEN;
const COMMITMENT_LEN: usize = 32;
/// Magic, suite and the length of the key id.
const HEAD_LEN: usize = MAGIC.len() + 2;
const WRAP_LEN: usize = WRAP_NONCE_LEN + KEY_LEN + TAG_LEN;
const BODY_LEN_MIN: usize = COMMITMENT_LEN + NONCE_LEN + TAG_LEN;
const SEALED_BYTES_MAX: usize = HEAD_LEN + KEY_ID_BYTES_MAX + WRAP_LEN + BODY_LEN_MIN + SECRET_BYTES_MAX;

/// What is random in a record. Apart, so that a test can write a record down.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Material {
    data_key: [u8; KEY_LEN],
    nonce: [u8; NONCE_LEN],
    wrap_nonce: [u8; WRAP_NONCE_LEN],
}

impl Material {
    fn random() -> Result<Self> {
        // One call to the operating system for all three.
        let mut bytes = Zeroizing::new([0; KEY_LEN + NONCE_LEN + WRAP_NONCE_LEN]);
        random(bytes.as_mut_slice())?;
        let mut material =
            Self { data_key: [0; KEY_LEN], nonce: [0; NONCE_LEN], wrap_nonce: [0; WRAP_NONCE_LEN] };
        let (data_key, nonces) = bytes.split_at(KEY_LEN);
        let (nonce, wrap_nonce) = nonces.split_at(NONCE_LEN);
        material.data_key.copy_from_slice(data_key);
        material.nonce.copy_from_slice(nonce);
        material.wrap_nonce.copy_from_slice(wrap_nonce);
        Ok(material)
    }
}

fn seal_with(key: &MasterKey, plaintext: &[u8], binding: &Binding, material: &Material) -> Result<Vec<u8>> {
    if plaintext.len() > SECRET_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("a secret is at most {SECRET_BYTES_MAX} bytes, this one is {}", plaintext.len()),
        ));
    }
    // Room for everything from the start: growing would leave a copy of the plaintext behind.
    let length = HEAD_LEN + key.id().len() + WRAP_LEN + BODY_LEN_MIN + plaintext.len();
    let mut out = Vec::with_capacity(length);
    wrap(key, &material.data_key, &material.wrap_nonce, binding, &mut out)?;
    let keys = data_keys(&material.data_key, &material.nonce, binding);
    let (encryption, commitment) = split(&keys);
    out.extend_from_slice(commitment);
    out.extend_from_slice(&material.nonce);
    let start = out.len();
    out.extend_from_slice(plaintext);
    let Some(tag) = encrypt(encryption, &material.nonce, &binding.associated, &mut out[start..]) else {
        out.zeroize();
        return Err(too_long_for_the_cipher());
    };
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Writes the head of a record: everything before the commitment.
fn wrap(
    key: &MasterKey,
    data_key: &[u8; KEY_LEN],
    wrap_nonce: &[u8; WRAP_NONCE_LEN],
    binding: &Binding,
    out: &mut Vec<u8>,
) -> Result<()> {
    let id_len = u8::try_from(key.id().len())
        .map_err(|_| Error::new(ErrorKind::Vault, "the key id is too long for a sealed record"))?;
    key.count_wrap()?;
    let mut wrapped = Zeroizing::new(*data_key);
    let (one_time, nonce) = wrap_key(key, wrap_nonce);
    let tag = encrypt(&one_time, &nonce, &wrap_associated(key.id(), binding), wrapped.as_mut_slice())
        .ok_or_else(too_long_for_the_cipher)?;
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[SUITE, id_len]);
    out.extend_from_slice(key.id().as_bytes());
    out.extend_from_slice(wrap_nonce);
    out.extend_from_slice(wrapped.as_slice());
    out.extend_from_slice(&tag);
    Ok(())
}

fn unwrap(key: &MasterKey, record: &Record<'_>, binding: &Binding) -> Result<Zeroizing<[u8; KEY_LEN]>> {
    if record.key_id != key.id() {
        return Err(Error::new(ErrorKind::Vault, "the record is sealed under another key")
            .with("key", Printable(record.key_id)));
    }
    let mut data_key = Zeroizing::new(*record.wrapped);
    let (one_time, nonce) = wrap_key(key, record.wrap_nonce);
    let associated = wrap_associated(key.id(), binding);
    decrypt(&one_time, &nonce, &associated, data_key.as_mut_slice(), record.wrap_tag)
        .map_err(|_| does_not_open().with("key", key.id()))?;
    Ok(data_key)
}

/// The one-time key and the nonce that a wrap nonce stands for.
fn wrap_key(
    key: &MasterKey,
    wrap_nonce: &[u8; WRAP_NONCE_LEN],
) -> (Zeroizing<[u8; KEY_LEN]>, [u8; NONCE_LEN]) {
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&wrap_nonce[NONCE_LEN..]);
    (hkdf_sha256(key.expose(), &wrap_nonce[..NONCE_LEN], &[WRAP_INFO]), nonce)
}

fn wrap_associated(key_id: &str, binding: &Binding) -> Vec<u8> {
    [WRAP_INFO, key_id.as_bytes(), &binding.hash].concat()
}

/// The encryption key and the commitment, one after the other.
fn data_keys(
    data_key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    binding: &Binding,
) -> Zeroizing<[u8; KEY_LEN + COMMITMENT_LEN]> {
    hkdf_sha512(data_key, nonce, &[DATA_INFO, &binding.hash])
}

fn split(keys: &[u8; KEY_LEN + COMMITMENT_LEN]) -> (&[u8; KEY_LEN], &[u8]) {
    let (encryption, commitment) = keys.split_first_chunk().expect("64 bytes begin with 32");
    (encryption, commitment)
}

/// A record taken apart. Nothing in it is trusted yet.
struct Record<'a> {
    key_id: &'a str,
    wrap_nonce: &'a [u8; WRAP_NONCE_LEN],
    wrapped: &'a [u8; KEY_LEN],
    wrap_tag: &'a [u8; TAG_LEN],
    /// Everything that rewrapping leaves alone.
    body: &'a [u8],
    commitment: &'a [u8; COMMITMENT_LEN],
    nonce: &'a [u8; NONCE_LEN],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Record<'a> {
    fn parse(sealed: &'a [u8]) -> Result<Self> {
        let rest = sealed.strip_prefix(MAGIC).ok_or_else(|| not_a_record("it does not begin as one"))?;
        if sealed.len() > SEALED_BYTES_MAX {
            return Err(not_a_record("it is too long"));
        }
        let (suite, rest) = rest.split_first().ok_or_else(cut_short)?;
        if *suite != SUITE {
            return Err(Error::new(
                ErrorKind::Vault,
                format!("the record is sealed with suite {suite}, and this version knows suite {SUITE} only"),
            ));
        }
        let (id_len, rest) = rest.split_first().ok_or_else(cut_short)?;
        let (id, rest) = rest.split_at_checked(usize::from(*id_len)).ok_or_else(cut_short)?;
        let key_id = std::str::from_utf8(id)
            .ok()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| not_a_record("its key id is not text"))?;
        let (wrap_nonce, rest) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (wrapped, rest) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (wrap_tag, body) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (commitment, rest) = body.split_first_chunk().ok_or_else(cut_short)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or_else(cut_short)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or_else(cut_short)?;
        Ok(Self { key_id, wrap_nonce, wrapped, wrap_tag, body, commitment, nonce, ciphertext, tag })
    }
}

/// A key id from a record that nobody has vouched for: escaped, so that it cannot forge a log line.
struct Printable<'a>(&'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

/// The error for a record that names a key which `known` does not hold.
pub(crate) fn unknown_key(id: &str) -> Error {
    Error::new(ErrorKind::Vault, "no key with this id is loaded: add it to the former keys")
        .with("key", Printable(id))
}

fn not_a_record(why: &str) -> Error {
    Error::new(ErrorKind::Vault, format!("this is not a sealed record: {why}"))
}

fn cut_short() -> Error {
    not_a_record("it is cut short")
}

/// One sentence for every failed check: which of them failed would help an attacker only.
fn does_not_open() -> Error {
    Error::new(
        ErrorKind::Vault,
        "the sealed record does not open: it belongs elsewhere, was altered, or its key is another one of that name",
    )
}

fn too_long_for_the_cipher() -> Error {
    Error::new(ErrorKind::Internal, "the cipher refused the length of a bounded secret")
}

#[cfg(test)]
mod tests;
