//! Calls of limits, dead letters and retention.

use std::time::Duration;

use super::{NOBODY, Side};
use crate::{
    id::{CredentialId, JobId, LetterId, RunId, TargetId, TenantId},
    store::{DeadLetter, JobRecord, Keep, Limit, LimitScope, Listing, NewRun, Rate, Repeats},
    tenant::DEFAULT_TENANT,
    testing::store::{
        Fixture,
        model::{
            pick::Pick,
            promise::{LimitShape, Promise, ScopePick},
        },
    },
};

impl Side {
    /// A call about what is promised beyond claiming.
    pub(super) async fn keep_promise(&mut self, call: &Promise) -> String {
        let store = self.store.clone();
        match *call {
            Promise::SetLimit { scope, astray, limit } => {
                let (tenant, scope) = self.scope(scope, astray);
                let answer = store.set_limit(tenant, scope, set(limit)).await;
                self.said(answer)
            }
            Promise::Pause { scope, astray, reason } => {
                let (tenant, scope) = self.scope(scope, astray);
                let answer = store.pause(tenant, scope, &format!("reason {reason}")).await;
                self.said(answer)
            }
            Promise::Resume { scope, astray } => {
                let (tenant, scope) = self.scope(scope, astray);
                let answer = store.resume(tenant, scope).await;
                self.said(answer)
            }
            Promise::WakeLimited => {
                let answer = store.wake_limited().await;
                self.said(answer)
            }
            Promise::DiscardLetter { letter, astray } => {
                let (tenant, letter) = self.letter(letter, astray);
                let answer = store.discard_dead_letter(tenant, letter).await;
                self.said(answer)
            }
            Promise::Redrive { letter, other, astray, repeats, job, ref shape, ref new } => {
                let (tenant, run) = match other {
                    Some(other) => self.run(other, astray),
                    None => self.run_of_letter(letter, astray),
                };
                let job = match job {
                    Some(job) => job.of(&self.jobs).cloned(),
                    None => self.job_of(run),
                };
                let Some(job) = job else { return "no job".to_owned() };
                let (_, new) = self.new_run(job, shape, new).await;
                let Some((once, times)) = repeats else {
                    let answer = store.redrive(tenant, run, new).await;
                    return self.answered(tenant, answer).await;
                };
                let often = if once { Repeats::Once } else { Repeats::Often };
                let child = NewRun { parent: Some(run), ..new };
                let mut said = String::new();
                for _ in 0..times {
                    let answer = store.repeat(tenant, run, child.clone(), often).await;
                    said += &self.answered(tenant, answer).await;
                }
                said
            }
            Promise::RemoveRuns { age, runs_per_job, limit } => {
                let keep = Keep { age: age.map(Duration::from_micros), runs_per_job };
                let answer = store.remove_runs(&keep, limit).await;
                self.said(answer)
            }
        }
    }

    /// Takes note of letters that came, and shows all that there are.
    pub(super) async fn letters_came(&mut self) -> String {
        let mut shown = String::new();
        for tenant in self.tenants.clone() {
            let list = self.store.list_dead_letters(tenant, None, Fixture::ALL).await;
            for letter in list.iter().flat_map(|list| list.items.iter().rev()) {
                let known = self.letters.iter().any(|(_, (known, _))| *known == letter.id);
                if !known {
                    self.letters.push((tenant, (letter.id, letter.run)));
                }
            }
            shown.push_str(&self.said(list.map(Self::all_sorted)));
        }
        shown
    }

    /// A letter whose names stand in an order of their own: a database keeps none.
    pub(in super::super) fn sorted(mut letter: DeadLetter) -> DeadLetter {
        letter.payload.sort_all_objects();
        letter
    }

    pub(in super::super) fn all_sorted(list: Listing<DeadLetter>) -> Listing<DeadLetter> {
        Listing { items: list.items.into_iter().map(Self::sorted).collect(), total: list.total }
    }

    /// Whether a rate is set anywhere.
    pub(in super::super) async fn is_rated(&self) -> bool {
        for tenant in &self.tenants {
            let limits = self.store.list_limits(*tenant, Fixture::ALL).await;
            if limits.iter().flat_map(|list| &list.items).any(|record| record.limit.rate.is_some()) {
                return true;
            }
        }
        false
    }

    pub(in super::super) fn letter(&self, pick: Pick, astray: bool) -> (TenantId, LetterId) {
        let (tenant, (letter, _)) = self.known_letter(pick, astray);
        (tenant, letter)
    }

    fn job_of(&self, run: RunId) -> Option<(TenantId, JobRecord)> {
        let job = self.jobs_of.get(&run)?;
        self.jobs.iter().find(|(_, record)| record.id == *job).cloned()
    }

    fn run_of_letter(&self, pick: Pick, astray: bool) -> (TenantId, RunId) {
        let (tenant, (_, run)) = self.known_letter(pick, astray);
        (tenant, run)
    }

    fn known_letter(&self, pick: Pick, astray: bool) -> (TenantId, (LetterId, RunId)) {
        self.place(&self.letters, pick, astray, (LetterId::new(NOBODY), RunId::new(NOBODY)))
    }

    pub(in super::super) fn scope(&self, pick: ScopePick, astray: bool) -> (TenantId, LimitScope) {
        match pick {
            ScopePick::Tenant(pick) => (self.tenant(pick), LimitScope::Tenant),
            ScopePick::Job(pick) => {
                let (tenant, id): (_, JobId) = self.job(pick, astray);
                (tenant, LimitScope::Job(id))
            }
            ScopePick::Target(pick) => {
                let (tenant, id): (_, TargetId) = self.target(pick, astray);
                (tenant, LimitScope::Target(id))
            }
            ScopePick::Credential(pick) => {
                let nobody = (CredentialId::new(NOBODY), 1);
                let found = pick.of(&self.credentials).copied();
                let (tenant, (id, _)) = found.unwrap_or((DEFAULT_TENANT, nobody));
                (self.home(tenant, astray), LimitScope::Credential(id))
            }
        }
    }
}

fn set(shape: LimitShape) -> Limit {
    let rate = shape.rate.map(|(starts, per, burst)| Rate { starts, per: Duration::from_micros(per), burst });
    Limit { running: shape.running, rate }
}
