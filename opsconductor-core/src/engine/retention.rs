//! The cleaner: removes runs and former versions of credentials that are not kept, and looks which credentials expire.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Inner, expiry};
use crate::{Result, store::Keep};

/// How many runs go in one transaction.
const BATCH_MAX: usize = 100;

/// Between two batches, so that whoever works on the store comes between.
const BREATH: Duration = Duration::from_millis(20);

/// Cleans once per interval until `ended`.
pub(super) async fn watch(inner: Arc<Inner>, interval: Duration, ended: CancellationToken) {
    let keep = inner.keep;
    loop {
        match remove_all(&inner, &keep, &ended).await {
            Ok(0) => {}
            Ok(runs) => tracing::info!(runs, "old runs were removed"),
            Err(error) => tracing::warn!(error = %error.report(), "old runs could not be removed"),
        }
        match remove_versions(&inner, &ended).await {
            Ok(0) => {}
            Ok(versions) => tracing::info!(versions, "former versions of credentials were removed"),
            Err(error) => {
                tracing::warn!(error = %error.report(), "former versions of credentials could not be removed");
            }
        }
        match remove_notifications(&inner, &ended).await {
            Ok(0) => {}
            Ok(notifications) => tracing::info!(notifications, "old notifications were removed"),
            Err(error) => tracing::warn!(error = %error.report(), "old notifications could not be removed"),
        }
        if let Err(error) = expiry::warn(&inner).await {
            tracing::warn!(error = %error.report(), "which credentials expire could not be seen");
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = inner.clock.sleep(interval) => {}
        }
    }
}

/// The same for former versions of credentials.
async fn remove_versions(inner: &Inner, ended: &CancellationToken) -> Result<u64> {
    let mut removed = 0;
    while !ended.is_cancelled() {
        match inner.store.remove_versions(inner.keep_versions, BATCH_MAX).await? {
            0 => break,
            some => removed += some,
        }
        inner.clock.sleep(BREATH).await;
    }
    Ok(removed)
}

/// The same for notifications that were sent or given up.
async fn remove_notifications(inner: &Inner, ended: &CancellationToken) -> Result<u64> {
    let mut removed = 0;
    while !ended.is_cancelled() {
        match inner.store.remove_notifications(inner.notifiers.keep, BATCH_MAX).await? {
            0 => break,
            some => removed += some,
        }
        inner.clock.sleep(BREATH).await;
    }
    Ok(removed)
}

/// Removes batch after batch until none is left to go.
pub(super) async fn remove_all(inner: &Inner, keep: &Keep, ended: &CancellationToken) -> Result<u64> {
    let mut removed = 0;
    while !keep.is_all() && !ended.is_cancelled() {
        match inner.store.remove_runs(keep, BATCH_MAX).await? {
            0 => break,
            some => removed += some,
        }
        inner.clock.sleep(BREATH).await;
    }
    Ok(removed)
}
