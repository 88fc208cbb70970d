//! The connector: settings, and the pool behind every session.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    account::Account,
    host::Host,
    pool::{Pool, PoolKey},
    probe,
    session::SshSession,
    settings::SshSettings,
};
use crate::{
    Result,
    transport::{Capabilities, Connector, Endpoint, ProbeDetails, ProbeReport, Protocol, Session},
    vault::credential::Credential,
};

/// How long a shutdown waits for connections to end.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Credentials for jump hosts, by name and port.
pub(super) type Jumps = HashMap<(String, u16), Credential>;

/// Reaches hosts over SSH. See the [module](super).
pub struct SshConnector {
    pool: Arc<Pool>,
    jumps: Jumps,
}

impl SshConnector {
    /// A connector with the default settings: known hosts alone, from `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
    ///
    /// # Errors
    ///
    /// `Internal` when the machine gives no random bytes.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// A connector with settings of one's own.
    pub fn builder() -> SshConnectorBuilder {
        SshConnectorBuilder { settings: SshSettings::default(), jumps: Jumps::new() }
    }

    /// The host, and under what its connections are kept. A credential that was refused less than `pause` ago stays so.
    fn host(
        &self,
        endpoint: &Endpoint,
        credential: &Credential,
        pause: Duration,
    ) -> Result<(Arc<Host>, PoolKey)> {
        let account = Account::new(credential, endpoint)?;
        let mut host = Host::new(endpoint, account, &self.pool.settings, &self.jumps)?;
        if let Some(mut jump) = host.jump.take().and_then(Arc::into_inner) {
            jump.logon = self.pool.logons.of(Some(&self.pool.key(&jump)), pause);
            host.jump = Some(Arc::new(jump));
        }
        let key = self.pool.key(&host);
        host.logon = self.pool.logons.of(Some(&key), pause);
        Ok((Arc::new(host), key))
    }
}

impl fmt::Debug for SshConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshConnector").field("settings", &self.pool.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for SshConnector {
    fn protocol(&self) -> Protocol {
        Protocol::Ssh
    }

    /// All but going on with a command that another worker started: a host keeps no command for whoever comes back.
    fn capabilities(&self) -> Capabilities {
        Capabilities { reattach: false, ..Capabilities::all() }
    }

    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        let (host, key) = self.host(endpoint, credential, self.pool.settings.refused_logon_pause)?;
        let turn = self.pool.turn(&key).await.map_err(|error| host.about(error))?;
        let seat = self.pool.seat(&host, &key).await?;
        Ok(Box::new(SshSession::new(Arc::clone(&self.pool), host, key, seat, turn)))
    }

    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        // Whoever probes wants to know now.
        match self.host(endpoint, credential, Duration::ZERO) {
            Ok((host, _)) => probe::probe(&self.pool, &host).await,
            Err(error) => {
                let details = ProbeDetails { port: endpoint.port, ..ProbeDetails::default() };
                ProbeReport::failed(&error, details)
            }
        }
    }

    async fn shutdown(&self) {
        if timeout(SHUTDOWN, self.pool.shut_down()).await.is_err() {
            tracing::warn!("some SSH connections did not end in time; they end with this process");
        }
    }
}

/// Builds an [`SshConnector`].
#[derive(Clone)]
#[must_use]
pub struct SshConnectorBuilder {
    settings: SshSettings,
    jumps: Jumps,
}

impl SshConnectorBuilder {
    /// Replaces the settings.
    pub fn with_settings(mut self, settings: SshSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Logs on to a jump host with a credential of its own, not with that of the target behind it.
    pub fn with_jump_credential(mut self, host: &str, port: u16, credential: Credential) -> Self {
        self.jumps.insert((host.to_ascii_lowercase(), port), credential);
        self
    }

    /// The connector.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a setting outside its range; `Internal` when the machine gives no random bytes.
    pub fn build(self) -> Result<SshConnector> {
        self.settings.check()?;
        Ok(SshConnector { pool: Arc::new(Pool::new(Arc::new(self.settings))?), jumps: self.jumps })
    }
}

impl fmt::Debug for SshConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshConnectorBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
