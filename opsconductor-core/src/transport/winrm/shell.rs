//! A shell on a host, which is deleted whatever happens to its holder, if a command may still run in it.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{connection::Connection, host::Host, soap::Action};
use crate::{Result, transport::timings::Timings};

/// How long the deletion of a shell may take when nobody waits for it.
const BACKGROUND_DELETE: Duration = Duration::from_secs(15);

/// How often it is tried within that time, each time over a new connection.
const BACKGROUND_TRIES: u32 = 4;

/// How long it waits after the first try that failed; after the next ones two and three times as long.
const BACKGROUND_PAUSE: Duration = Duration::from_millis(250);

/// A shell on a host. Dropped without [`RemoteShell::forget`] while it is busy, it is deleted in the background over a
/// connection of its own, so that a future which is dropped half-way leaves nothing running. An idle one is left to the
/// host's idle time-out: it is not worth a logon.
pub(super) struct RemoteShell {
    pub(super) id: String,
    /// How many commands ran in it.
    pub(super) commands: u32,
    /// A command may still run in it, or the host still counts one as running.
    pub(super) busy: bool,
    host: Arc<Host>,
    tracker: TaskTracker,
    gone: bool,
}

impl RemoteShell {
    pub(super) fn new(id: String, host: Arc<Host>, tracker: TaskTracker) -> Self {
        Self { id, commands: 0, busy: false, host, tracker, gone: false }
    }

    /// Says that the host has no such shell any more.
    pub(super) fn forget(mut self) {
        self.gone = true;
    }
}

impl Drop for RemoteShell {
    fn drop(&mut self) {
        if self.gone || !self.busy {
            return;
        }
        if self.host.logon_refused() {
            let (target, shell) = (&self.host.target, &self.id);
            tracing::warn!(target, shell, "a shell is left behind: the host refuses the logon");
            return;
        }
        // Without a runtime nothing can be sent; the host deletes the shell after its idle time-out.
        if let Ok(runtime) = Handle::try_current() {
            let (id, host) = (std::mem::take(&mut self.id), Arc::clone(&self.host));
            self.tracker.spawn_on(delete_in_background(id, host), &runtime);
        }
    }
}

async fn delete_in_background(id: String, host: Arc<Host>) {
    let (target, shell) = (&host.target, &id);
    let work = async {
        let mut tries = 1;
        loop {
            match delete_once(shell, &host).await {
                // What broke one connection need not break the next one.
                Err(error) if tries < BACKGROUND_TRIES && !host.logon_refused() => {
                    tracing::debug!(
                        target,
                        shell,
                        error = error.report(),
                        "deleting an abandoned shell again"
                    );
                    sleep(BACKGROUND_PAUSE * tries).await;
                    tries += 1;
                }
                ended => return ended,
            }
        }
    };
    match timeout(BACKGROUND_DELETE, work).await {
        Ok(Ok(())) => tracing::debug!(target, shell, "deleted an abandoned shell"),
        Ok(Err(error)) => {
            tracing::warn!(target, shell, error = error.report(), "a shell may be left behind");
        }
        Err(_) => tracing::warn!(target, shell, "a shell may be left behind: no answer"),
    }
}

async fn delete_once(id: &str, host: &Arc<Host>) -> Result<()> {
    let mut connection = Connection::open(host, &mut Timings::default()).await?;
    connection.delete(id).await.map_err(|failure| failure.into_error(host, Action::Delete))
}
