//! Workers as people see them, and what a worker tells of itself.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Inner, Scoped, lease::Held};
use crate::{
    Result,
    auth::policy::{Action, Resource},
    id::WorkerId,
    store::{Heartbeat, Listing, Page, WorkerRecord},
    transport::STOP_GRACE,
};

/// After how many leases of silence a worker counts as gone.
const LEASES_SILENT: u32 = 3;

/// The longest name of a machine that is told.
const HOST_BYTES_MAX: usize = 255;

/// Calls on the workers of the deployment.
pub struct Workers<'a> {
    pub(super) at: &'a Scoped,
}

impl Workers<'_> {
    /// The workers of every process on this store, the newest first. One that has been silent for three leases is shown as
    /// gone, and no more after a day.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<WorkerRecord>> {
        self.at.authorize(Action::Read, Resource::Worker)?;
        self.at.inner.store.list_workers(page).await
    }
}

/// What a worker tells of itself with each heartbeat.
pub(super) struct Presence {
    inner: Arc<Inner>,
    held: Arc<Held>,
    closing: CancellationToken,
    told: Heartbeat,
}

impl Presence {
    pub(super) fn new(
        inner: Arc<Inner>,
        held: Arc<Held>,
        closing: CancellationToken,
        worker: WorkerId,
        (concurrency, lease_ttl): (usize, Duration),
    ) -> Self {
        let told = Heartbeat {
            worker,
            host: host(),
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            concurrency: u32::try_from(concurrency).unwrap_or(u32::MAX),
            running: 0,
            draining: false,
            gone_after: lease_ttl * LEASES_SILENT,
        };
        Self { inner, held, closing, told }
    }

    /// Tells how the worker stands, at once, with every heartbeat and when it begins to drain, and takes it off the list
    /// when it has ended. Apart from the leases: a store that is slow with this must not keep those from being renewed.
    pub(super) async fn keep(self, heartbeat: Duration, ended: CancellationToken) {
        let mut drains = false;
        loop {
            tokio::select! {
                () = self.tell() => {}
                () = ended.cancelled() => break,
            }
            tokio::select! {
                () = ended.cancelled() => break,
                () = self.closing.cancelled(), if !drains => drains = true,
                () = self.inner.clock.sleep(heartbeat) => {}
            }
        }
        self.sign_off().await;
    }

    /// Nothing depends on it, so a store that is away is no harm.
    async fn tell(&self) {
        let told = Heartbeat {
            // It also holds tasks that are over and whose ends are being written.
            running: u32::try_from(self.held.count()).unwrap_or(u32::MAX).min(self.told.concurrency),
            draining: self.closing.is_cancelled(),
            ..self.told.clone()
        };
        if let Err(error) = self.inner.store.beat(&told).await {
            tracing::debug!(error = %error.report(), "the worker's heartbeat was not written");
        }
    }

    /// Takes the worker off the list.
    async fn sign_off(&self) {
        tokio::select! {
            signed = self.inner.store.sign_off(self.told.worker) => if let Err(error) = signed {
                tracing::debug!(error = %error.report(), "the worker could not sign off; it will be seen as gone");
            },
            () = self.inner.clock.sleep(STOP_GRACE) => {}
        }
    }
}

/// What this machine calls itself.
fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    let mut host = told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    if let Some(host) = &mut host {
        host.truncate(host.floor_char_boundary(HOST_BYTES_MAX));
    }
    host.unwrap_or_else(|| "unknown".to_owned())
}
