//! A lane: what one session needs of a host at a time. One connection receives, a second one sends beside it when
//! there is much to send, and a shell runs one command after another.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::{
    connection::{Connection, Failure},
    dial::Timings,
    host::Host,
    shell::RemoteShell,
    soap::{Action, fault::code},
};
use crate::{Error, Result, error::Layer};

/// How long a shell's deletion may take while someone waits for it.
const DELETE: Duration = Duration::from_secs(5);

/// The first pause before a request is tried again for which the host had no room; each next one is twice as long.
const QUOTA_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Lane {
    pub(super) host: Arc<Host>,
    pub(super) primary: Option<Connection>,
    pub(super) secondary: Option<Connection>,
    pub(super) shell: Option<RemoteShell>,
    pub(super) tracker: TaskTracker,
}

impl Lane {
    pub(super) async fn open(host: Arc<Host>, tracker: TaskTracker, timings: &mut Timings) -> Result<Self> {
        let primary = Connection::open(&host, timings).await?;
        Ok(Self { host, primary: Some(primary), secondary: None, shell: None, tracker })
    }

    /// The receiving connection, opened anew when the last one was left dirty or the host hung up.
    pub(super) async fn primary(&mut self) -> Result<&mut Connection> {
        if !self.primary.as_ref().is_some_and(Connection::is_usable) {
            self.primary = None;
        }
        match &mut self.primary {
            Some(connection) => Ok(connection),
            slot => Ok(slot.insert(Connection::open(&self.host, &mut Timings::default()).await?)),
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
        let own = !environment.is_empty() || working_directory.is_some();
        let worn =
            |shell: &RemoteShell| shell.busy || shell.commands >= self.host.settings.commands_per_shell_max;
        if own || self.shell.as_ref().is_some_and(worn) {
            self.drop_shell().await;
        }
        if self.shell.is_none() {
            self.create_shell(environment, working_directory).await?;
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
                    if fault.is_quota() && tries < self.host.settings.quota_retries_max =>
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
            let id = connection.create(&environment, directory.as_deref()).await;
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
        let Some(shell) = self.shell.take() else { return };
        let usable = self.primary.as_mut().filter(|connection| connection.is_usable());
        let Some(connection) = usable.or(self.secondary.as_mut().filter(|c| c.is_usable())) else { return };
        if let Ok(Ok(())) = timeout(DELETE, connection.delete(&shell.id)).await {
            shell.forget();
        }
    }

    /// Whether the next session can take over as it is.
    pub(super) fn is_clean(&self) -> bool {
        self.primary.as_ref().is_some_and(Connection::is_usable)
            && !self.host.logon_refused()
            && !self.shell.as_ref().is_some_and(|shell| shell.busy)
    }

    /// Ends the lane in an orderly way.
    pub(super) async fn close(mut self) -> Result<()> {
        let Some(shell) = self.shell.take() else { return Ok(()) };
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

/// Whether a command that met this fault in a warm shell may be started in a new one.
pub(super) fn wants_new_shell(failure: &Failure) -> bool {
    match failure {
        Failure::Fault(fault) => fault.is_shell_gone() || fault.is(code::OPERATIONS_PER_USER),
        _ => false,
    }
}
