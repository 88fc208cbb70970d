//! A host, a credential, and an observer that remembers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_core::{
    Error, ErrorKind, Result, Secret,
    transport::{
        Connector, Control, Endpoint, ExecRequest, Observer, RemoteHandle, Session, Shell, Stream,
        winrm::WinrmConnector,
    },
    vault::credential::Credential,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use windows_sim::{HostBuilder, WindowsHost};

pub(crate) const USER: &str = "Administrator";
pub(crate) const PASSWORD: &str = "Pässw0rd & <co>";

/// A host with one account, on a free port.
pub(crate) fn builder() -> HostBuilder {
    WindowsHost::builder("WEB-1").user(USER, PASSWORD).http("127.0.0.1:0")
}

pub(crate) async fn host() -> WindowsHost {
    builder().start().await.unwrap()
}

pub(crate) fn endpoint(host: &WindowsHost) -> Endpoint {
    let address = host.http_addr().unwrap();
    Endpoint::new("web-1", address.ip().to_string(), address.port())
}

pub(crate) fn credential() -> Credential {
    credential_with(USER, PASSWORD, None)
}

pub(crate) fn credential_with(username: &str, password: &str, transport: Option<&str>) -> Credential {
    Credential::Winrm {
        username: username.into(),
        password: Secret::from(password),
        domain: None,
        transport: transport.map(Into::into),
    }
}

pub(crate) fn control() -> Control {
    limited(Duration::from_secs(60))
}

pub(crate) fn limited(timeout: Duration) -> Control {
    Control { timeout, cancel: CancellationToken::new() }
}

pub(crate) async fn session(host: &WindowsHost) -> (WinrmConnector, Box<dyn Session>) {
    let connector = WinrmConnector::new();
    let session = connector.connect(&endpoint(host), &credential()).await.unwrap();
    (connector, session)
}

pub(crate) fn cmd(line: &str) -> ExecRequest {
    ExecRequest::new(Shell::Cmd, line)
}

pub(crate) fn powershell(script: &str) -> ExecRequest {
    ExecRequest::new(Shell::Powershell, script)
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit_code: i64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs one request that is expected to end.
pub(crate) async fn run(session: &mut dyn Session, request: ExecRequest) -> Said {
    let mut recorder = Recorder::default();
    let outcome = session.exec(request, &mut recorder, &control()).await.unwrap();
    assert_eq!(recorder.handles.len(), 1, "the dispatch is announced once");
    Said {
        exit_code: outcome.exit_code,
        stdout: String::from_utf8(recorder.stdout).unwrap(),
        stderr: String::from_utf8(recorder.stderr).unwrap(),
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) handles: Vec<RemoteHandle>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Told whenever something is said.
    pub(crate) heard: Arc<Notify>,
    /// Refuses the dispatch.
    pub(crate) refuse: bool,
    /// Names that replaced the first.
    pub(crate) renamed: Vec<RemoteHandle>,
    /// Why output may be missing.
    pub(crate) gaps: Vec<String>,
    /// Ends the call and leaves the command running.
    pub(crate) released: Option<CancellationToken>,
    /// Does so as soon as the command has its name.
    pub(crate) release_at_once: bool,
}

impl Recorder {
    /// One whose call can be told to leave its command running.
    pub(crate) fn releasable() -> (Self, CancellationToken) {
        let token = CancellationToken::new();
        (Self { released: Some(token.clone()), ..Self::default() }, token)
    }

    /// The last name of the command.
    pub(crate) fn handle(&self) -> &RemoteHandle {
        self.renamed.last().or(self.handles.last()).unwrap()
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}

#[async_trait]
impl Observer for Recorder {
    async fn dispatching(&mut self, handle: &RemoteHandle) -> Result<()> {
        self.handles.push(handle.clone());
        if self.refuse {
            return Err(Error::new(ErrorKind::LeaseLost, "someone else holds the task"));
        }
        if let Some(token) = self.released.as_ref().filter(|_| self.release_at_once) {
            token.cancel();
        }
        Ok(())
    }

    async fn dispatched(&mut self, handle: &RemoteHandle) -> Result<()> {
        self.renamed.push(handle.clone());
        Ok(())
    }

    async fn gap(&mut self, reason: &str) -> Result<()> {
        self.gaps.push(reason.to_owned());
        Ok(())
    }

    fn released(&self) -> Option<CancellationToken> {
        self.released.clone()
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        match stream {
            Stream::Stdout => self.stdout.extend_from_slice(&bytes),
            _ => self.stderr.extend_from_slice(&bytes),
        }
        self.heard.notify_one();
        Ok(())
    }
}

/// Waits, bounded, until what happens in the background has happened.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{what}");
}
