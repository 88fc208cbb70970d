//! Where master keys come from: the [`KeyProvider`] seam, and the [`Keyring`] that holds keys in memory, read from
//! the environment or a file.

mod callback;
mod file;

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

pub use callback::CallbackKeys;
pub use file::{create_key_file, remove_from_key_file};

use crate::vault::context::Context;
use crate::vault::envelope;
use crate::vault::key::{MasterKey, generate_key};
use crate::{Error, ErrorKind, Result, Secret};

/// The variable that holds one master key in base64.
pub const KEY_VARIABLE: &str = "OPSCONDUCTOR_KEY";

/// The variable that holds several: `id:base64,id:base64`, the current one first.
pub const KEYS_VARIABLE: &str = "OPSCONDUCTOR_KEYS";

/// The most keys a keyring holds.
pub const KEYS_MAX: usize = 64;

/// Gives the vault its master keys: from memory, a key management service, a transit engine.
///
/// To ensure correctness:
///
/// * a key id means the same key for ever; a new key gets a new id;
/// * [`key`](Self::key) finds every key that a stored record names, until those records are rewrapped;
/// * the same [`MasterKey`] is given each time, so that its count of wraps holds.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// The id of the key that new records are sealed under.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the provider has no key to offer.
    async fn current_id(&self) -> Result<String>;

    /// The key with this id, current or former.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when there is none.
    async fn key(&self, id: &str) -> Result<Arc<MasterKey>>;

    /// The ids of all keys, the current one first.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the provider cannot be asked.
    async fn ids(&self) -> Result<Vec<String>>;
}

/// Master keys in memory: one current, any number of former ones that still open older records.
///
/// ```
/// use opsconductor_core::vault::{Context, Keyring, MasterKey, generate_key};
///
/// let keys = Keyring::new(MasterKey::parse(generate_key()?.expose())?);
/// let context = Context::new().with("tenant", "default").with("id", "7");
/// let sealed = keys.seal(b"hunter2", &context)?;
/// assert_eq!(keys.open(&sealed, &context)?.expose(), b"hunter2");
/// assert!(keys.open(&sealed, &Context::new().with("tenant", "other")).is_err());
/// # Ok::<(), opsconductor_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Keyring {
    /// Never empty; the current key is the first.
    keys: Vec<Arc<MasterKey>>,
}

impl Keyring {
    /// A keyring with one key.
    pub fn new(current: MasterKey) -> Self {
        Self { keys: vec![Arc::new(current)] }
    }

