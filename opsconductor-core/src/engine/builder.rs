//! Putting an engine together.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    AccountSettings, Engine, Inner,
    accounts::People,
    deliver::Notifiers,
    expiry::{Expired, Expiry, WARN_AHEAD},
    redactors::Redactors,
};
use crate::{
    Error, ErrorKind, Result,
    clock::{Clock, SystemClock},
    job::{StepHandler, StepKinds, WorkerFiles},
    notify::Notifier,
    store::{Keep, Store},
    transport::{Connector, Protocol},
    vault::{KeyProvider, Vault},
};

/// How long former versions of credentials are kept when it is not said.
const VERSIONS_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long notifications are kept when it is not said.
const NOTIFICATIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Collects the parts of an [`Engine`] and checks them once, in [`EngineBuilder::build`].
#[derive(Default)]
pub struct EngineBuilder {
    store: Option<Arc<dyn Store>>,
    keys: Option<Arc<dyn KeyProvider>>,
    deployment: Option<String>,
    connectors: Vec<Arc<dyn Connector>>,
    handlers: Vec<Arc<dyn StepHandler>>,
    clock: Option<Arc<dyn Clock>>,
    files: Option<PathBuf>,
    keep: Keep,
    keep_versions: Option<Duration>,
    expired: Expired,
    warn_before_expiry: Option<Duration>,
    accounts: AccountSettings,
    strict_audit: bool,
    notifiers: Vec<Arc<dyn Notifier>>,
    keep_notifications: Option<Duration>,
}

impl EngineBuilder {
    /// Where everything is kept. Required.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The same for a store that is shared already.
    #[must_use]
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Where the key comes from that seals credentials. Required: there is no default key.
    #[must_use]
    pub fn keys(mut self, keys: impl KeyProvider + 'static) -> Self {
        self.keys = Some(Arc::new(keys));
        self
    }

    /// The name of the deployment that sealed records are bound to, `opsconductor` when it is not said. A store written
    /// under one name does not open under another.
    #[must_use]
    pub fn deployment(mut self, name: impl Into<String>) -> Self {
        self.deployment = Some(name.into());
        self
    }

    /// Adds a transport. A second one for the same protocol is refused by [`EngineBuilder::build`].
    #[must_use]
    pub fn connector(mut self, connector: impl Connector + 'static) -> Self {
        self.connectors.push(Arc::new(connector));
        self
    }

    /// Adds a step kind beside the built-in ones.
    #[must_use]
    pub fn step_kind(mut self, handler: impl StepHandler + 'static) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// The same for one that is shared already.
    #[must_use]
    pub fn shared_step_kind(mut self, handler: Arc<dyn StepHandler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// The folder of this machine from which `winrm.copy` and `ssh.copy` take their `src` and to which `winrm.fetch` and
    /// `ssh.fetch` bring files. Whoever
    /// may write jobs reaches everything in it and nothing outside. Without it such steps fail.
    #[must_use]
    pub fn files(mut self, folder: impl Into<PathBuf>) -> Self {
        self.files = Some(folder.into());
        self
    }

    /// Which runs are kept; all, when it is not said. Workers of this engine remove the others in small batches, those first
    /// that ended first, as often as [`WorkerSettings::cleanup`](super::WorkerSettings::cleanup) says.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// How long a version of a credential is kept, sealed, after another has replaced it, so that one can
    /// [go back](super::Credentials::restore) to it: a week, when it is not said. Workers of this engine remove older ones in
    /// small batches, as often as [`WorkerSettings::cleanup`](super::WorkerSettings::cleanup) says.
    #[must_use]
    pub fn keep_versions(mut self, time: Duration) -> Self {
        self.keep_versions = Some(time);
        self
    }

    /// What tasks do with a credential that has [expired](super::Credentials::set_expiry).
    #[must_use]
    pub fn expired_credentials(mut self, expired: Expired) -> Self {
        self.expired = expired;
        self
    }

    /// How long before a credential expires workers of this engine begin to warn of it in the log, once each: two weeks, when
    /// it is not said. That it has expired they say again.
    #[must_use]
    pub fn warn_before_expiry(mut self, time: Duration) -> Self {
        self.warn_before_expiry = Some(time);
        self
    }

    /// How accounts are kept: what a password has to be, how much work its hash is.
    #[must_use]
    pub fn accounts(mut self, settings: AccountSettings) -> Self {
        self.accounts = settings;
        self
    }

    /// Chains each audit record in the transaction of the change that it tells of, instead of within half a second after it. Changes
    /// of one tenant then wait for each other's commits.
    #[must_use]
    pub fn strict_audit(mut self, is_strict: bool) -> Self {
        self.strict_audit = is_strict;
        self
    }

    /// Adds a way to deliver notifications. Workers of this engine deliver what they have a way for and leave the rest to others.
    /// A second one for the same channel is refused by [`EngineBuilder::build`].
    #[must_use]
    pub fn notifier(mut self, notifier: impl Notifier + 'static) -> Self {
        self.notifiers.push(Arc::new(notifier));
        self
    }

    /// How long notifications that were sent or given up are kept, though no longer than their run: 30 days, when it is not said.
    #[must_use]
    pub fn keep_notifications(mut self, time: Duration) -> Self {
        self.keep_notifications = Some(time);
        self
    }

    /// Another clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when a required part is missing, the folder for files is none or the settings of accounts cannot be; `Conflict` when a protocol, a step kind or a channel is given twice.
    pub fn build(self) -> Result<Engine> {
        let store = self.store.ok_or_else(|| missing("store"))?;
        let keys = self.keys.ok_or_else(|| missing("keys"))?;
        let mut kinds = StepKinds::built_in();
        for handler in self.handlers {
            kinds.register(handler)?;
        }
        let mut connectors: HashMap<Protocol, Arc<dyn Connector>> = HashMap::new();
        for connector in self.connectors {
            let protocol = connector.protocol();
            if connectors.insert(protocol, connector).is_some() {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("there are two connectors for {protocol}"),
                ));
            }
        }
        let deployment = self.deployment.unwrap_or_else(|| "opsconductor".to_owned());
        Ok(Engine {
            inner: Arc::new(Inner {
                store,
                vault: Vault::new(deployment, keys)?,
                kinds,
                connectors,
                keep: self.keep,
                keep_versions: self.keep_versions.unwrap_or(VERSIONS_KEPT),
                expiry: Expiry::new(self.expired, self.warn_before_expiry.unwrap_or(WARN_AHEAD)),
                files: self.files.map(WorkerFiles::new).transpose()?,
                clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock::new())),
                redactors: Redactors::new()?,
                definitions: Default::default(),
                opening: super::credentials::Opening::default(),
                people: People::new(self.accounts)?,
                uses: super::uses::Uses::default(),
                strict_audit: self.strict_audit,
                notices: Default::default(),
                notifiers: Notifiers::new(
                    self.notifiers,
                    self.keep_notifications.unwrap_or(NOTIFICATIONS_KEPT),
                )?,
            }),
        })
    }
}

fn missing(part: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("an engine needs `{part}`; give it to the builder before `build`"),
    )
}
