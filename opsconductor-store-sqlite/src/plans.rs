//! Plans that were read, kept at hand: a completion needs its run's, and parsing one for each would be most of the work.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use opsconductor_core::{id::RunId, run::RunPlan};
use rusqlite::{Connection, OptionalExtension};

use crate::error::{DbResult, missing};

/// How many bytes of plans, as JSON, are kept.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many plans are kept, however small.
const PLANS_MAX: usize = 4_096;

/// The plans used last.
#[derive(Default)]
pub(crate) struct Plans(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    plans: HashMap<RunId, Entry>,
    /// Which run was used when, the oldest first.
    by_use: BTreeMap<u64, RunId>,
    uses: u64,
    bytes: usize,
}

struct Entry {
    plan: Arc<RunPlan>,
    bytes: usize,
    used: u64,
}

impl Plans {
    /// The plan of a run, from here or from its row.
    pub(crate) fn of(&self, db: &Connection, run: RunId) -> DbResult<Arc<RunPlan>> {
        if let Some(plan) = self.lock().find(run) {
            return Ok(plan);
        }
        let text: Option<String> = db
            .prepare_cached("SELECT plan FROM run_plans WHERE run_id = ?1")?
            .query_row([run.get()], |row| row.get(0))
            .optional()?;
        let text = text.ok_or_else(|| missing("run", run))?;
        let plan = Arc::new(serde_json::from_str::<RunPlan>(&text)?);
        self.keep(run, plan.clone(), text.len());
        Ok(plan)
    }

    /// Keeps a plan whose row is committed, and lets go of those that were not used for longest.
    pub(crate) fn keep(&self, run: RunId, plan: Arc<RunPlan>, bytes: usize) {
        self.lock().keep(run, plan, bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.plans.insert(run, Entry { plan, bytes, used: self.uses });
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
