//! The sequencer: gives staged entries of the audit record their places, and events their numbers in the tenant.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::{
    Result,
    store::{NUMBER_BATCH, audit::SEQUENCE_BATCH},
};

/// How long an entry waits for its place at most, while a worker runs anywhere and keeps up.
pub(super) const SEQUENCE_EVERY: Duration = Duration::from_millis(500);

/// The most batches in a row, so that whoever waits for all comes back though others go on staging.
const BATCHES_MAX: usize = 10_000;

/// Chains what is staged until `ended`, and what was staged before then.
pub(super) async fn watch(inner: Arc<Inner>, ended: CancellationToken) {
    loop {
        let closing = ended.is_cancelled();
        if let Err(error) = chain_all(&inner).await {
            tracing::warn!(error = %error.report(), "audit records could not be chained; they wait");
        }
        if let Err(error) = number_all(&inner).await {
            tracing::warn!(error = %error.report(), "events could not be numbered; they wait");
        }
        if closing {
            return;
        }
        tokio::select! {
            () = ended.cancelled() => {}
            () = inner.clock.sleep(SEQUENCE_EVERY) => {}
        }
    }
}

/// Chains what is staged.
pub(super) async fn chain_all(inner: &Inner) -> Result<()> {
    for _ in 0..BATCHES_MAX {
        if inner.store.sequence_audit(SEQUENCE_BATCH).await? < SEQUENCE_BATCH as u64 {
            break;
        }
    }
    Ok(())
}

/// Numbers what happened.
pub(super) async fn number_all(inner: &Inner) -> Result<()> {
    for _ in 0..BATCHES_MAX {
        if inner.store.number_events(NUMBER_BATCH).await? < NUMBER_BATCH as u64 {
            break;
        }
    }
    Ok(())
}
