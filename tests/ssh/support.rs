//! Connectors, sessions and observers for the cases.

use std::time::Duration;

use opsconductor_core::{
    Error, Result,
    testing::transport::Recorder,
    transport::{
        Connector, Control, Endpoint, ExecOutcome, ExecRequest, Session, Shell,
        ssh::{HostKeyPolicy, SshConnector, SshSettings},
    },
    vault::credential::Credential,
};
use tokio_util::sync::CancellationToken;

pub(crate) fn control() -> Control {
    Control { timeout: Duration::from_secs(60), cancel: CancellationToken::new() }
}

pub(crate) fn connector() -> SshConnector {
    SshConnector::new().unwrap()
}

/// A connector that knows the hosts of one file.
pub(crate) fn knowing(path: &std::path::Path, policy: HostKeyPolicy) -> SshConnector {
    let mut settings = SshSettings::default();
    settings.known_hosts = vec![path.to_owned()];
    settings.host_keys = policy;
    SshConnector::builder().with_settings(settings).build().unwrap()
}

pub(crate) fn sh(script: &str) -> ExecRequest {
    ExecRequest::new(Shell::Sh, script)
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) outcome: ExecOutcome,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) async fn run(session: &mut dyn Session, request: ExecRequest) -> Result<Said> {
    let recorder = Recorder::default();
    let outcome = session.exec(request, &mut recorder.clone(), &control()).await?;
    Ok(Said { outcome, stdout: recorder.stdout(), stderr: recorder.stderr() })
}

/// Connects and says who it is.
pub(crate) async fn whoami(
    connector: &SshConnector,
    endpoint: &Endpoint,
    credential: &Credential,
) -> Result<String> {
    let mut session = connector.connect(endpoint, credential).await?;
    Ok(run(&mut *session, sh("id -un")).await?.stdout.trim().to_owned())
}

/// The error of a connection that must not come about.
pub(crate) async fn refused(connector: &SshConnector, endpoint: &Endpoint, credential: &Credential) -> Error {
    connector.connect(endpoint, credential).await.err().expect("a refusal")
}
