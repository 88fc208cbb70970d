//! Keys that a host fetches from elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{KEYS_MAX, KeyProvider};
use crate::vault::envelope;
use crate::vault::key::MasterKey;
use crate::{Error, ErrorKind, Result, Secret};

type Fetch = dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Secret<String>>> + Send>> + Send + Sync;

/// Keys by a callback: a key management service, Vault transit, an HSM. The callback gets a key id and answers with
/// the key in base64; each key is fetched once and kept in memory.
///
/// A failed fetch is not remembered, so the next call asks again.
pub struct CallbackKeys {
    current: String,
    former: Vec<String>,
    fetch: Box<Fetch>,
    fetched: Mutex<HashMap<String, Arc<MasterKey>>>,
}

impl CallbackKeys {
    /// Keys named `current` and `former`, fetched by `fetch` when they are first needed. Ids that are in neither
    /// are never asked for: a record cannot make the host fetch a key of its choosing.
    ///
    /// # Errors
    /// [`ErrorKind::Vault`] when an id is given twice, or there are more than [`KEYS_MAX`].
    pub fn new<F, Fut>(
        current: impl Into<String>,
        former: impl IntoIterator<Item = impl Into<String>>,
        fetch: F,
    ) -> Result<Self>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret<String>>> + Send + 'static,
    {
        let current = current.into();
        let mut ids = vec![current.clone()];
        for id in former {
            let id = id.into();
            if ids.contains(&id) {
                return Err(Error::new(ErrorKind::Vault, "two master keys have the same id").with("key", id));
            }
            if ids.len() == KEYS_MAX {
                return Err(Error::new(ErrorKind::Vault, format!("there can be at most {KEYS_MAX} keys")));
            }
            ids.push(id);
        }
        Ok(Self {
            current,
            former: ids.split_off(1),
            fetch: Box::new(move |id| Box::pin(fetch(id))),
            fetched: Mutex::default(),
        })
    }
}

#[async_trait]
impl KeyProvider for CallbackKeys {
    async fn current_id(&self) -> Result<String> {
        Ok(self.current.clone())
    }

    async fn key(&self, id: &str) -> Result<Arc<MasterKey>> {
        if id != self.current && !self.former.iter().any(|former| former == id) {
            return Err(envelope::unknown_key(id));
        }
        // The lock is held while fetching, so that a burst of tasks asks the service once.
        let mut fetched = self.fetched.lock().await;
        if let Some(key) = fetched.get(id) {
            return Ok(key.clone());
        }
        let text = (self.fetch)(id.to_owned()).await.map_err(|error| error.with("key", id))?;
        let key = MasterKey::parse(text.expose()).and_then(|key| key.with_id(id));
        let key = Arc::new(key.map_err(|error| error.with("key", id))?);
        fetched.insert(id.to_owned(), key.clone());
        Ok(key)
    }

    async fn ids(&self) -> Result<Vec<String>> {
        Ok(std::iter::once(&self.current).chain(&self.former).cloned().collect())
    }
}

impl fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackKeys")
            .field("current", &self.current)
            .field("former", &self.former)
            .finish_non_exhaustive()
    }
}
