//! What a lost command holds on its host is freed in the background, as well as can be.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{Inner, credentials, execute::endpoint, plans::Plans};
use crate::{Result, store::Claimed, transport::RemoteHandle};

/// How many hosts are seen to at a time.
const AT_ONCE_MAX: usize = 8;

/// How long one may take.
const WHOLE: Duration = Duration::from_secs(60);

/// Frees what lost commands hold.
#[derive(Clone)]
pub(super) struct Abandon {
    inner: Arc<Inner>,
    plans: Arc<Plans>,
    turns: Arc<Semaphore>,
}

impl Abandon {
    pub(super) fn new(inner: Arc<Inner>, plans: Arc<Plans>) -> Self {
        Self { inner, plans, turns: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }

    /// Begins to free what `handle` names, and does not wait for it.
    pub(super) fn begin(&self, claimed: Claimed, handle: RemoteHandle) {
        if handle.0.is_empty() {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let Ok(_turn) = this.turns.acquire().await else { return };
            tokio::select! {
                freed = this.free(&claimed, &handle) => if let Err(error) = freed {
                    tracing::warn!(error = %error.report(), task = %claimed.lease.task, "a lost command may hold its shell");
                },
                () = this.inner.clock.sleep(WHOLE) => {}
            }
        });
    }

    async fn free(&self, claimed: &Claimed, handle: &RemoteHandle) -> Result<()> {
        let inner = &self.inner;
        let prepared = self.plans.get(inner, claimed.tenant, claimed.lease.run).await?;
        let step = prepared.step(claimed.step)?;
        let protocol = inner.kinds.get(&step.kind).and_then(|handler| handler.protocol());
        let target = claimed.target.and_then(|id| prepared.plan.target(id));
        let (Some(protocol), Some(target)) = (protocol, target) else { return Ok(()) };
        let Some(credential) = target.credential_ref else { return Ok(()) };
        inner.uses.record(inner, claimed, credential).await?;
        let credential = credentials::open(inner, claimed.tenant, credential).await?;
        let endpoint = endpoint(&target.name, &target.hostname, target.port, &target.metadata);
        inner.connector(protocol)?.abandon(&endpoint, &credential, handle).await;
        Ok(())
    }
}
