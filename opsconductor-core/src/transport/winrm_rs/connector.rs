//! The connector.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    net::lookup_host,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{keeper::keep, session::WinrmRsSession, target::Target};
use crate::{
    Error, Result,
    error::Layer,
    transport::{
        Capabilities, Connector, Control, Endpoint, ExecRequest, Observer, ProbeDetails, ProbeReport,
        Protocol, RemoteHandle, Session, Shell, Stream,
    },
    vault::credential::Credential,
};

/// How long a shutdown waits for shells to be deleted.
const SHUTDOWN: Duration = Duration::from_secs(20);

/// How long the host may take to say who it is.
const PROBE_SCRIPT: Duration = Duration::from_secs(60);

const SCRIPT: &str = "whoami\n$PSVersionTable.PSVersion.ToString()\n$env:COMPUTERNAME\n";

/// Reaches Windows hosts through the `winrm-rs` crate. See the [module](super).
#[derive(Default)]
pub struct WinrmRsConnector {
    tasks: TaskTracker,
}

impl WinrmRsConnector {
    /// A connector that trusts the platform's roots.
    pub fn new() -> Self {
        Self::default()
    }

    async fn open(&self, target: Arc<Target>) -> Result<WinrmRsSession> {
        let limit = target.connect_timeout;
        let opening = async {
            // The crate tells a name that does not resolve by text alone.
            let addresses = lookup_host((target.host.as_str(), target.port)).await;
            if addresses.ok().and_then(|mut all| all.next()).is_none() {
                return Err(target.about(Error::transport(Layer::Name, "the host name does not resolve")));
            }
            let (calls, called) = mpsc::channel(1);
            let (ready, opened) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            self.tasks.spawn(keep(Arc::clone(&target), ready, called, end));
            match opened.await {
                Ok(opened) => opened.map(|()| WinrmRsSession { calls, ended }),
                Err(_) => {
                    let error = Error::transport(Layer::Protocol, "the session's task did not end well");
                    Err(target.about(error))
                }
            }
        };
        match timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => {
                let message = format!("no session was opened within {:.1} s", limit.as_secs_f64());
                Err(target.about(Error::transport(Layer::Connect, message)))
            }
        }
    }

    async fn ask(&self, target: Arc<Target>, details: &mut ProbeDetails) -> Result<()> {
        let begun = Instant::now();
        let opened = self.open(Arc::clone(&target)).await;
        details.timings_ms.push(("connect".to_owned(), begun.elapsed().as_secs_f64() * 1000.0));
        let mut session = opened?;
        let begun = Instant::now();
        let mut heard = Heard::default();
        let control = Control { timeout: PROBE_SCRIPT, cancel: CancellationToken::new() };
        let request = ExecRequest::new(Shell::Powershell, SCRIPT);
        let outcome = session.exec(request, &mut heard, &control).await?;
        details.timings_ms.push(("script".to_owned(), begun.elapsed().as_secs_f64() * 1000.0));
        let said = String::from_utf8_lossy(&heard.0);
        let mut lines = said.lines().map(str::to_owned);
        details.whoami = lines.next();
        details.powershell_version = lines.next();
        details.hostname = lines.next();
        if outcome.exit_code != 0 || details.hostname.is_none() {
            return Err(target.about(Error::transport(Layer::Script, "PowerShell did not say who it is")));
        }
        Box::new(session).close().await
    }
}

impl fmt::Debug for WinrmRsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WinrmRsConnector").field("sessions", &self.tasks.len()).finish()
    }
}

#[async_trait]
impl Connector for WinrmRsConnector {
    fn protocol(&self) -> Protocol {
        Protocol::Winrm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            stdin: true,
            environment: true,
            streaming: true,
            stop: true,
            ..Capabilities::default()
        }
    }

    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        let target = Arc::new(Target::new(endpoint, credential)?);
        Ok(Box::new(self.open(target).await?))
    }

    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        let mut details = ProbeDetails { port: endpoint.port, ..ProbeDetails::default() };
        let asked = match Target::new(endpoint, credential) {
            Ok(target) => {
                details.transport = Some(target.protection());
                self.ask(Arc::new(target), &mut details).await
            }
            Err(error) => Err(error),
        };
        match asked {
            Ok(()) => {
                let name = details.hostname.as_deref().unwrap_or("the host");
                let user = details.whoami.as_deref().unwrap_or("an unnamed user");
                ProbeReport::reached(format!("{name} runs commands as {user}"), details)
            }
            Err(error) => ProbeReport::failed(&error, details),
        }
    }

    async fn shutdown(&self) {
        self.tasks.close();
        if timeout(SHUTDOWN, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "some shells were not deleted in time; their hosts delete them when they have idled out"
            );
        }
    }
}

/// Takes what a probe's script says, up to a limit.
#[derive(Default)]
struct Heard(Vec<u8>);

#[async_trait]
impl Observer for Heard {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        if stream == Stream::Stdout && self.0.len() < 64 * 1024 {
            self.0.extend_from_slice(&bytes);
        }
        Ok(())
    }
}
