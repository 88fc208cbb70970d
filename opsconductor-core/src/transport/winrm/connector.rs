//! The connector: settings, trust, and the pool behind every session.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{
    account::Account,
    connection::Connection,
    host::Host,
    lane::Lane,
    logon::Logons,
    pool::{Pool, PoolKey},
    probe, remote,
    session::WinrmSession,
    settings::WinrmSettings,
    soap::Action,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{
        Capabilities, Connector, Endpoint, ProbeDetails, ProbeReport, Protocol, RemoteHandle, Session,
        timings::Timings,
        tls::{TrustBase, certificates},
    },
    vault::credential::Credential,
};

/// How long the shell of a lost command is tried to be deleted.
const ABANDON: Duration = Duration::from_secs(30);

/// How long a shutdown waits for shells to be deleted.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// Reaches Windows hosts over WinRM. See the [module](super).
pub struct WinrmConnector {
    pool: Arc<Pool>,
    base: TrustBase,
    logons: Logons<PoolKey>,
}

impl WinrmConnector {
    /// A connector with the default settings, trusting the platform's roots.
    pub fn new() -> Self {
        Self {
            pool: Arc::new(Pool::new(Arc::new(WinrmSettings::default()))),
            base: TrustBase::default(),
            logons: Logons::default(),
        }
    }

    /// A connector with settings of one's own.
    pub fn builder() -> WinrmConnectorBuilder {
        WinrmConnectorBuilder { settings: WinrmSettings::default(), ca_pem: Vec::new(), accept_any: false }
    }

    /// The host, and under what its lanes are kept. A credential that was refused less than `pause` ago stays so.
    fn host(
        &self,
        endpoint: &Endpoint,
        credential: &Credential,
        pause: Duration,
    ) -> Result<(Arc<Host>, Option<PoolKey>)> {
        let account = Account::new(credential, endpoint)?;
        let mut host = Host::new(endpoint, account, Arc::clone(&self.pool.settings), &self.base)?;
        let key = self.pool.key(&host);
        host.logon = self.logons.of(key.as_ref(), pause);
        Ok((Arc::new(host), key))
    }
}

impl Default for WinrmConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WinrmConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WinrmConnector").field("settings", &self.pool.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for WinrmConnector {
    fn protocol(&self) -> Protocol {
        Protocol::Winrm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        let pause = self.pool.settings.refused_logon_pause;
        let (host, key) = self.host(endpoint, credential, pause)?;
        let turn = match &key {
            Some(key) => Some(self.pool.turn(key).await.map_err(|error| host.about(error))?),
            None => None,
        };
        let warm = key.as_ref().and_then(|key| self.pool.take(key));
        let lane = match warm {
            // The warm lane was opened for a target of another name, perhaps: messages name the one asked for.
            Some(mut lane) => {
                lane.host = host;
                lane
            }
            None => {
                let span = tracing::debug_span!("winrm.connect", target = host.target);
                let tracker = self.pool.tracker.clone();
                Lane::open(host, tracker, &mut Timings::default()).instrument(span).await?
            }
        };
        Ok(Box::new(WinrmSession::new(Arc::clone(&self.pool), key, turn, lane)))
    }

    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        // Whoever probes wants to know now.
        match self.host(endpoint, credential, Duration::ZERO) {
            Ok((host, _)) => probe::probe(host, self.pool.tracker.clone()).await,
            Err(error) => {
                let details = ProbeDetails { port: endpoint.port, ..ProbeDetails::default() };
                ProbeReport::failed(&error, details)
            }
        }
    }

    async fn abandon(&self, endpoint: &Endpoint, credential: &Credential, handle: &RemoteHandle) {
        let Some(shell) = remote::shell_id(handle) else { return };
        let pause = self.pool.settings.refused_logon_pause;
        let Ok((host, _)) = self.host(endpoint, credential, pause) else { return };
        let target = host.target.clone();
        match timeout(ABANDON, delete(&host, shell)).await {
            Ok(Ok(())) => tracing::debug!(target, shell, "deleted the shell of a lost command"),
            Ok(Err(error)) => {
                tracing::warn!(
                    target,
                    shell,
                    error = error.report(),
                    "the shell of a lost command may be left behind"
                );
            }
            Err(_) => {
                tracing::warn!(target, shell, "the shell of a lost command may be left behind: no answer")
            }
        }
    }

    async fn shutdown(&self) {
        if timeout(SHUTDOWN, self.pool.shut_down()).await.is_err() {
            tracing::warn!(
                "some shells were not deleted in time; their hosts delete them when they have idled out"
            );
        }
    }
}

async fn delete(host: &Arc<Host>, shell: &str) -> Result<()> {
    let mut connection = Connection::open(host, &mut Timings::default()).await?;
    connection.delete(shell).await.map_err(|failure| failure.into_error(host, Action::Delete))
}

/// Builds a [`WinrmConnector`].
#[derive(Debug, Clone)]
#[must_use]
pub struct WinrmConnectorBuilder {
    settings: WinrmSettings,
    ca_pem: Vec<Vec<u8>>,
    pub(super) accept_any: bool,
}

impl WinrmConnectorBuilder {
    /// Replaces the settings.
    pub fn with_settings(mut self, settings: WinrmSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Trusts the certificates in `pem` as authorities, beside the platform's roots.
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem.push(pem.into());
        self
    }

    /// The connector.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a setting outside its range or a text that holds no certificate.
    pub fn build(self) -> Result<WinrmConnector> {
        self.settings.check()?;
        let mut base = TrustBase { authorities: Vec::new(), accept_any: self.accept_any };
        for pem in &self.ca_pem {
            base.authorities.extend(certificates(pem).map_err(|reason| {
                Error::new(
                    ErrorKind::InvalidInput,
                    "a certificate authority is not a certificate in PEM form",
                )
                .with("reason", reason)
            })?);
        }
        Ok(WinrmConnector {
            pool: Arc::new(Pool::new(Arc::new(self.settings))),
            base,
            logons: Logons::default(),
        })
    }
}