    /// A keyring with a new key that nobody else has. What it seals is lost with it.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when there is no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self::new(MasterKey::parse(generate_key()?.expose())?))
    }

    /// Reads [`KEY_VARIABLE`] or [`KEYS_VARIABLE`]. A key in the environment is visible to every child process and
    /// stays in this one's memory: prefer [`Keyring::from_file`] on a shared machine.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when neither or both are set, or what is set is not a key.
    pub fn from_environment() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads a file with one key a line, each base64 or `id:base64`, the current one first; empty lines and lines
    /// that begin with `#` are skipped. [`create_key_file`] writes one.
    ///
    /// A symbolic link is followed, and what it leads to is checked, as mounted secrets need it.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the file cannot be read, is not a regular file, is open to group or world, is too
    /// large, or does not hold keys.
    pub fn from_file(path: impl AsRef<std::path::Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = file::read(path)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::from_entries(lines).map_err(|error| error.with("file", path.display()))
    }

    /// Adds a key that opens older records.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when a key of that id is there already, or the keyring is full.
    pub fn with_former(mut self, key: MasterKey) -> Result<Self> {
        if self.get(key.id()).is_some() {
            return Err(
                Error::new(ErrorKind::Vault, "two master keys have the same id").with("key", key.id())
            );
        }
        if self.keys.len() == KEYS_MAX {
            return Err(Error::new(ErrorKind::Vault, format!("a keyring holds at most {KEYS_MAX} keys")));
        }
        self.keys.push(Arc::new(key));
        Ok(self)
    }

    /// The key that seals.
    pub fn current(&self) -> &Arc<MasterKey> {
        &self.keys[0]
    }

    /// The key with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<MasterKey>> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// All keys, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKey> {
        self.keys.iter().map(AsRef::as_ref)
    }

    /// Seals under the current key; see [`envelope::seal`].
    ///
    /// # Errors
    /// As [`envelope::seal`].
    pub fn seal(&self, plaintext: &[u8], context: &Context) -> Result<Vec<u8>> {
        envelope::seal(self.current(), plaintext, context)
    }

    /// Opens with the key the record names; see [`envelope::open`].
    ///
    /// # Errors
    /// As [`envelope::open`], and [`ErrorKind::Vault`] when no key of that name is here.
    pub fn open(&self, sealed: &[u8], context: &Context) -> Result<Secret<Vec<u8>>> {
        envelope::open(self.named_in(sealed)?, sealed, context)
    }

    /// Wraps a record's data key under the current key; see [`envelope::rewrap`].
    ///
    /// # Errors
    /// As [`envelope::rewrap`], and [`ErrorKind::Vault`] when no key of the record's name is here.
    pub fn rewrap(&self, sealed: &[u8], context: &Context) -> Result<Vec<u8>> {
        envelope::rewrap(self.named_in(sealed)?, self.current(), sealed, context)
    }

    fn named_in(&self, sealed: &[u8]) -> Result<&MasterKey> {
        let id = envelope::key_id(sealed)?;
        self.get(id).map(AsRef::as_ref).ok_or_else(|| envelope::unknown_key(id))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self> {
        let read = |name| -> Result<Option<Zeroizing<String>>> {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
            let text = value.into_string().map_err(|_| {
                Error::new(ErrorKind::Vault, "the variable is not UTF-8").with("variable", name)
            })?;
            Ok(Some(Zeroizing::new(text)))
        };
        match (read(KEY_VARIABLE)?, read(KEYS_VARIABLE)?) {
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::Vault,
                format!("both {KEY_VARIABLE} and {KEYS_VARIABLE} are set: keep one of them"),
            )),
            (Some(one), None) => {
                MasterKey::parse(&one).map(Self::new).map_err(|error| error.with("variable", KEY_VARIABLE))
            }
            (None, Some(many)) => Self::from_entries(many.split(',').map(str::trim))
                .map_err(|error| error.with("variable", KEYS_VARIABLE)),
            (None, None) => Err(Error::new(
                ErrorKind::Vault,
                format!(
                    "no master key: set {KEY_VARIABLE} to what `opsconductor key generate` prints; there is no default"
                ),
            )),
        }
    }

    fn from_entries<'a>(entries: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut keyring: Option<Self> = None;
        for (index, entry) in entries.enumerate() {
            let at = |error: Error| error.with("entry", index + 1);
            let key = entry_key(entry).map_err(at)?;
            keyring = Some(match keyring {
                None => Self::new(key),
                Some(keyring) => keyring.with_former(key).map_err(at)?,
            });
        }
        keyring.ok_or_else(|| Error::new(ErrorKind::Vault, "no master key is given"))
    }
}

#[async_trait]
impl KeyProvider for Keyring {
    async fn current_id(&self) -> Result<String> {
        Ok(self.current().id().to_owned())
    }

    async fn key(&self, id: &str) -> Result<Arc<MasterKey>> {
        self.get(id).cloned().ok_or_else(|| envelope::unknown_key(id))
    }

    async fn ids(&self) -> Result<Vec<String>> {
        Ok(self.iter().map(|key| key.id().to_owned()).collect())
    }
}

/// Reads `base64` or `id:base64`. An id may hold colons; base64 never does.
fn entry_key(entry: &str) -> Result<MasterKey> {
    match entry.rsplit_once(':') {
        None => MasterKey::parse(entry),
        Some((id, text)) => {
            let key = MasterKey::parse(text)?;
            key.with_id(id.trim())
        }
    }
}

#[cfg(test)]
mod tests;
