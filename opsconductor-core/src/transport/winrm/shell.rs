//! A shell on a host, which is deleted whatever happens to its holder, if a command may still run in it.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use super::{connection::Connection, host::Host};
use crate::transport::timings::Timings;

/// How long the deletion of a shell may take when nobody waits for it.
const BACKGROUND_DELETE: Duration = Duration::from_secs(15);

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
    let work = async {
        let mut connection = Connection::open(&host, &mut Timings::default()).await?;
        let deleted = connection.delete(&id).await;
        deleted.map_err(|failure| failure.into_error(&host, super::soap::Action::Delete))
    };
    match timeout(BACKGROUND_DELETE, work).await {
        Ok(Ok(())) => tracing::debug!(target = host.target, shell = id, "deleted an abandoned shell"),
        Ok(Err(error)) => {
            tracing::warn!(
                target = host.target,
                shell = id,
                error = error.report(),
                "a shell may be left behind"
            );
        }
        Err(_) => tracing::warn!(target = host.target, shell = id, "a shell may be left behind: no answer"),
    }
}
