//! Signed checkpoints: how long a chain was and where it ended, in C2SP's note format.
//!
//! ```text
//! opsconductor/production/1
//! 1234
//! <base64 of the hash of record 1234>
//!
//! — opsconductor/production/1 <base64 of the key's id (4 bytes) and the signature (64 bytes)>
//! ```
//!
//! The first lines are the text that is signed, as in `tlog-checkpoint`: the origin, the size, the hash. Where the records up to
//! there were removed on purpose, a fourth line says `removed`: only such a note stands for the beginning of a chain, for any other
//! one would let whoever writes to the store cut the chain there. The key's id is the first four bytes of SHA-256(name ‖ `\n` ‖ 0x01 ‖ public key), as `signed-note` has it for Ed25519.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SIGNATURE_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Hash, Head};
use crate::{Error, ErrorKind, Result, Secret, id::TenantId};

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;

/// The most signatures that a note may have.
const SIGNATURES_MAX: usize = 64;

/// What begins the line of a signature.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// What Ed25519 is called in notes.
const ED25519: u8 = 1;

const KEY_ID_BYTES: usize = 4;

/// The line of a note for records that were removed.
const REMOVED: &str = "removed";

/// How long a chain was and where it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which chain: [`Checkpoint::origin_of`].
    pub origin: String,
    /// Its length and last hash.
    pub head: Head,
    /// Whether the records up to there were removed, so that the chain may begin after them.
    pub removed: bool,
}

impl Checkpoint {
    /// The name of a tenant's chain in a deployment. Names of keys hold neither spaces nor `+`, so these become `_`.
    pub fn origin_of(deployment: &str, tenant: TenantId) -> String {
        let plain = |c: char| if c.is_whitespace() || c.is_control() || c == '+' { '_' } else { c };
        let deployment: String = deployment.chars().map(plain).collect();
        format!("opsconductor/{deployment}/{tenant}")
    }

    /// The text that is signed.
    fn text(&self) -> String {
        let hash = STANDARD.encode(self.head.hash.as_bytes());
        let mut text = format!("{}\n{}\n{hash}\n", self.origin, self.head.size);
        if self.removed {
            text += REMOVED;
            text.push('\n');
        }
        text
    }

    /// Reads the text of a note. What else stands in lines after the third is for others.
    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split_terminator('\n');
        let (origin, size, hash) = match (lines.next(), lines.next(), lines.next()) {
            (Some(origin), Some(size), Some(hash)) if !origin.is_empty() => (origin, size, hash),
            _ => return Err(wrong("it has no origin, size and hash")),
        };
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let bytes = STANDARD.decode(hash).map_err(|_| wrong("its hash is not base64"))?;
        Ok(Self {
            origin: origin.to_owned(),
            head: Head {
                size: number.ok_or_else(|| wrong("its size is no number"))?,
                hash: Hash::from_slice(&bytes).map_err(|_| wrong("its hash is not 32 bytes long"))?,
            },
            removed: lines.any(|line| line == REMOVED),
        })
    }
}

/// The key that signs the checkpoints of a chain. `Debug` shows its public half alone.
pub struct AuditKey {
    name: String,
    key: SigningKey,
}

impl AuditKey {
    /// A new key for the chain called `origin`.
    ///
    /// # Errors
    ///
    /// `Internal` when the machine gives no randomness; else as [`AuditKey::from_seed`].
    pub fn generate(origin: &str) -> Result<Self> {
        let mut seed = Zeroizing::new([0; ed25519_dalek::SECRET_KEY_LENGTH]);
        getrandom::fill(seed.as_mut_slice()).map_err(|error| {
            Error::new(ErrorKind::Internal, "the machine gives no randomness").with_source(error.to_string())
        })?;
        Self::from_seed(origin, seed.as_slice())
    }

