//! [`Fixture`]: a host and a connector under test, with the calls that most cases make.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Dialect, HostFiles, Recorder, Running, TestHost, TransportBuilder};
use crate::{
    Error, ErrorKind, Result,
    transport::{
        Capabilities, Connector, Control, Endpoint, ExecOutcome, ExecRequest, ProbeReport, STOP_GRACE,
        Session,
    },
    vault::credential::Credential,
};

/// How long a case may take; longer means that something waits without a limit.
const CASE: Duration = Duration::from_secs(600);

/// What a busy machine may add to the time in which a command stops.
const STOP_LEEWAY: Duration = Duration::from_secs(2);

/// What it may add to the limit of a connection.
const LATE: Duration = Duration::from_secs(3);

/// A host and a connector under test.
#[derive(Debug)]
pub struct Fixture {
    /// The host.
    pub host: Arc<dyn TestHost>,
    /// The connector.
    pub connector: Arc<dyn Connector>,
    names: AtomicU32,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub exit_code: i64,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Fixture {
    /// A fresh host and a fresh connector.
    pub async fn start(builder: &dyn TransportBuilder) -> Self {
        let host = builder.start().await;
        Self { connector: host.connector(), host, names: AtomicU32::new(0) }
    }

    /// Runs one case on a fresh host, within a limit.
    pub async fn run<F: Future<Output = ()>>(builder: &dyn TransportBuilder, case: impl FnOnce(Self) -> F) {
        let fixture = Self::start(builder).await;
        assert!(timeout(CASE, case(fixture)).await.is_ok(), "a call has no limit: the case took {CASE:?}");
    }

    /// How long a case waits for what should come soon.
    pub fn patience(&self) -> Duration {
        self.host.leeway()
    }

    /// How long a call may take to return after it was told to stop: the promise, and a little for a busy machine.
    pub fn stopped_within() -> Duration {
        STOP_GRACE + STOP_LEEWAY
    }

    /// How much later than its limit a call may return on a busy machine.
    pub fn late() -> Duration {
        LATE
    }

    /// What the connector says it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.connector.capabilities()
    }

    /// What commands are written in.
    pub fn dialects(&self) -> Vec<Arc<dyn Dialect>> {
        let dialects = self.host.dialects();
        assert!(!dialects.is_empty(), "the host understands some dialect");
        dialects
    }

    /// What a case uses that needs only one.
    pub fn dialect(&self) -> Arc<dyn Dialect> {
        self.dialects().remove(0)
    }

    /// The host's files, when they can be seen.
    pub fn files(&self) -> Option<&dyn HostFiles> {
        self.host.files()
    }

