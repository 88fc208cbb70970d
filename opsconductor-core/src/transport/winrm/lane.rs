//! A lane: what one session needs of a host at a time. One connection receives, a second one sends beside it when
//! there is much to send, and a shell runs one command after another.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{error::Elapsed, sleep, timeout},
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{
    connection::Connection,
    failure::Failure,
    host::Host,
    remote::Remote,
    shell::RemoteShell,
    soap::{Action, body::SignalCode, fault::code},
};
use crate::{Error, Result, error::Layer, transport::timings::Timings};

/// How long a shell's deletion may take while someone waits for it.
const DELETE: Duration = Duration::from_secs(5);

/// How long the last signal may take: the command has ended, and only the host's books are left to close.
const LAST_SIGNAL: Duration = Duration::from_secs(5);

/// How long the last signal is waited for at once.
const NEARBY: Duration = Duration::from_millis(2);

/// The first pause before a request is tried again for which the host had no room; each next one is twice as long.
const QUOTA_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Lane {
    pub(super) host: Arc<Host>,
    pub(super) primary: Option<Connection>,
    pub(super) secondary: Option<Connection>,
    pub(super) shell: Option<RemoteShell>,
    pub(super) tracker: TaskTracker,
    /// The last signal to a command that has ended, with the connection it goes over. Nobody need wait for its answer
    /// but the next request.
    signing_off: Option<JoinHandle<Result<(Connection, bool), Elapsed>>>,
}

impl Lane {
    pub(super) async fn open(host: Arc<Host>, tracker: TaskTracker, timings: &mut Timings) -> Result<Self> {
        let primary = Connection::open(&host, timings).await?;
        Ok(Self { host, primary: Some(primary), secondary: None, shell: None, tracker, signing_off: None })
    }

    /// The receiving connection, opened anew when the last one was left dirty or the host hung up.
    pub(super) async fn primary(&mut self) -> Result<&mut Connection> {
        self.signed_off().await;
        if !self.primary.as_ref().is_some_and(Connection::is_usable) {
            self.primary = None;
        }
        match &mut self.primary {
            Some(connection) => Ok(connection),
            slot => Ok(slot.insert(Connection::open(&self.host, &mut Timings::default()).await?)),
        }
    }

    /// Tells the host that nobody asks about a command any more, so that it forgets what it keeps of it. A host nearby has
    /// answered before a task that waits for it would have begun; for a distant one only the next request waits.
    pub(super) async fn sign_off(&mut self, remote: &Remote) {
        let Some(mut connection) = self.primary.take_if(|connection| connection.is_usable()) else { return };
        let (shell, command) = (remote.shell_id.clone(), remote.command_id.clone());
        let mut last = Box::pin(async move {
            let done = connection.signal(&shell, &command, SignalCode::Terminate).await.is_ok();
            (connection, done)
        });
        match timeout(NEARBY, &mut last).await {
            Ok((connection, done)) => self.take_back(connection, done),
            Err(_) => self.signing_off = Some(self.tracker.spawn(timeout(LAST_SIGNAL, last))),
        }
    }

    /// Waits until the host has answered the last signal, if one is under way.
    async fn signed_off(&mut self) {
        let Some(signing_off) = &mut self.signing_off else { return };
        let ended = signing_off.await;
        self.signing_off = None;
        // A connection on which there is no answer is not taken back.
        if let Ok(Ok((connection, done))) = ended {
            self.take_back(connection, done);
        }
    }

    /// Takes the connection back that the last signal went over; `done` when the host has heard it.
    fn take_back(&mut self, connection: Connection, done: bool) {
        self.primary = Some(connection);
        if let (true, Some(shell)) = (done, &mut self.shell) {
            shell.busy = false;
        }
    }

    /// The sending connection.
    pub(super) async fn secondary(&mut self) -> Result<()> {
        if !self.secondary.as_ref().is_some_and(Connection::is_usable) {
            self.secondary = None;
            self.secondary = Some(Connection::open(&self.host, &mut Timings::default()).await?);
        }
        Ok(())
    }

    /// Sees to it that a shell is there: the warm one, or a new one when that has run enough commands or a command of
    /// its own environment or directory is to run.
    pub(super) async fn ready_shell(
        &mut self,
        environment: &BTreeMap<String, String>,
        working_directory: Option<&str>,
    ) -> Result<()> {
        self.signed_off().await;
        let own = !environment.is_empty() || working_directory.is_some();
        let worn =
            |shell: &RemoteShell| shell.busy || shell.commands >= self.host.settings.commands_per_shell_max;
        if own || self.shell.as_ref().is_some_and(worn) {
            self.drop_shell().await;
        }
        if self.shell.is_none() {
            Box::pin(self.create_shell(environment, working_directory)).await?;
        }
        Ok(())
    }

