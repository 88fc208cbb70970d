//! The connector: settings, trust, and how names are looked up.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{
    account::Account,
    dial::Ground,
    probe,
    resolve::{Resolve, SystemResolver},
    session::HttpSession,
    settings::HttpSettings,
    site::Host,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{
        Capabilities, Connector, Endpoint, ProbeDetails, ProbeReport, Protocol, Session,
        timings::Timings,
        tls::{TrustBase, certificates},
    },
    vault::credential::Credential,
};

/// Reaches HTTP services. See the [module](super).
pub struct HttpConnector {
    ground: Arc<Ground>,
    base: Arc<TrustBase>,
}

impl HttpConnector {
    /// A connector with the default settings, trusting the platform's roots.
    pub fn new() -> Self {
        let ground = Ground { settings: HttpSettings::default(), resolver: Arc::new(SystemResolver) };
        Self { ground: Arc::new(ground), base: Arc::default() }
    }

    /// A connector with settings of one's own.
    pub fn builder() -> HttpConnectorBuilder {
        HttpConnectorBuilder {
            settings: HttpSettings::default(),
            ca_pem: Vec::new(),
            resolver: Arc::new(SystemResolver),
        }
    }

    async fn open(&self, endpoint: &Endpoint, credential: Option<&Credential>) -> Result<Box<dyn Session>> {
        let (host, account) = self.host(endpoint, credential)?;
        let about = host.clone();
        let opened =
            HttpSession::open(Arc::clone(&self.ground), host, account, &mut Timings::default()).await;
        Ok(Box::new(opened.map_err(|error| about.about(error))?))
    }

    async fn look(&self, endpoint: &Endpoint, credential: Option<&Credential>) -> ProbeReport {
        match self.host(endpoint, credential) {
            Ok((host, account)) => probe::probe(Arc::clone(&self.ground), host, account).await,
            Err(error) => {
                ProbeReport::failed(&error, ProbeDetails { port: endpoint.port, ..ProbeDetails::default() })
            }
        }
    }

    fn host(&self, endpoint: &Endpoint, credential: Option<&Credential>) -> Result<(Host, Option<Account>)> {
        let host = Host::new(endpoint, credential.is_some(), &self.base)?;
        let account = credential.map(Account::new).transpose();
        Ok((host, account.map_err(|error| error.with("target", &endpoint.target))?))
    }
}

impl Default for HttpConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnector").field("ground", &self.ground).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for HttpConnector {
    fn protocol(&self) -> Protocol {
        Protocol::Http
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { streaming: true, ..Capabilities::default() }
    }

    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        self.open(endpoint, Some(credential)).await
    }

    async fn connect_without_credential(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>> {
        self.open(endpoint, None).await
    }

    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        self.look(endpoint, Some(credential)).await
    }

    async fn probe_without_credential(&self, endpoint: &Endpoint) -> ProbeReport {
        self.look(endpoint, None).await
    }
}

/// Builds an [`HttpConnector`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpConnectorBuilder {
    settings: HttpSettings,
    ca_pem: Vec<Vec<u8>>,
    resolver: Arc<dyn Resolve>,
}

impl HttpConnectorBuilder {
    /// Replaces the settings: which addresses may be reached.
    pub fn with_settings(mut self, settings: HttpSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Trusts the certificates in `pem` as authorities, beside the platform's roots.
    pub fn with_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem.push(pem.into());
        self
    }

    /// Looks names up otherwise than the operating system does.
    pub fn with_resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// The connector.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a text that holds no certificate.
    pub fn build(self) -> Result<HttpConnector> {
        let mut base = TrustBase::default();
        for pem in &self.ca_pem {
            base.authorities.extend(certificates(pem).map_err(|reason| {
                let message = "a certificate authority is not a certificate in PEM form";
                Error::new(ErrorKind::InvalidInput, message).with("reason", reason)
            })?);
        }
        let ground = Ground { settings: self.settings, resolver: self.resolver };
        Ok(HttpConnector { ground: Arc::new(ground), base: Arc::new(base) })
    }
}
