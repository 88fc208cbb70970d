//! Redaction: secrets taken out of output, before anything is stored, sent or shown.
//!
//! Matching is literal, never by a regular expression built from a secret. Looked for are the secret itself and the
//! forms in which output shows it: base64 in its three alignments (both alphabets, of UTF-8 and of the UTF-16LE that
//! `powershell -EncodedCommand` takes), hexadecimal, percent-encoding, JSON and XML escapes, UTF-16LE, and the quoting
//! of PowerShell and POSIX shells. Of a secret with several lines, each longer line is a secret of its own.
//!
//! Every occurrence is covered: where two secrets overlap, one mask hides both. Taking the leftmost and longest alone
//! would leave the end of the second in the open.
//!
//! What it cannot find: a secret in pieces (a line of base64 broken at 76 columns, a colour code in its middle),
//! compressed or encrypted, or encoded twice. A secret shorter than 4 bytes is matched as itself only, for its encoded
//! forms would be found everywhere; an empty one is no secret.

mod encodings;
mod machine;
mod stream;

use std::fmt;
use std::sync::{Arc, Weak};

use zeroize::Zeroizing;

pub use self::stream::RedactedStream;

use self::machine::Machine;
use crate::{Error, ErrorKind, Result, Secret};

/// What stands where a secret was.
pub const MASK: &str = "[redacted]";

/// The most bytes that all secrets of one redactor may have together.
pub const SECRETS_BYTES_MAX: usize = 256 * 1024;

/// Secrets shorter than this many bytes are matched as themselves only.
pub const ENCODED_SECRET_BYTES_MIN: usize = 4;

/// Takes a set of secrets out of any number of streams. A clone shares the secrets.
///
/// ```
/// use opsconductor_core::Secret;
/// use opsconductor_core::run::redact::Redactor;
///
/// let password = Secret::from("hunter2");
/// let redactor = Redactor::new([&password])?;
/// assert_eq!(redactor.redact_str("login with hunter2 failed"), "login with [redacted] failed");
///
/// let mut stream = redactor.stream();
/// let mut out = Vec::new();
/// stream.push(b"login with hun", &mut out);
/// stream.push(b"ter2 failed", &mut out);
/// stream.finish(&mut out);
/// assert_eq!(out, b"login with [redacted] failed");
/// # Ok::<(), opsconductor_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Redactor {
    /// `None` when there is nothing to look for.
    machine: Option<Arc<Machine>>,
}

impl Redactor {
    /// A redactor for these secrets. The search structure holds them in a form that cannot be wiped; drop the redactor
    /// when the work that uses them is done.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the secrets have more than [`SECRETS_BYTES_MAX`] bytes together.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret<String>>) -> Result<Self> {
        let mut forms = encodings::Forms::default();
        let mut length = 0;
        for secret in secrets {
            length += secret.expose().len();
            if length > SECRETS_BYTES_MAX {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("the secrets of one task are at most {SECRETS_BYTES_MAX} bytes together"),
                ));
            }
            encodings::add_forms(secret.expose(), &mut forms);
        }
        if forms.is_empty() {
            return Ok(Self::none());
        }
        Ok(Self { machine: Some(Arc::new(Machine::new(forms)?)) })
    }

    /// A redactor without secrets, which changes nothing.
    pub fn none() -> Self {
        Self { machine: None }
    }

    /// A hold on it that does not keep what it knows of the secrets.
    pub(crate) fn downgrade(&self) -> WeakRedactor {
        WeakRedactor(self.machine.as_ref().map(Arc::downgrade))
    }

    /// A new stream, as one per output and attempt.
    pub fn stream(&self) -> RedactedStream {
        RedactedStream::new(self.machine.clone())
    }

    /// Redacts a whole text, as a message. Should a secret begin or end within a character, what is left of the
    /// character becomes U+FFFD.
    pub fn redact_str(&self, text: &str) -> String {
        if self.machine.is_none() {
            return text.to_owned();
        }
        let out = self.redact_bytes(text.as_bytes());
        String::from_utf8(out).unwrap_or_else(|error| {
            let out = Zeroizing::new(error.into_bytes());
            String::from_utf8_lossy(&out).into_owned()
        })
    }

    /// Redacts a whole buffer.
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut out);
        stream.finish(&mut out);
        out
    }
}

/// A redactor that is there as long as someone else holds it.
pub(crate) struct WeakRedactor(Option<Weak<Machine>>);

impl WeakRedactor {
    /// The redactor, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Redactor> {
        match &self.0 {
            None => Some(Redactor::none()),
            Some(machine) => machine.upgrade().map(|machine| Redactor { machine: Some(machine) }),
        }
    }

    /// Whether it holds secrets and is still there.
    pub(crate) fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|machine| machine.strong_count() > 0)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
