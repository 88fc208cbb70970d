//! [`PlanCache`]: plans that were read, kept at hand.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    id::{RunId, TenantId},
    run::plan::RunPlan,
};

/// How many bytes of plans, as JSON, are kept.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many plans are kept, however small.
const PLANS_MAX: usize = 4_096;

/// The plans used last, for a store in a database: a completion needs its run's, and parsing one for each would be most of
/// the work. A plan never changes, so what is here is right for as long as its run exists.
#[derive(Default)]
pub struct PlanCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    plans: HashMap<RunId, Entry>,
    /// Which run was used when, the oldest first.
    by_use: BTreeMap<u64, RunId>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    /// Whose it is, where that is known.
    tenant: Option<TenantId>,
    plan: Arc<RunPlan>,
    bytes: usize,
    used: u64,
}

impl PlanCache {
    /// The plan of a run, if it is here.
    pub fn find(&self, run: RunId) -> Option<Arc<RunPlan>> {
        self.lock().find(run)
    }

    /// The plan of a run that is known to be the tenant's, if it is here.
    pub fn find_of(&self, tenant: TenantId, run: RunId) -> Option<Arc<RunPlan>> {
        let mut kept = self.lock();
        kept.plans.get(&run).filter(|entry| entry.tenant == Some(tenant))?;
        kept.find(run)
    }

    /// Keeps a plan as [`PlanCache::keep`] does, for [`PlanCache::find_of`] too.
    pub fn keep_of(&self, tenant: TenantId, run: RunId, plan: Arc<RunPlan>, bytes: usize) {
        let mut kept = self.lock();
        kept.keep(run, plan, bytes);
        if let Some(entry) = kept.plans.get_mut(&run) {
            entry.tenant = Some(tenant);
        }
    }

    /// Lets go of the plan of a run that is removed.
    pub fn forget(&self, run: RunId) {
        self.lock().forget(run);
    }

    /// Keeps a plan whose row is committed and is `bytes` long, and lets go of those that were not used for longest.
    pub fn keep(&self, run: RunId, plan: Arc<RunPlan>, bytes: usize) {
        self.lock().keep(run, plan, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PlanCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        f.debug_struct("PlanCache").field("plans", &kept.plans.len()).field("bytes", &kept.bytes).finish()
    }
}

impl Kept {
    fn find(&mut self, run: RunId) -> Option<Arc<RunPlan>> {
        let entry = self.plans.get_mut(&run)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(self.uses, run);
        Some(entry.plan.clone())
    }

    fn keep(&mut self, run: RunId, plan: Arc<RunPlan>, bytes: usize) {
        self.forget(run);
        self.uses += 1;
        self.by_use.insert(self.uses, run);
        self.plans.insert(run, Entry { tenant: None, plan, bytes, used: self.uses });
        self.bytes += bytes;
        while (self.bytes > BYTES_MAX || self.plans.len() > PLANS_MAX) && self.plans.len() > 1 {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, run: RunId) {
        if let Some(entry) = self.plans.remove(&run) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn plan() -> Arc<RunPlan> {
        Arc::new(RunPlan {
            job_name: String::new(),
            job_version: 1,
            parameters: Map::new(),
            secrets: Vec::new(),
            targets: Vec::new(),
            steps: Vec::new(),
            earlier: Vec::new(),
            timeout_sec: None,
            max_parallel: None,
            notify: Default::default(),
        })
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = PlanCache::default();
        for id in 1..=3 {
            cache.keep(RunId::new(id), plan(), BYTES_MAX / 3);
        }
        assert!(cache.find(RunId::new(1)).is_some());
        cache.keep(RunId::new(4), plan(), BYTES_MAX / 3);
        let found: Vec<_> = (1..=4).map(|id| cache.find(RunId::new(id)).is_some()).collect();
        assert_eq!(found, [true, false, true, true]);
    }

    #[test]
    fn a_plan_is_found_by_its_own_tenant_alone() {
        let cache = PlanCache::default();
        cache.keep_of(TenantId::new(1), RunId::new(7), plan(), 10);
        assert!(cache.find_of(TenantId::new(1), RunId::new(7)).is_some());
        assert!(cache.find_of(TenantId::new(2), RunId::new(7)).is_none());
        cache.keep(RunId::new(8), plan(), 10);
        assert!(cache.find_of(TenantId::new(1), RunId::new(8)).is_none());
    }

    #[test]
    fn there_is_a_bound_in_number_and_a_large_one_is_kept_alone() {
        let cache = PlanCache::default();
        for id in 0..=PLANS_MAX as i64 {
            cache.keep(RunId::new(id), plan(), 1);
        }
        assert!(cache.find(RunId::new(0)).is_none() && cache.find(RunId::new(1)).is_some());
        cache.keep(RunId::new(-1), plan(), 2 * BYTES_MAX);
        assert!(cache.find(RunId::new(-1)).is_some() && cache.find(RunId::new(1)).is_none());
    }
}