    /// The key that was kept.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the seed is not 32 bytes long, or for a name that no key may have.
    pub fn from_seed(origin: &str, seed: &[u8]) -> Result<Self> {
        let seed =
            Zeroizing::new(<[u8; ed25519_dalek::SECRET_KEY_LENGTH]>::try_from(seed).map_err(|_| {
                Error::new(ErrorKind::InvalidInput, "the seed of an audit key is 32 bytes long")
            })?);
        check_name(origin)?;
        Ok(Self { name: origin.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// What has to be sealed to have the key again.
    pub fn seed(&self) -> Secret<Vec<u8>> {
        Secret::from(self.key.as_bytes().to_vec())
    }

    /// The half that anybody may have.
    pub fn public(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// The note for the chain that stands at `head`.
    pub fn sign(&self, head: Head) -> String {
        self.signed(head, false)
    }

    /// The note that stands for the records up to `head`, which are removed: the chain may begin after them.
    pub fn sign_removal(&self, head: Head) -> String {
        self.signed(head, true)
    }

    fn signed(&self, head: Head, removed: bool) -> String {
        let text = Checkpoint { origin: self.name.clone(), head, removed }.text();
        let signature = self.key.sign(text.as_bytes());
        let mut blob = self.public().id().to_vec();
        blob.extend_from_slice(&signature.to_bytes());
        format!("{text}\n{SIGNATURE_MARK}{} {}\n", self.name, STANDARD.encode(blob))
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").field("public", &self.public().to_string()).finish_non_exhaustive()
    }
}

/// The key that a checkpoint is checked with. It prints and is read as `name+id+base64`, the form of C2SP's `signed-note`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// The name of the chain that it is for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let mut hash = Sha256::new_with_prefix(self.name.as_bytes());
        hash.update([b'\n', ED25519]);
        hash.update(self.key.as_bytes());
        let hash = hash.finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The checkpoint in `note`, if this key signed it. Signatures of others are passed over.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for what is no note, or not the checkpoint of the chain that the key is for; `Vault` when this key did not
    /// sign it.
    pub fn open(&self, note: &str) -> Result<Checkpoint> {
        let (text, signatures) = split(note)?;
        let mut is_signed = false;
        for (name, blob) in signatures {
            let blob = STANDARD.decode(blob).map_err(|_| wrong("a signature is not base64"))?;
            let Some((id, signature)) = blob.split_first_chunk::<KEY_ID_BYTES>() else {
                return Err(wrong("a signature is too short"));
            };
            if name != self.name || *id != self.id() {
                continue;
            }
            let signature = <[u8; SIGNATURE_LENGTH]>::try_from(signature)
                .map_err(|_| wrong("a signature has another length"))?;
            self.key
                .verify_strict(text.as_bytes(), &Signature::from_bytes(&signature))
                .map_err(|_| not_signed(&self.name))?;
            is_signed = true;
        }
        let checkpoint = Checkpoint::parse(text)?;
        if !is_signed {
            return Err(not_signed(&self.name));
        }
        if checkpoint.origin != self.name {
            return Err(wrong("it is of another chain").with("origin", checkpoint.origin));
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = vec![ED25519];
        blob.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(blob))
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = "a public key has the form `name+id+base64`, as `audit public-key` prints it";
            Error::new(ErrorKind::InvalidInput, message)
        };
        if text.len() > NOTE_BYTES_MAX {
            return Err(wrong());
        }
        // Base64 may hold a `+` too, names and ids do not.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(blob)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        check_name(name)?;
        let blob = STANDARD.decode(blob).map_err(|_| wrong())?;
        let Some((&ED25519, key)) = blob.split_first() else { return Err(wrong()) };
        let key = <[u8; 32]>::try_from(key).map_err(|_| wrong())?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| wrong())?;
        let public = Self { name: name.to_owned(), key };
        match id == format!("{:08x}", u32::from_be_bytes(public.id())) {
            true => Ok(public),
            false => Err(wrong()),
        }
    }
}

/// The text of a note, and its signatures: the name of each key, and what it wrote.
fn split(note: &str) -> Result<(&str, Vec<(&str, &str)>)> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(wrong("it is too long"));
    }
    if note.chars().any(|c| c.is_ascii_control() && c != '\n') {
        return Err(wrong("it holds control characters"));
    }
    // The signatures come after the last empty line.
    let end = note.rfind("\n\n").ok_or_else(|| wrong("it has no signature"))?;
    let (text, rest) = (&note[..=end], &note[end + 2..]);
    if !rest.ends_with('\n') {
        return Err(wrong("its last line has no end"));
    }
    let mut signatures = Vec::new();
    for line in rest.split_terminator('\n') {
        let named = line.strip_prefix(SIGNATURE_MARK).and_then(|line| line.split_once(' '));
        match named {
            Some((name, blob)) if !name.is_empty() && signatures.len() < SIGNATURES_MAX => {
                signatures.push((name, blob));
            }
            _ => return Err(wrong("a line of it is no signature, or there are too many")),
        }
    }
    Ok((text, signatures))
}

