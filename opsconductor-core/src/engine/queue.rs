//! What the queue may do: limits, rates, pauses.

use super::{
    Scoped,
    noted::{self, Change},
};
use crate::{
    Error, ErrorKind, Result,
    audit::Entry,
    auth::policy::{Action, Resource},
    store::{Limit, LimitRecord, LimitScope, Listing, Page},
};

/// Calls on the queue of a tenant. Limits hold across all workers on all machines.
///
/// ```no_run
/// use std::time::Duration;
///
/// use opsconductor_core::{Engine, engine::QueuePart, store::Limit};
///
/// # async fn example(engine: Engine) -> opsconductor_core::Result<()> {
/// let ops = engine.local();
/// // Two tasks at once on this host, and no more than ten starts a minute with this credential.
/// ops.queue().set_limit(QueuePart::Target("db-1"), Limit::running(2)).await?;
/// ops.queue().set_limit(QueuePart::Credential("backup"), Limit::rate(10, Duration::from_secs(60))).await?;
/// // Nothing new starts until it is resumed; what runs goes on.
/// ops.queue().pause(QueuePart::Tenant, "maintenance until 18:00").await?;
/// ops.queue().resume(QueuePart::Tenant).await?;
/// # Ok(())
/// # }
/// ```
pub struct QueueControl<'a> {
    pub(super) at: &'a Scoped,
}

/// A part of the queue, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueuePart<'a> {
    /// Every task of the tenant.
    Tenant,
    /// The tasks of a job.
    Job(&'a str),
    /// The tasks on a target.
    Target(&'a str),
    /// The tasks on targets that a credential opens.
    Credential(&'a str),
}

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1_000;

impl QueueControl<'_> {
    /// Sets what may happen in a part, in place of what was set before; `Limit::default()` lifts it. It holds from the next
    /// start on and touches nothing that runs.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `InvalidInput` for numbers that make no sense.
    pub async fn set_limit(&self, part: QueuePart<'_>, limit: Limit) -> Result<LimitRecord> {
        let (entry, scope) = self.change(noted::LIMIT_SET, part).await?;
        let entry = match limit.rate {
            Some(rate) => entry.with("starts", rate.starts).with("per_ms", rate.per.as_millis() as u64),
            None => entry,
        };
        let entry = entry.with("running", limit.running);
        self.at.noted(entry, self.at.inner.store.set_limit(self.at.scope.tenant, scope, limit)).await
    }

    /// What holds in a part.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn limit(&self, part: QueuePart<'_>) -> Result<LimitRecord> {
        self.at.authorize(Action::Read, Resource::Queue)?;
        let scope = self.scope(part).await?;
        self.at.inner.store.limit(self.at.scope.tenant, scope).await
    }

    /// Every part with a limit or a pause, the newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn limits(&self, page: Page) -> Result<Listing<LimitRecord>> {
        self.at.authorize(Action::Read, Resource::Queue)?;
        self.at.inner.store.list_limits(self.at.scope.tenant, page).await
    }

    /// Lets nothing start in a part until it is resumed; what runs goes on, and runs can be enqueued. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `InvalidInput` for a reason of more than 1,000 bytes.
    pub async fn pause(&self, part: QueuePart<'_>, reason: &str) -> Result<LimitRecord> {
        let (entry, scope) = self.change(noted::QUEUE_PAUSED, part).await?;
        if reason.len() > REASON_BYTES_MAX {
            let fault = format!("the reason of a pause has at most {REASON_BYTES_MAX} bytes");
            return Err(Error::new(ErrorKind::InvalidInput, fault));
        }
        let reason = format!("{reason} ({})", self.at.scope.actor.name());
        let pause = self.at.inner.store.pause(self.at.scope.tenant, scope, reason.trim_start());
        self.at.noted(entry, pause).await
    }

    /// Ends a pause; limits hold on.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn resume(&self, part: QueuePart<'_>) -> Result<LimitRecord> {
        let (entry, scope) = self.change(noted::QUEUE_RESUMED, part).await?;
        self.at.noted(entry, self.at.inner.store.resume(self.at.scope.tenant, scope)).await
    }

    /// Lets the caller make a change to a part, with the entry for it.
    async fn change(&self, change: Change, part: QueuePart<'_>) -> Result<(Entry, LimitScope)> {
        let (kind, name) = match part {
            QueuePart::Tenant => ("tenant", ""),
            QueuePart::Job(name) => ("job", name),
            QueuePart::Target(name) => ("target", name),
            QueuePart::Credential(name) => ("credential", name),
        };
        let entry = self.at.permit(change, name).await?.with("part", kind);
        let scope = self.scope(part).await?;
        let entry = if scope == LimitScope::Tenant { entry } else { entry.about(scope.parts().1) };
        Ok((entry, scope))
    }

    async fn scope(&self, part: QueuePart<'_>) -> Result<LimitScope> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        Ok(match part {
            QueuePart::Tenant => LimitScope::Tenant,
            QueuePart::Job(name) => LimitScope::Job(store.job_by_name(tenant, name).await?.id),
            QueuePart::Target(name) => LimitScope::Target(self.at.targets().by_name(name).await?.id),
            QueuePart::Credential(name) => {
                LimitScope::Credential(store.credential_by_name(tenant, name).await?.id)
            }
        })
    }
}