    /// The path on the host of a file that is not there yet and that a command can make.
    pub fn fresh(&self, dialect: &dyn Dialect) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        dialect.path(&format!("suite-{}-{number}.txt", Uuid::now_v7().simple()))
    }

    /// A limit that nothing reaches which ends by itself, and nothing that cancels.
    pub fn control() -> Control {
        Control { timeout: Duration::from_secs(240), cancel: CancellationToken::new() }
    }

    /// A command of several parts.
    pub fn request(dialect: &dyn Dialect, parts: &[String]) -> ExecRequest {
        ExecRequest::new(dialect.shell(), dialect.join(parts))
    }

    /// A session that has to come about.
    pub async fn session(&self) -> Box<dyn Session> {
        self.session_through(&*self.connector).await
    }

    /// The same through another connector.
    pub async fn session_through(&self, connector: &dyn Connector) -> Box<dyn Session> {
        let (endpoint, credential) = (self.host.endpoint(), self.host.credential());
        match connector.connect(&endpoint, &credential).await {
            Ok(session) => session,
            Err(error) => panic!("the host is there and the credential is right, yet: {error:?}"),
        }
    }

    /// The error of a connection that must not come about.
    pub async fn refused(&self, endpoint: &Endpoint, credential: &Credential) -> Error {
        let limit = endpoint.connect_timeout + Self::late();
        match timeout(limit, self.connector.connect(endpoint, credential)).await {
            Ok(Ok(_)) => panic!("a session was opened where there is nothing to open"),
            Ok(Err(error)) => error,
            Err(_) => {
                panic!("connecting may take {:?}, and goes on after {limit:?}", endpoint.connect_timeout)
            }
        }
    }

    /// What a probe finds, within the limit.
    pub async fn probe(&self, endpoint: &Endpoint, credential: &Credential) -> ProbeReport {
        // A probe of a host that answers also runs something there.
        let limit = endpoint.connect_timeout + self.patience();
        match timeout(limit, self.connector.probe(endpoint, credential)).await {
            Ok(report) => report,
            Err(_) => panic!("the probe goes on after {limit:?}"),
        }
    }

    /// Runs a command, whatever comes of it.
    pub async fn exec(
        &self,
        session: &mut dyn Session,
        request: ExecRequest,
        recorder: &Recorder,
    ) -> Result<ExecOutcome> {
        session.exec(request, &mut recorder.clone(), &Self::control()).await
    }

    /// Runs a command that has to end, and says what it said.
    pub async fn say(&self, session: &mut dyn Session, request: ExecRequest) -> Said {
        let recorder = Recorder::default();
        let shell = request.shell.as_str();
        let outcome = match self.exec(session, request, &recorder).await {
            Ok(outcome) => outcome,
            Err(error) => panic!("{shell}: the command should end by itself, yet: {error:?}"),
        };
        Said { exit_code: outcome.exit_code, stdout: recorder.stdout(), stderr: recorder.stderr() }
    }

    /// Runs a command that must fail.
    pub async fn fail(&self, session: &mut dyn Session, request: ExecRequest, recorder: &Recorder) -> Error {
        match self.exec(session, request, recorder).await {
            Ok(outcome) => panic!("the call should fail, and ended with {outcome:?}"),
            Err(error) => error,
        }
    }

    /// Starts a command on a session of its own.
    pub async fn begin(&self, request: ExecRequest, recorder: &Recorder) -> Running {
        self.start_on(self.session().await, request, recorder, Self::control().timeout)
    }

    /// Starts a command that may take `limit` on a session that is there.
    pub fn start_on(
        &self,
        session: Box<dyn Session>,
        request: ExecRequest,
        recorder: &Recorder,
        limit: Duration,
    ) -> Running {
        Running::start(session, request, recorder, limit, self.patience())
    }

    /// A command that says `ready`, does nothing for long, and then writes to `mark`.
    pub fn long(&self, dialect: &dyn Dialect, mark: &str) -> ExecRequest {
        // Whoever cannot see the host's processes has to wait for the mark that must not come.
        let time = match self.host.commands_running() {
            Some(_) => Duration::from_secs(300),
            None => Self::stopped_within() + Duration::from_secs(2),
        };
        let parts = [dialect.print("ready"), dialect.wait(time), dialect.append(mark, "went on")];
        Self::request(dialect, &parts)
    }

    /// How many lines a file of the host has, asked with a command of its own.
    pub async fn lines(&self, dialect: &dyn Dialect, path: &str) -> usize {
        let mut session = self.session().await;
        let said = self.say(&mut *session, Self::request(dialect, &[dialect.show(path)])).await;
        said.stdout.lines().count()
    }

    /// Makes a file on the host that [`Dialect::wait_for`] finds.
    pub async fn open(&self, dialect: &dyn Dialect, gate: &str) {
        let mut session = self.session().await;
        self.say(&mut *session, Self::request(dialect, &[dialect.append(gate, "open")])).await;
    }

    /// Checks that the command of [`Fixture::long`] has been stopped, `since` which it may take a while.
    pub async fn stopped(&self, dialect: &dyn Dialect, mark: &str, since: Instant, what: &str) {
        let shell = dialect.shell().as_str();
        if self.host.commands_running().is_some() {
            let gone = || self.host.commands_running() == Some(0);
            let left = Self::stopped_within().saturating_sub(since.elapsed());
            assert!(eventually(left, gone).await, "{shell}: after {what} the remote command goes on");
        } else {
            sleep((Self::stopped_within() + Duration::from_secs(4)).saturating_sub(since.elapsed())).await;
        }
        let marks = self.lines(dialect, mark).await;
        assert_eq!(marks, 0, "{shell}: after {what} the remote command went on");
    }

    /// Ends the connector and checks that nothing stays open on the host.
    pub async fn nothing_left(&self, what: &str) {
        self.connector.shutdown().await;
        if self.host.sessions_open().is_some() {
            let closed = || self.host.sessions_open() == Some(0);
            let left = self.host.sessions_open();
            assert!(eventually(STOP_GRACE, closed).await, "{what} leaves {left:?} open on the host");
        }
    }

    /// Checks that an error about an undeclared capability says so, and that nothing was sent for it.
    pub fn unsupported<T>(&self, result: Result<T>, recorder: &Recorder, started: Option<u64>, what: &str) {
        let error = match result {
            Ok(_) => panic!("{what} is no declared capability, and the call succeeded"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{what} is no declared capability: {error:?}");
        assert!(recorder.heard().handles.is_empty(), "{what}: something was announced before the refusal");
        assert_eq!(self.host.commands_started(), started, "{what}: something was started in spite of it");
    }

    /// Checks that a text shows neither of the two passwords.
    pub fn keeps_secrets(&self, text: &str, what: &str) {
        for credential in [self.host.credential(), self.host.wrong_credential()] {
            for secret in credential.secrets() {
                let secret = secret.expose().as_str();
                assert!(secret.len() > 3, "a password of the host is too short to be looked for");
                assert!(!text.contains(secret), "{what} shows a password");
            }
        }
    }

    /// Everything that an error shows.
    pub fn shown(error: &Error) -> String {
        format!("{error} {error:?} {}", error.report())
    }
}

/// Looks again and again until something holds; `false` when it does not within `limit`.
pub(super) async fn eventually(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let look = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    holds() || timeout(limit, look).await.is_ok()
}
