//! The way to a running command: a connection that is opened anew when it breaks, within bounds. Nothing is sent again
//! that may have been received and would act twice.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    connection::Connection,
    failure::Failure,
    host::Host,
    remote::Remote,
    soap::{Action, fault::code, reply::Output},
};
use crate::{
    Error, ErrorKind,
    transport::{Shell, timings::Timings},
};

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A connection to the host of a running command.
pub(super) struct Link {
    host: Arc<Host>,
    connection: Option<Connection>,
}

/// One answer to a request for output.
pub(super) struct Received {
    pub(super) output: Output,
    /// An earlier answer may have been lost.
    pub(super) missed: bool,
}

/// Why input was not taken.
pub(super) enum Unsent {
    /// The host refused it: the command may have ended.
    Refused(Failure),
    /// It may have been taken or not.
    Doubt(Failure),
    /// It was not taken: the host was not reached.
    Failed(Failure),
}

impl Unsent {
    pub(super) fn into_error(self, host: &Host) -> Error {
        match self {
            Self::Refused(failure) | Self::Doubt(failure) | Self::Failed(failure) => {
                failure.into_error(host, Action::Send)
            }
        }
    }
}

enum Trouble {
    /// No connection, or no logon.
    Open(Error),
    Call(Failure),
}

impl Trouble {
    fn into_failure(self) -> Failure {
        match self {
            Self::Open(error) => Failure::Refused(error),
            Self::Call(failure) => failure,
        }
    }
}

impl Link {
    pub(super) fn new(host: Arc<Host>, connection: Option<Connection>) -> Self {
        Self { host, connection }
    }

    /// The connection, if it can be used.
    pub(super) fn into_usable(self) -> Option<Connection> {
        self.connection.filter(Connection::is_usable)
    }

    /// The connection, opened if there is none.
    pub(super) async fn connection(&mut self) -> Result<&mut Connection, Error> {
        if !self.connection.as_ref().is_some_and(Connection::is_usable) {
            self.connection = None;
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            slot => Ok(slot.insert(Connection::open(&self.host, &mut Timings::default()).await?)),
        }
    }

    /// Waits for output as [`Connection::receive`] does, over as many connections as it takes.
    pub(super) async fn receive(
        &mut self,
        remote: &Remote,
        wait_max: Option<Duration>,
    ) -> Result<Received, Failure> {
        let mut patience = Patience::new(&self.host);
        let mut missed = false;
        loop {
            let result = match self.connection().await {
                Ok(connection) => {
                    let output = connection.receive(&remote.shell_id, &remote.command_id, wait_max).await;
                    output.map_err(Trouble::Call)
                }
                Err(error) => Err(Trouble::Open(error)),
            };
            match result {
                Ok(output) => return Ok(Received { output, missed }),
                Err(trouble) => {
                    // The host may have answered, and an answer is given once.
                    missed |= matches!(trouble, Trouble::Call(Failure::Broken(_)));
                    patience.bear(trouble).await?;
                }
            }
        }
    }

    /// Feeds standard input. What may have been taken is not sent again.
    pub(super) async fn send(&mut self, remote: &Remote, bytes: &[u8], end: bool) -> Result<(), Unsent> {
        let mut patience = Patience::new(&self.host);
        loop {
            let trouble = match self.send_once(remote, bytes, end).await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Call(failure @ Failure::Broken(_)) => return Err(Unsent::Doubt(failure)),
                Trouble::Call(Failure::Fault(fault)) if fault.is(code::ABORTED) => {
                    return Err(Unsent::Doubt(Failure::Fault(fault)));
                }
                Trouble::Call(Failure::Fault(fault)) if !fault.is(code::BUSY) => {
                    return Err(Unsent::Refused(Failure::Fault(fault)));
                }
                trouble => patience.bear(trouble).await.map_err(Unsent::Failed)?,
            }
        }
    }

    /// Sends what makes up the whole input. Where it is in doubt whether it arrived, the input is ended, if that settles
    /// the matter. Gives the refusal of a host that did not take it: the command may have ended, and its output tells.
    pub(super) async fn send_whole(
        &mut self,
        remote: &Remote,
        bytes: &[u8],
    ) -> Result<Option<Failure>, Unsent> {
        let settles = bytes.is_empty() || remote.interpreter == Shell::Powershell;
        let refusal = match self.send(remote, bytes, true).await {
            Ok(()) => return Ok(None),
            Err(Unsent::Refused(failure)) => Some(failure),
            Err(Unsent::Doubt(_)) if settles => None,
            Err(unsent) => return Err(unsent),
        };
        if settles {
            self.settle(remote).await.map_err(Unsent::Failed)?;
        }
        Ok(refusal)
    }

    /// Says that no more input comes, which may be said twice. A PowerShell that waits for its script then ends without
    /// having executed anything, and says so.
    pub(super) async fn settle(&mut self, remote: &Remote) -> Result<(), Failure> {
        let mut patience = Patience::new(&self.host);
        loop {
            match self.send_once(remote, &[], true).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Call(Failure::Fault(fault))) if !fault.is(code::BUSY) => return Ok(()),
                Err(trouble) => patience.bear(trouble).await?,
            }
        }
    }

    async fn send_once(&mut self, remote: &Remote, bytes: &[u8], end: bool) -> Result<(), Trouble> {
        let connection = self.connection().await.map_err(Trouble::Open)?;
        connection.send(&remote.shell_id, &remote.command_id, bytes, end).await.map_err(Trouble::Call)
    }
}

/// How much trouble in a row is borne, and with which pauses.
struct Patience {
    max: Duration,
    since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    fn new(host: &Host) -> Self {
        Self { max: host.settings.reconnect_max, since: None, pause: Duration::ZERO }
    }

    /// Waits a little before the next try; gives the trouble back when there is none to be had.
    async fn bear(&mut self, trouble: Trouble) -> Result<(), Failure> {
        let hopeless = match &trouble {
            // A refused logon is never tried again.
            Trouble::Open(error) => error.kind() != ErrorKind::Transport,
            // Nor is a request after it.
            Trouble::Call(Failure::Refused(error)) => error.kind() == ErrorKind::Auth,
            Trouble::Call(Failure::Fault(fault)) => !(fault.is(code::BUSY) || fault.is(code::ABORTED)),
            Trouble::Call(Failure::Broken(_)) => false,
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        if hopeless || since.elapsed() + self.pause > self.max {
            return Err(trouble.into_failure());
        }
        tracing::debug!(pause_ms = self.pause.as_millis(), "lost the way to a running command, trying again");
        sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(Duration::from_millis(100), PAUSE_MAX);
        Ok(())
    }
}
