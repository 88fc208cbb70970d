//! Stopping a remote command: asked nicely, then ended, then its shell deleted, all within the time that a caller
//! is promised.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{connection::Connection, host::Host, lane::Lane, soap::body::SignalCode};
use crate::{
    Error,
    transport::{STOP_GRACE, timings::Timings},
};

/// All of it together; less than [`STOP_GRACE`], for the caller has things to do as well.
const WHOLE: Duration = STOP_GRACE.saturating_sub(Duration::from_millis(500));

/// How long a command may take to end of itself after Ctrl+C.
const GRACE: Duration = Duration::from_millis(1500);

/// How long the host may take to answer a signal.
const SIGNAL: Duration = Duration::from_secs(1);

/// Whether a command is known to run no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    Yes,
    Unknown,
}

impl Stopped {
    /// An error about a command that could not be stopped says that its outcome is unknown.
    pub(super) fn judge(self, error: Error) -> Error {
        match self {
            Self::Yes => error,
            Self::Unknown => error.with_outcome_unknown(),
        }
    }
}

/// Stops a command while `receive` still takes its last words, and deletes its shell. Gives the connection back that
/// was used for it.
pub(super) async fn stop(
    host: &Arc<Host>,
    connection: Option<Connection>,
    shell: &str,
    command: &str,
    receive: Pin<&mut impl Future>,
) -> (Stopped, Option<Connection>) {
    let work = async {
        let mut connection = match connection {
            Some(connection) => connection,
            None => Connection::open(host, &mut Timings::default()).await.ok()?,
        };
        let asked = timeout(SIGNAL, connection.signal(shell, command, SignalCode::CtrlC)).await;
        let ended = asked.is_ok() && timeout(GRACE, receive).await.is_ok();
        if !connection.is_usable() {
            connection = Connection::open(host, &mut Timings::default()).await.ok()?;
        }
        if !ended {
            // Deleting the shell ends the command as well, so a signal that fails is no reason to give up.
            let _ = timeout(SIGNAL, connection.signal(shell, command, SignalCode::Terminate)).await;
            if !connection.is_usable() {
                connection = Connection::open(host, &mut Timings::default()).await.ok()?;
            }
        }
        connection.delete(shell).await.ok()?;
        Some(connection)
    };
    match timeout(WHOLE, work).await {
        Ok(Some(connection)) => (Stopped::Yes, Some(connection)),
        _ => (Stopped::Unknown, None),
    }
}

/// Deletes the lane's shell with whatever runs in it, without further ado.
pub(super) async fn delete_only(lane: &mut Lane) -> Stopped {
    let Some(shell) = lane.shell.take() else { return Stopped::Yes };
    let work = async {
        let connection = lane.primary().await.ok()?;
        connection.delete(&shell.id).await.ok()
    };
    match timeout(WHOLE, work).await {
        Ok(Some(())) => {
            shell.forget();
            Stopped::Yes
        }
        // Its drop tries once more in the background.
        _ => Stopped::Unknown,
    }
}
