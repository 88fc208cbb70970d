//! What flawed stores do about limits, dead letters and old runs.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    ErrorKind, Result,
    id::{LetterId, RunId, TenantId},
    store::{
        DeadLetter, DeadLetters, Enqueued, Keep, Limit, LimitRecord, LimitScope, Limits, Listing, NewRun,
        Page, Queue, Repeats, Retention,
    },
};

use super::{Flaw, Flawed};

impl Flawed {
    /// The limit that the store inside is told of.
    fn bent(&self, mut limit: Limit) -> Limit {
        if self.has(Flaw::LimitLetsOneMore) {
            limit.running = limit.running.map(|most| most.saturating_add(1));
        }
        if let (true, Some(rate)) = (self.has(Flaw::RateLetsOneMore), &mut limit.rate) {
            rate.burst += 1;
        }
        limit
    }

    /// A record as it would be without the flaw.
    fn straight(&self, mut record: LimitRecord) -> LimitRecord {
        if self.has(Flaw::LimitLetsOneMore) {
            record.limit.running =
                record.limit.running.map(|most| if most == u32::MAX { most } else { most - 1 });
        }
        if let (true, Some(rate)) = (self.has(Flaw::RateLetsOneMore), &mut record.limit.rate) {
            rate.burst -= 1;
        }
        record
    }

    fn hides(&self, letter: &DeadLetter) -> bool {
        self.has(Flaw::NoLetterForLost) && letter.topic == "task.lost"
    }
}

#[async_trait]
impl Limits for Flawed {
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord> {
        limit.check()?;
        let before = self.inner.limit(tenant, scope).await?;
        if self.has(Flaw::LiftedLimitHolds) && limit.is_none() {
            return Ok(LimitRecord { limit, ..before });
        }
        self.seen().rated |= limit.rate.is_some();
        let mut record = self.inner.set_limit(tenant, scope, self.bent(limit)).await?;
        if self.has(Flaw::LimitEndsThePause) {
            self.inner.resume(tenant, scope).await?;
            record.paused = before.paused;
        }
        Ok(self.straight(record))
    }

    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        Ok(self.straight(self.inner.limit(tenant, scope).await?))
    }

    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
        let Listing { items, total } = self.inner.list_limits(tenant, page).await?;
        Ok(Listing { items: items.into_iter().map(|record| self.straight(record)).collect(), total })
    }

    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord> {
        if self.has(Flaw::PauseTakesANewReason) {
            self.inner.resume(tenant, scope).await?;
        }
        let record = self.inner.pause(tenant, scope, reason).await?;
        if self.has(Flaw::PauseHoldsNothing) {
            self.inner.resume(tenant, scope).await?;
        }
        Ok(self.straight(record))
    }

    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        let record = self.inner.resume(tenant, scope).await?;
        if self.has(Flaw::ResumeLiftsTheLimit) {
            self.inner.set_limit(tenant, scope, Limit::default()).await?;
        }
        Ok(self.straight(record))
    }

    async fn wake_limited(&self) -> Result<()> {
        self.inner.wake_limited().await
    }
}

#[async_trait]
impl DeadLetters for Flawed {
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
        self.inner.dead_letter(tenant, id).await
    }

    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>> {
        let mut list = self.inner.list_dead_letters(tenant, run, page).await?;
        list.items.retain(|letter| !self.hides(letter));
        if self.has(Flaw::LettersOldestFirst) {
            list.items.reverse();
        }
        Ok(list)
    }

    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
        if self.has(Flaw::DiscardsNothing) {
            return self.inner.dead_letter(tenant, id).await.map(drop);
        }
        self.inner.discard_dead_letter(tenant, id).await
    }

    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
        let over = self.inner.run(tenant, run).await.is_ok_and(|run| run.status.is_final());
        let letters =
            self.inner.list_dead_letters(tenant, Some(run), Page { skip: 0, limit: 1 }).await?.total;
        if self.has(Flaw::RedriveKeepsLetters) && over && letters > 0 {
            return self.enqueue(tenant, new).await;
        }
        match self.inner.redrive(tenant, run, new.clone()).await {
            Err(error)
                if self.has(Flaw::RedrivesTheLiving) && error.kind() == ErrorKind::Conflict && !over =>
            {
                self.enqueue(tenant, new).await
            }
            answer => answer,
        }
    }

    async fn repeat(&self, tenant: TenantId, run: RunId, new: NewRun, repeats: Repeats) -> Result<Enqueued> {
        let over = self.inner.run(tenant, run).await.is_ok_and(|run| run.status.is_final());
        match self.inner.repeat(tenant, run, new.clone(), repeats).await {
            Err(error) if self.has(Flaw::RepeatsTwice) && error.kind() == ErrorKind::Conflict && over => {
                self.enqueue(tenant, new).await
            }
            answer => answer,
        }
    }
}

#[async_trait]
impl Retention for Flawed {
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
        let mut keep = *keep;
        if self.has(Flaw::RemovesTooYoung) {
            keep.age = keep.age.map(|_| Duration::ZERO);
        }
        if self.has(Flaw::KeepsOneLess) {
            keep.runs_per_job = keep.runs_per_job.map(|most| most.saturating_sub(1));
        }
        self.inner.remove_runs(&keep, limit + usize::from(self.has(Flaw::RemovesTooMany))).await
    }
}