fn check_name(name: &str) -> Result<()> {
    let strange = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    match name.is_empty() || name.len() > 1_000 || name.contains(strange) {
        true => Err(Error::new(
            ErrorKind::InvalidInput,
            "the name of an audit key has 1 to 1000 bytes, none of them a space, a control character or `+`",
        )),
        false => Ok(()),
    }
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("the note is no checkpoint: {why}"))
}

fn not_signed(name: &str) -> Error {
    Error::new(ErrorKind::Vault, "the checkpoint is not signed by this key").with("key", name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use proptest::prelude::*;

    use super::*;

    fn key() -> AuditKey {
        AuditKey::from_seed("opsconductor/test/1", &[7; 32]).unwrap()
    }

    fn head() -> Head {
        Head { size: 42, hash: Hash::of(b"x") }
    }

    #[test]
    fn a_note_is_opened_by_the_key_that_signed_it() {
        let note = key().sign(head());
        assert_eq!(note.lines().count(), 5);
        assert!(note.starts_with("opsconductor/test/1\n42\n"));
        let opened = key().public().open(&note).unwrap();
        let origin = "opsconductor/test/1".to_owned();
        assert_eq!(opened, Checkpoint { origin, head: head(), removed: false });
        let other = AuditKey::generate("opsconductor/test/1").unwrap();
        assert_eq!(other.public().open(&note).unwrap_err().kind(), ErrorKind::Vault);
        let other = AuditKey::from_seed("opsconductor/test/2", &[7; 32]).unwrap();
        assert_eq!(other.public().open(&note).unwrap_err().kind(), ErrorKind::Vault);
    }

    #[test]
    fn what_was_removed_is_signed_otherwise() {
        let (plain, removal) = (key().sign(head()), key().sign_removal(head()));
        let opened = key().public().open(&removal).unwrap();
        assert_eq!((opened.head, opened.removed), (head(), true));
        // No note becomes the other kind by who has no key.
        assert!(key().public().open(&removal.replace("removed\n", "")).is_err());
        assert!(key().public().open(&plain.replace("\n\n", "\nremoved\n\n")).is_err());
    }

    /// The vector of C2SP's `signed-note` (from Go's `golang.org/x/mod/sumdb/note`): a known key and a note that it signed.
    #[test]
    fn notes_of_others_are_read() {
        let key: PublicKey =
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n\n\
            — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        // The signature holds; what is signed is no checkpoint.
        let error = key.open(note).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let changed = note.replace("answer", "Answer");
        assert_eq!(key.open(&changed).unwrap_err().kind(), ErrorKind::Vault);
    }

    #[test]
    fn a_public_key_is_read_as_it_prints() {
        let public = key().public();
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        let text = public.to_string();
        for wrong in ["", "a", "a+b", "a+00000000+AA==", &text[1..], &text[..text.len() - 4]] {
            assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_shows_its_public_half_alone() {
        let shown = format!("{:?}", key());
        assert!(shown.contains(&key().public().to_string()), "{shown}");
        assert!(!shown.contains("7, 7"), "{shown}");
    }

    #[test]
    fn signatures_of_others_are_passed_over() {
        let note = key().sign(head());
        let witness = AuditKey::from_seed("witness.example", &[9; 32]).unwrap().sign(head());
        let theirs = witness.lines().last().unwrap();
        assert!(key().public().open(&format!("{note}{theirs}\n")).is_ok());
        let text = note.split_inclusive('\n').take(4).collect::<String>();
        let alone = format!("{text}{theirs}\n");
        assert_eq!(key().public().open(&alone).unwrap_err().kind(), ErrorKind::Vault);
    }

    #[test]
    fn a_deployment_may_be_called_anything() {
        let origin = Checkpoint::origin_of("a b+c\n", TenantId::new(3));
        assert_eq!(origin, "opsconductor/a_b_c_/3");
        assert!(AuditKey::generate(&origin).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_refused(text in ".{0,200}", cut in 0usize..200) {
            let _ = key().public().open(&text);
            let _ = text.parse::<PublicKey>();
            let note = key().sign(head());
            let cut = (0..=cut.min(note.len() - 1)).rev().find(|at| note.is_char_boundary(*at)).unwrap();
            prop_assert!(key().public().open(&note[..cut]).is_err());
        }

        #[test]
        fn a_changed_note_is_refused(at in 0usize..1000, byte in 0u8..128) {
            let note = key().sign(head());
            let mut bytes = note.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(key().public().open(&changed).is_err());
            }
        }
    }
}
