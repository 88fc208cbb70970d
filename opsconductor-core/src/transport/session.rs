//! The traits that a transport implements, and what goes through them.

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{CopyOutcome, CopyRequest, Endpoint, FetchOutcome, FetchRequest, HttpAnswer, HttpCall, Protocol};
use crate::{Error, Result, error::Layer, vault::credential::Credential};

/// How long a connector may take to stop a remote command after a cancel or a time-out.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// What a connector can do beyond running a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`Session::copy`] works.
    pub copy: bool,
    /// [`Session::fetch`] works.
    pub fetch: bool,
    /// [`Session::reattach`] works.
    pub reattach: bool,
    /// [`ExecRequest::stdin`] reaches the command.
    pub stdin: bool,
    /// [`ExecRequest::env`] and [`ExecRequest::working_directory`] reach the command.
    pub environment: bool,
    /// Output comes while the command runs, not only at its end.
    pub streaming: bool,
    /// A cancel and a time-out stop the remote command. Without it they only end the call, and the outcome is unknown.
    pub stop: bool,
}

impl Capabilities {
    /// Everything that this version of the seam knows.
    pub fn all() -> Self {
        Self {
            copy: true,
            fetch: true,
            reattach: true,
            stdin: true,
            environment: true,
            streaming: true,
            stop: true,
        }
    }
}