    /// Opens a shell, waiting a few times when the host has no room for one.
    async fn create_shell(
        &mut self,
        environment: &BTreeMap<String, String>,
        directory: Option<&str>,
    ) -> Result<()> {
        let mut pause = QUOTA_PAUSE;
        let mut tries = 0;
        loop {
            self.primary().await?;
            let Some(connection) = self.primary.take() else { continue };
            let (connection, result) = self.create_once(connection, environment, directory).await?;
            self.primary = Some(connection);
            match result {
                Ok(shell) => {
                    self.shell = Some(shell);
                    return Ok(());
                }
                Err(Failure::Fault(fault))
                    if (fault.is_quota() || fault.is(code::ABORTED))
                        && tries < self.host.settings.quota_retries_max =>
                {
                    tries += 1;
                    tracing::debug!(
                        target = self.host.target,
                        code = fault.code,
                        "no room for a shell, waiting"
                    );
                    sleep(pause).await;
                    pause *= 2;
                }
                Err(failure) => return Err(failure.into_error(&self.host, Action::Create)),
            }
        }
    }

    /// One request for a shell, in a task of its own: when the caller goes away before the answer, the shell is made
    /// known all the same, and its drop deletes it.
    async fn create_once(
        &self,
        mut connection: Connection,
        environment: &BTreeMap<String, String>,
        directory: Option<&str>,
    ) -> Result<(Connection, Result<RemoteShell, Failure>)> {
        let (host, tracker) = (Arc::clone(&self.host), self.tracker.clone());
        let (environment, directory) = (environment.clone(), directory.map(str::to_owned));
        let task = self.tracker.spawn(async move {
            let asked = Uuid::now_v7().to_string().to_uppercase();
            let id = connection.create(&asked, &environment, directory.as_deref()).await;
            if let Err(Failure::Broken(_)) = id {
                // It may be there all the same. Its drop deletes it, by the name that we gave it.
                let mut doubtful = RemoteShell::new(asked, Arc::clone(&host), tracker.clone());
                doubtful.busy = true;
            }
            let shell = id.map(|id| RemoteShell::new(id, host, tracker));
            (connection, shell)
        });
        task.await.map_err(|error| {
            let message = "the task that opens a shell did not end well";
            self.host.about(Error::transport(Layer::Shell, message).with_source(error))
        })
    }

    /// Deletes the shell, if there is one. What cannot be deleted now is deleted in the background.
    pub(super) async fn drop_shell(&mut self) {
        self.signed_off().await;
        let Some(shell) = self.shell.take() else { return };
        let usable = self.primary.as_mut().filter(|connection| connection.is_usable());
        let Some(connection) = usable.or(self.secondary.as_mut().filter(|c| c.is_usable())) else { return };
        if let Ok(Ok(())) = timeout(DELETE, connection.delete(&shell.id)).await {
            shell.forget();
        }
    }

    /// Whether the next session can take over as it is.
    pub(super) fn is_clean(&self) -> bool {
        // What comes of a last signal that is under way is seen by whoever takes the lane.
        let signing_off = self.signing_off.is_some();
        (signing_off || self.primary.as_ref().is_some_and(Connection::is_usable))
            && !self.host.logon_refused()
            && (signing_off || !self.shell.as_ref().is_some_and(|shell| shell.busy))
    }

    /// Ends the lane in an orderly way. A logon of its own is worth only a shell in which a command may still run: an idle
    /// one goes by itself.
    pub(super) async fn close(mut self) -> Result<()> {
        self.signed_off().await;
        let usable = self.primary.as_ref().is_some_and(Connection::is_usable);
        let Some(shell) = self.shell.take_if(|shell| usable || shell.busy) else { return Ok(()) };
        let connection = self.primary().await?;
        let deleted = timeout(DELETE, connection.delete(&shell.id)).await;
        match deleted {
            Ok(Ok(())) => {
                shell.forget();
                Ok(())
            }
            Ok(Err(failure)) => Err(failure.into_error(&self.host, Action::Delete)),
            Err(_) => Err(self
                .host
                .about(Error::transport(Layer::Protocol, "the host did not delete the shell in time"))),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Some(mut shell) = self.shell.take() else { return };
        let (signing_off, connections) =
            (self.signing_off.take(), [self.primary.take(), self.secondary.take()]);
        let mut usable = connections.into_iter().flatten().find(Connection::is_usable);
        // Without a runtime nothing can be sent; the host deletes the shell after its idle time-out.
        let Ok(runtime) = Handle::try_current() else { return shell.forget() };
        let deletion = async move {
            if let Some(signing_off) = signing_off
                && let Ok(Ok((connection, done))) = signing_off.await
            {
                shell.busy &= !done;
                usable = Some(connection).filter(Connection::is_usable);
            }
            // Without a connection, the shell's own drop does what can be done.
            if let Some(mut connection) = usable
                && let Ok(Ok(())) = timeout(DELETE, connection.delete(&shell.id)).await
            {
                shell.forget();
            }
        };
        self.tracker.spawn_on(deletion, &runtime);
    }
}

/// Whether a command that met this fault in a warm shell may be started in a new one.
pub(super) fn wants_new_shell(failure: &Failure) -> bool {
    match failure {
        Failure::Fault(fault) => {
            fault.is_shell_gone()
                || fault.is(code::OPERATIONS_PER_USER)
                || fault.is(code::PROCESSES_PER_SHELL)
        }
        _ => false,
    }
}
