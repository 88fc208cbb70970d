//! Limits and pauses: what keeps ready tasks from being claimed.

use std::time::Duration;

use async_trait::async_trait;

use super::{Listing, Page};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{CredentialId, JobId, RunId, TargetId, TenantId},
};

/// Which tasks of a tenant a limit or a pause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LimitScope {
    /// All of them.
    Tenant,
    /// Those of a job, whatever its version.
    Job(JobId),
    /// Those on a target.
    Target(TargetId),
    /// Those on targets that a credential opens. Which one it is was frozen with the run's plan.
    Credential(CredentialId),
    /// Those of a run. This limit comes with the run's plan ([`max_parallel`](crate::run::RunPlan::max_parallel)) and goes with
    /// its end: it is not set by these calls nor listed.
    Run(RunId),
}

/// How much may happen in a [`LimitScope`]; the default is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// How many tasks run at once, at most.
    pub running: Option<u32>,
    /// How quickly they may start.
    pub rate: Option<Rate>,
}

/// So many starts in a period, spread evenly: one each `per / starts`. After a quiet time `burst` of them may come at once,
/// so that in any time `t` there are no more than `burst + t * starts / per`. What is tried again starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many starts.
    pub starts: u32,
    /// In how long.
    pub per: Duration,
    /// How many at once after a quiet time; 1 spreads them strictly.
    pub burst: u32,
}

/// What holds in a [`LimitScope`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRecord {
    /// Where.
    pub scope: LimitScope,
    /// How much may happen there.
    pub limit: Limit,
    /// Since when nothing at all may start there, and why.
    pub paused: Option<Pause>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when, by the store's clock.
    pub since: Timestamp,
    /// Why, for whoever looks. No secrets.
    pub reason: String,
}

/// Limits and pauses. [`Queue::claim`](super::Queue::claim) keeps them: a task starts only when everything that it belongs
/// to (its tenant, job, target, credential and run) has room and is not paused. Claims that come at once cannot pass a limit
/// together, and what waits for one limit holds back nothing that waits for none.
///
/// A task counts from its claim to its end or its way back to the queue; while its worker is gone it still counts. What is
/// set here holds when the call returns, also for tasks that wait already, and touches none that runs: those count, also
/// those that a claim has taken meanwhile, and a scope with more of them than it may have starts nothing until enough have
/// ended.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Sets what may happen in `scope`, in place of what was set before; [`Limit::default`] lifts it. A pause stays.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job, target or credential is not there; `InvalidInput` as [`Limit::check`], and for a run.
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord>;

    /// What holds in `scope`.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job, target or credential is not there.
    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord>;

    /// Every scope of the tenant with a limit or a pause, that one first that had none for the shortest time. A job, target
    /// or credential that goes takes its own along.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>>;

    /// Lets nothing start in `scope` until it is resumed; what runs goes on. Repeating it changes nothing, not even the
    /// reason.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job, target or credential is not there.
    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord>;

    /// Ends a pause; limits hold on. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job, target or credential is not there.
    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord>;

    /// Looks again at whatever tasks wait for. A store does this by itself where room is made; this finds what a crash at
    /// that moment left behind. Calling it at any time does no harm.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn wake_limited(&self) -> Result<()>;
}

/// The longest period of a rate: a year.
const PER_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Limit {
    /// At most `running` tasks at once.
    pub fn running(running: u32) -> Self {
        Self { running: Some(running), rate: None }
    }

    /// At most `starts` starts in each `per`, spread evenly.
    pub fn rate(starts: u32, per: Duration) -> Self {
        Self { running: None, rate: Some(Rate { starts, per, burst: 1 }) }
    }

    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        self.running.is_none() && self.rate.is_none()
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, saying which does not.
    pub fn check(&self) -> Result<()> {
        let fault = match (self.running, self.rate) {
            (Some(0), _) => "a limit lets at least one task run; to let none start, pause it",
            (_, Some(Rate { starts: 0, .. })) => {
                "a rate has at least one start in its period; to let none start, pause it"
            }
            (_, Some(Rate { burst: 0, .. })) => {
                "a rate lets at least one task start at a time: `burst` is 1 or more"
            }
            (_, Some(rate)) if rate.per.is_zero() || rate.per > PER_MAX => {
                "the period of a rate is longer than zero and at most 366 days"
            }
            (_, Some(rate)) if rate.per.as_micros() < u128::from(rate.starts) => {
                "a rate has at most one start in a microsecond"
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::InvalidInput, fault))
    }
}

impl LimitScope {
    /// The kind and the id as they stand in a database; a tenant is alone in its kind and has the id 0.
    pub fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Tenant => ("tenant", 0),
            Self::Job(id) => ("job", id.get()),
            Self::Target(id) => ("target", id.get()),
            Self::Credential(id) => ("credential", id.get()),
            Self::Run(id) => ("run", id.get()),
        }
    }

    /// The scope of these [parts](Self::parts).
    pub fn from_parts(kind: &str, id: i64) -> Option<Self> {
        match kind {
            "tenant" => Some(Self::Tenant),
            "job" => Some(Self::Job(JobId::new(id))),
            "target" => Some(Self::Target(TargetId::new(id))),
            "credential" => Some(Self::Credential(CredentialId::new(id))),
            "run" => Some(Self::Run(RunId::new(id))),
            _ => None,
        }
    }

    /// Refuses to limit a run by itself.
    ///
    /// # Errors
    ///
    /// `InvalidInput`.
    pub fn check_settable(self) -> Result<()> {
        match self {
            Self::Run(_) => {
                let fault = "how many tasks of a run go at once is said in its job, by `maxParallel`";
                Err(Error::new(ErrorKind::InvalidInput, fault))
            }
            _ => Ok(()),
        }
    }

    /// The scopes that a task belongs to.
    pub fn of_task(
        run: RunId,
        job: JobId,
        target: Option<TargetId>,
        credential: Option<CredentialId>,
    ) -> impl Iterator<Item = Self> {
        let there = [
            Some(Self::Tenant),
            Some(Self::Job(job)),
            target.map(Self::Target),
            credential.map(Self::Credential),
            Some(Self::Run(run)),
        ];
        there.into_iter().flatten()
    }
}

impl LimitRecord {
    /// The record of a scope in which nothing holds.
    pub fn none(scope: LimitScope) -> Self {
        Self { scope, limit: Limit::default(), paused: None }
    }
}