/// Speaks one protocol.
#[async_trait]
pub trait Connector: Send + Sync + fmt::Debug {
    /// The protocol it speaks.
    fn protocol(&self) -> Protocol;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Opens an authenticated session.
    ///
    /// # Errors
    ///
    /// `Transport` with the layer that failed, within [`Endpoint::connect_timeout`]; `Auth` when the host refuses
    /// the credential, after one attempt; `InvalidInput` for metadata or a credential it cannot use.
    async fn connect(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>>;

    /// The same for a target that has no credential.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`]; `InvalidInput` where the protocol needs a credential, as most do.
    async fn connect_without_credential(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>> {
        Err(needs_credential(endpoint))
    }

    /// Really connects, asks the host who it is, and says which layer failed if one did.
    async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport;

    /// The same for a target that has no credential.
    async fn probe_without_credential(&self, endpoint: &Endpoint) -> ProbeReport {
        ProbeReport::failed(&needs_credential(endpoint), ProbeDetails::default())
    }

    /// Frees what `handle` names on the host (its shell, and whatever still runs in it), as well as can be done within the
    /// time that reaching the host may take. Called in the background for a command that nobody will attend to any more;
    /// what cannot be done is left to the host.
    async fn abandon(&self, endpoint: &Endpoint, credential: &Credential, handle: &RemoteHandle) {
        let _ = (endpoint, credential, handle);
    }

    /// Ends what the connector keeps warm (connections, remote shells) and waits, bounded, until that is done. Called
    /// once, when no session is in use any more. A connector that keeps nothing has nothing to do.
    async fn shutdown(&self) {}
}

fn needs_credential(endpoint: &Endpoint) -> Error {
    let message = "the target has no credential; set `credential_ref`";
    Error::new(crate::ErrorKind::InvalidInput, message).with("target", &endpoint.target)
}

/// An authenticated conversation with one host.
#[async_trait]
pub trait Session: Send {
    /// Runs one command and gives its output to `observer` as it comes, in order per stream.
    ///
    /// # Errors
    ///
    /// `Timeout` and `Canceled` once the remote command has been stopped; whatever [`Observer`] returns;
    /// `Transport` with the layer. After the dispatch each of them says whether the outcome is unknown.
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome>;

    /// Writes files, each verified and atomically: a destination has the old content or the new, never a part.
    ///
    /// # Errors
    ///
    /// As [`Session::exec`]; `Conflict` when the file exists and `overwrite` is false, nothing touched;
    /// `Unsupported` without [`Capabilities::copy`].
    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<CopyOutcome>;

    /// Brings one file of the host to this machine, verified and atomically.
    ///
    /// # Errors
    ///
    /// As [`Session::exec`]; `NotFound` when the host has no such file; `Conflict` when there is a local file and
    /// `overwrite` is false, nothing touched; `InvalidInput` when it is larger than the request allows;
    /// `Unsupported` without [`Capabilities::fetch`].
    async fn fetch(
        &mut self,
        request: FetchRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<FetchOutcome> {
        let _ = (request, observer, control);
        Err(Error::new(crate::ErrorKind::Unsupported, "this transport cannot bring files"))
    }

    /// Sends one request and gives the text of its answer to `observer` as it comes, as standard output. Whatever the status
    /// is, it is a result.
    ///
    /// # Errors
    ///
    /// As [`Session::exec`]; `InvalidInput` for a call that cannot be sent; `Unsupported` where the protocol is not HTTP.
    async fn request(
        &mut self,
        call: HttpCall,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<HttpAnswer> {
        let _ = (call, observer, control);
        Err(Error::new(crate::ErrorKind::Unsupported, "this transport sends no requests"))
    }

    /// Goes on receiving from a command that another worker dispatched, and frees what it held on the host once it has
    /// ended. What the other worker had been told and may not have stored is announced by [`Observer::gap`].
    ///
    /// # Errors
    ///
    /// As [`Session::exec`]; `NotFound` when the host no longer knows the command; `Unsupported` without
    /// [`Capabilities::reattach`]. An error that [can be retried](Error::is_retryable) says that the command has not been
    /// executed and never will be under this handle; any other, unless it says that the command was stopped, says that the
    /// outcome is unknown.
    async fn reattach(
        &mut self,
        handle: &RemoteHandle,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let _ = (handle, observer, control);
        Err(Error::new(crate::ErrorKind::Unsupported, "this transport cannot reattach to a running command"))
    }

    /// Ends the session and what it has open on the host. A session that is dropped instead may be kept warm for the next
    /// one with the same host and credential, until [`Connector::shutdown`].
    ///
    /// # Errors
    ///
    /// `Transport` when the host could not be told; nothing is left to do about it.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// Limits on one remote call.
#[derive(Debug, Clone)]
pub struct Control {
    /// The longest the call may take, connecting not included.
    pub timeout: Duration,
    /// Cancel stops the remote command.
    pub cancel: CancellationToken,
}

/// What the caller of a remote call is told while it runs.
#[async_trait]
pub trait Observer: Send {
    /// Called once, when the remote side can be named and before anything that could act is sent. The handle is what
    /// [`Session::reattach`] needs. An error stops the call and nothing is sent.
    async fn dispatching(&mut self, handle: &RemoteHandle) -> Result<()>;

    /// The remote side goes by another name from now on: `handle` replaces the one that was given before. An error stops
    /// the call.
    async fn dispatched(&mut self, handle: &RemoteHandle) -> Result<()> {
        let _ = handle;
        Ok(())
    }

    /// A piece of output, split anywhere. Waiting here holds the remote side back.
    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()>;

    /// Output of either stream may be missing at this place, because of `reason`. What comes next may begin anywhere.
    async fn gap(&mut self, reason: &str) -> Result<()> {
        let _ = reason;
        Ok(())
    }

    /// Asked once, at the start. When the token is canceled, the call ends and leaves the command running, for another
    /// worker will [reattach](Session::reattach) to it. A transport that cannot reattach need not ask.
    fn released(&self) -> Option<CancellationToken> {
        None
    }
}

/// The name of a running remote command, as its transport understands it. It holds no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteHandle(pub BTreeMap<String, String>);

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The name as it stands in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What runs the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Shell {
    /// Windows PowerShell.
    Powershell,
    /// cmd.exe.
    Cmd,
    /// The POSIX shell, `/bin/sh`.
    Sh,
}

impl Shell {
    /// The name as it stands in a job definition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Powershell => "powershell",
            Self::Cmd => "cmd",
            Self::Sh => "sh",
        }
    }
}

/// One command.
#[derive(Clone)]
pub struct ExecRequest {
    /// What runs it.
    pub shell: Shell,
    /// The command or script, rendered. It may hold what a template put in, so it is not part of `Debug`.
    pub script: String,
    /// Standard input; the command sees end of file after it.
    pub stdin: Option<Bytes>,
    /// Environment variables of this command alone.
    pub env: BTreeMap<String, String>,
    /// The directory to start in.
    pub working_directory: Option<String>,
    /// As whom the command runs, through `sudo`; as the session's own user when it is not said.
    pub sudo: Option<Sudo>,
}

/// Another user to run a command as. The session's credential has the password that `sudo` may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sudo {
    /// The user; `root` when it is not said.
    pub user: Option<String>,
}

impl Sudo {
    /// The user `user`.
    pub fn user(user: impl Into<String>) -> Self {
        Self { user: Some(user.into()) }
    }
}

impl ExecRequest {
    /// A command without input, environment or directory.
    pub fn new(shell: Shell, script: impl Into<String>) -> Self {
        Self {
            shell,
            script: script.into(),
            stdin: None,
            env: BTreeMap::new(),
            working_directory: None,
            sudo: None,
        }
    }
}

impl fmt::Debug for ExecRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRequest")
            .field("shell", &self.shell)
            .field("script_len", &self.script.len())
            .field("stdin_len", &self.stdin.as_ref().map(Bytes::len))
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("working_directory", &self.working_directory)
            .field("sudo", &self.sudo)
            .finish()
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutcome {
    /// The exit code as the process gave it; Windows codes keep their 32 bits.
    pub exit_code: i64,
    /// The signal that ended the process, such as `KILL`, where the transport knows of signals. The exit code is then the
    /// one a shell would give: 128 and the signal's number.
    pub signal: Option<String>,
}

impl ExecOutcome {
    /// A command that ended with `exit_code`.
    pub fn new(exit_code: i64) -> Self {
        Self { exit_code, signal: None }
    }

    /// The same, ended by a signal.
    #[must_use]
    pub fn with_signal(mut self, signal: impl Into<String>) -> Self {
        self.signal = Some(signal.into());
        self
    }
}

/// What [`Connector::probe`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ProbeReport {
    /// Whether everything worked.
    pub ok: bool,
    /// The layer that failed.
    pub layer: Option<Layer>,
    /// A sentence: what was found, or what failed and what to look at.
    pub message: String,
    /// What the host said of itself, and how long each layer took.
    pub details: ProbeDetails,
}

/// What a probe learned, as far as it got.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProbeDetails {
    /// Who the host says we are.
    pub whoami: Option<String>,
    /// The version of PowerShell on the host.
    pub powershell_version: Option<String>,
    /// The name the host gives itself.
    pub hostname: Option<String>,
    /// The port that was used.
    pub port: u16,
    /// Who made the software that answers, as it says itself.
    pub product_vendor: Option<String>,
    /// Its version, as it says itself; Windows gives that of the operating system.
    pub product_version: Option<String>,
    /// How the conversation was authenticated and protected, such as `ntlm over http, sealed`.
    pub transport: Option<String>,
    /// Milliseconds per layer, in the order they were passed.
    pub timings_ms: Vec<(String, f64)>,
}

impl ProbeReport {
    /// A host that answered.
    pub fn reached(message: impl Into<String>, details: ProbeDetails) -> Self {
        Self { ok: true, layer: None, message: message.into(), details }
    }

    /// A host that could not be used, because of `error`.
    pub fn failed(error: &Error, details: ProbeDetails) -> Self {
        Self { ok: false, layer: error.layer(), message: error.report(), details }
    }
}
