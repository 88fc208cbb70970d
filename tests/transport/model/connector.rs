//! The connector, and the onlooker.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result, Secret,
    error::Layer,
    testing::transport::{Dialect, HostFiles, TestHost},
    transport::{Capabilities, Connector, Endpoint, ProbeDetails, ProbeReport, Protocol, Session},
    vault::credential::Credential,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::{
    Flaw,
    dialect::Words,
    host::{Host, PASSWORD, USER, WRONG, lock},
    session::Conversation,
};

pub(super) struct Reach {
    pub(super) host: Arc<Host>,
    pub(super) flaw: Option<Flaw>,
    pub(super) leeway: Duration,
}

struct ModelConnector {
    host: Arc<Host>,
    flaw: Option<Flaw>,
}

impl std::fmt::Debug for ModelConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModelConnector")
    }
}

impl ModelConnector {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    async fn reach(&self, endpoint: &Endpoint) -> Result<()> {
        let about = |error: Error| error.with("target", &endpoint.target).with("host", &endpoint.host);
        let failed = |layer, message: &str| {
            about(Error::transport(if self.has(Flaw::OneLayer) { Layer::Protocol } else { layer }, message))
        };
        let work = async {
            let address = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
            let address = address.ok().and_then(|mut all| all.next());
            let address = address.ok_or_else(|| failed(Layer::Name, "the name does not resolve"))?;
            let stream = TcpStream::connect(address).await;
            let mut stream = stream.map_err(|_| failed(Layer::Connect, "the host cannot be reached"))?;
            let greeting = stream.read_u8().await;
            greeting.map(drop).map_err(|_| failed(Layer::Protocol, "the host hung up"))
        };
        if self.has(Flaw::WaitsForever) {
            return work.await;
        }
        let late = |_| failed(Layer::Connect, "the host did not answer in time");
        timeout(endpoint.connect_timeout, work).await.map_err(late)?
    }

    fn log_on(&self, endpoint: &Endpoint, credential: &Credential) -> Result<()> {
        let Credential::Winrm { username, password, .. } = credential else {
            return Err(Error::new(ErrorKind::InvalidInput, "the credential is of another kind"));
        };
        if username == USER && password.expose() == PASSWORD {
            return Ok(());
        }
        let tries = if self.has(Flaw::TriesTwice) { 2 } else { 1 };
        self.host.failed_logons.fetch_add(tries, Ordering::SeqCst);
        if self.has(Flaw::RefusalIsTransport) {
            return Err(Error::transport(Layer::Protocol, "status 401")
                .with("target", &endpoint.target)
                .with("user", username));
        }
        let error = Error::transport(Layer::Authentication, "the host refuses the credential");
        Err(match self.flaw {
            Some(Flaw::NamesNobody) => error,
            Some(Flaw::ShowsPassword) => error
                .with("target", &endpoint.target)
                .with("user", username)
                .with("password", password.expose()),
            _ => error.with("target", &endpoint.target).with("user", username),
        })
    }
}

#[async_trait]
impl Connector for ModelConnector {
    fn protocol(&self) -> Protocol {
        Protocol::Winrm
    }

    fn capabilities(&self) -> Capabilities {
        if self.has(Flaw::Undeclared) { Capabilities::default() } else { Capabilities::all() }
    }

    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        if !matches!(credential, Credential::Winrm { .. }) {
            return Err(Error::new(ErrorKind::InvalidInput, "the credential is of another kind"));
        }
        self.reach(endpoint).await?;
        self.log_on(endpoint, credential)?;
        Ok(Box::new(Conversation::open(Arc::clone(&self.host), self.flaw)))
    }

    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        let mut details = ProbeDetails::default();
        details.port = endpoint.port;
        let found = match self.reach(endpoint).await {
            Ok(()) => self.log_on(endpoint, credential),
            Err(error) => Err(error),
        };
        match found {
            Err(error) if !self.has(Flaw::ProbeIsGlad) => ProbeReport::failed(&error, details),
            _ => ProbeReport::reached("the model answers", details),
        }
    }
}

impl TestHost for Reach {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(ModelConnector { host: Arc::clone(&self.host), flaw: self.flaw })
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new("suite-target", self.host.address.ip().to_string(), self.host.address.port())
    }

    fn credential(&self) -> Credential {
        Credential::winrm(USER, Secret::from(PASSWORD))
    }

    fn wrong_credential(&self) -> Credential {
        Credential::winrm(USER, Secret::from(WRONG))
    }

    fn user(&self) -> String {
        USER.to_owned()
    }

    fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        vec![Arc::new(Words)]
    }

    fn commands_started(&self) -> Option<u64> {
        Some(self.host.started.load(Ordering::SeqCst))
    }

    fn leeway(&self) -> Duration {
        self.leeway
    }

    fn commands_running(&self) -> Option<u64> {
        Some(self.host.running.load(Ordering::SeqCst))
    }

    fn failed_logons(&self) -> Option<u64> {
        Some(self.host.failed_logons.load(Ordering::SeqCst))
    }

    fn sessions_open(&self) -> Option<u64> {
        Some(self.host.sessions.load(Ordering::SeqCst))
    }

    fn break_connections(&self) -> bool {
        self.host.cut();
        true
    }

    fn files(&self) -> Option<&dyn HostFiles> {
        Some(self)
    }
}

impl HostFiles for Reach {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        lock(&self.host.files).get(path).cloned()
    }

    fn write(&self, path: &str, content: &[u8]) {
        lock(&self.host.files).insert(path.to_owned(), content.to_vec());
    }

    fn list(&self, directory: &str) -> Vec<String> {
        let prefix = format!("{directory}/");
        lock(&self.host.files)
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect()
    }

    fn join(&self, directory: &str, name: &str) -> String {
        format!("{directory}/{name}")
    }

    fn directory(&self) -> String {
        "/files".to_owned()
    }

    fn odd_names(&self) -> Vec<String> {
        ["it's.txt", "$x.txt", "é 日本.txt"].map(str::to_owned).to_vec()
    }
}
