//! Secrets at rest: sealed records, the master keys that open them, and what is inside.
//!
//! A [`Vault`] is a deployment's name and its keys. It seals bytes into records that a store may keep and anybody may
//! copy; a record opens only with its key and only in its place.
//!
//! ```
//! use std::sync::Arc;
//! use opsconductor_core::id::{CredentialId, TenantId};
//! use opsconductor_core::vault::{Keyring, MasterKey, RecordContext, Vault, generate_key};
//!
//! # async fn example() -> opsconductor_core::Result<()> {
//! let keys = Keyring::new(MasterKey::parse(generate_key()?.expose())?);
//! let vault = Vault::new("production", Arc::new(keys))?;
//! let place = RecordContext::credential(TenantId::new(1), CredentialId::new(7), "winrm", 1);
//! let sealed = vault.seal(&place, b"hunter2").await?;
//! assert_eq!(vault.open(&place, &sealed).await?.expose(), b"hunter2");
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```

use std::fmt;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result, Secret};

pub mod credential;
pub mod envelope;
pub mod keyring;
pub mod secret;

mod context;
mod key;
mod primitives;
mod record;

pub use context::{CONTEXT_BYTES_MAX, Context};
pub use credential::Credential;
pub use key::{KEY_ID_BYTES_MAX, MasterKey, WRAPS_MAX, generate_key};
pub use keyring::{CallbackKeys, KeyProvider, Keyring, create_key_file, remove_from_key_file};
pub use record::RecordContext;

/// The longest name of a deployment.
pub const DEPLOYMENT_BYTES_MAX: usize = 255;

/// Seals and opens the secrets of one deployment.
#[derive(Clone)]
pub struct Vault {
    deployment: Arc<str>,
    keys: Arc<dyn KeyProvider>,
}

impl Vault {
    /// A vault for the deployment of that name. The name is bound into every record: it must stay the same for as long
    /// as the records live, and two deployments that must not read each other's database need two names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the name is empty or longer than [`DEPLOYMENT_BYTES_MAX`] bytes.
    pub fn new(deployment: impl AsRef<str>, keys: Arc<dyn KeyProvider>) -> Result<Self> {
        let deployment = deployment.as_ref();
        if deployment.is_empty() || deployment.len() > DEPLOYMENT_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the name of a deployment is 1 to {DEPLOYMENT_BYTES_MAX} bytes"),
            ));
        }
        Ok(Self { deployment: deployment.into(), keys })
    }

    /// Seals `plaintext` for `place` under the current key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the secret is larger than [`envelope::SECRET_BYTES_MAX`];
    /// [`ErrorKind::Vault`] when there is no key, it has wrapped too often, or there is no randomness.
    pub async fn seal(&self, place: &RecordContext<'_>, plaintext: &[u8]) -> Result<Vec<u8>> {
        envelope::seal_bound(&*self.current().await?, plaintext, &place.bind(&self.deployment)?)
    }

    /// Opens the record of `place`.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the bytes are not a sealed record, no key has the id they name, or they belong
    /// elsewhere or were altered.
    pub async fn open(&self, place: &RecordContext<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>> {
        let key = self.keys.key(envelope::key_id(sealed)?).await?;
        envelope::open_bound(&key, sealed, &place.bind(&self.deployment)?)
    }

    /// Wraps the record's data key under the current key. The place is needed, because the wrap is bound to it.
    ///
    /// # Errors
    /// As [`Vault::open`] and [`Vault::seal`].
    pub async fn rewrap(&self, place: &RecordContext<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let from = self.keys.key(envelope::key_id(sealed)?).await?;
        envelope::rewrap_bound(&from, &*self.current().await?, sealed, &place.bind(&self.deployment)?)
    }

    /// Whether the record is sealed under another key than the current one, and [`Vault::rewrap`] would change that.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when the bytes are not a sealed record or there is no key.
    pub async fn needs_rewrap(&self, sealed: &[u8]) -> Result<bool> {
        Ok(envelope::key_id(sealed)? != self.keys.current_id().await?)
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Where the keys come from.
    pub fn keys(&self) -> &Arc<dyn KeyProvider> {
        &self.keys
    }

    async fn current(&self) -> Result<Arc<MasterKey>> {
        self.keys.key(&self.keys.current_id().await?).await
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
