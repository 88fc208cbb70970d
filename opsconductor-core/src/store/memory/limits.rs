//! Limits and pauses, looked up anew for each claim.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{LimitRow, LiveState, MemoryStore, RunRow, State, history::listing};
use crate::{
    Result,
    id::{TaskId, TenantId},
    store::{Gate, Limit, LimitRecord, LimitScope, Limits, Listing, Notice, Page, Passage, Pause},
};

#[async_trait]
impl Limits for MemoryStore {
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord> {
        limit.check()?;
        self.noted(|state| {
            state.change_limit(tenant, scope, |row| {
                if row.record.limit.rate != limit.rate {
                    row.next_start = None;
                }
                row.record.limit = limit;
            })
        })
    }

    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.with(|state| {
            state.scope_exists(tenant, scope)?;
            let row = state.limits.get(&(tenant, scope));
            Ok(row.map_or_else(|| LimitRecord::none(scope), |row| row.record.clone()))
        })
    }

    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
        Ok(self.with(|state| {
            let mine = state.limits.iter().filter(|((owner, _), _)| *owner == tenant);
            let mut mine: Vec<&LimitRow> = mine.map(|(_, row)| row).collect();
            mine.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
            listing(mine.into_iter().map(|row| &row.record), page)
        }))
    }

    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord> {
        self.noted(|state| {
            let pause = Pause { since: state.now, reason: reason.to_owned() };
            state.change_limit(tenant, scope, |row| {
                row.record.paused.get_or_insert(pause);
            })
        })
    }

    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.noted(|state| state.change_limit(tenant, scope, |row| row.record.paused = None))
    }

    async fn wake_limited(&self) -> Result<()> {
        // Nothing is set aside here: each claim looks at all that is ready.
        Ok(())
    }
}

/// The gates that there are.
pub(super) struct Gates {
    now: i64,
    gates: HashMap<(TenantId, LimitScope), Gate>,
}

impl Gates {
    pub(super) fn passage(&self, on: &[(TenantId, LimitScope)]) -> Passage {
        let gates = on.iter().filter_map(|scope| self.gates.get(scope));
        gates.map(|gate| gate.passage(self.now)).fold(Passage::Open, Passage::longer)
    }

    pub(super) fn start(&mut self, on: &[(TenantId, LimitScope)]) {
        for scope in on {
            if let Some(gate) = self.gates.get_mut(scope) {
                gate.start(self.now);
            }
        }
    }
}

impl State {
    /// Every limit as it stands.
    pub(super) fn gates(&self) -> Gates {
        let gate = |row: &LimitRow| Gate {
            limit: row.record.limit,
            paused: row.record.paused.is_some(),
            running: 0,
            next_start: row.next_start,
        };
        let mut gates: HashMap<_, _> = self.limits.iter().map(|(scope, row)| (*scope, gate(row))).collect();
        let running = self.live.iter().filter(|(_, row)| matches!(row.state, LiveState::Running { .. }));
        for run in self.runs.values().filter(|run| !run.record.status.is_final()) {
            if let Some(most) = run.plan.max_parallel {
                let limit = Limit::running(most);
                let gate = Gate { limit, paused: false, running: 0, next_start: None };
                gates.insert((run.tenant, LimitScope::Run(run.record.id)), gate);
            }
        }
        for scope in running.flat_map(|(id, _)| self.scopes_of(*id)) {
            if let Some(gate) = gates.get_mut(&scope) {
                gate.running += 1;
            }
        }
        Gates { now: self.now.timestamp_micros(), gates }
    }

    /// Keeps what the starts of a claim did to the rates.
    pub(super) fn keep_rates(&mut self, gates: &Gates) {
        for (scope, row) in &mut self.limits {
            row.next_start = gates.gates.get(scope).and_then(|gate| gate.next_start);
        }
    }

    /// What a task that is alive belongs to, where anything is limited at all.
    pub(super) fn scopes_of(&self, task: TaskId) -> Vec<(TenantId, LimitScope)> {
        let Some(row) = self.live.get(&task).filter(|_| self.is_limited()) else { return Vec::new() };
        let Some(tenant) = self.runs.get(&row.run).map(|run| run.tenant) else { return Vec::new() };
        LimitScope::of_task(row.run, row.job, row.target, row.credential)
            .map(|scope| (tenant, scope))
            .collect()
    }

    /// Wakes those who claim where an end may have made room.
    pub(super) fn tell_of_room(&mut self) {
        if self.is_limited() {
            self.notices.push(Notice::Ready);
        }
    }

    /// Whether anything is limited at all.
    fn is_limited(&self) -> bool {
        let in_run = |run: &RunRow| run.plan.max_parallel.is_some() && !run.record.status.is_final();
        !self.limits.is_empty() || self.runs.values().any(in_run)
    }

    fn scope_exists(&self, tenant: TenantId, scope: LimitScope) -> Result<()> {
        match scope {
            LimitScope::Tenant => self.tenant_exists(tenant),
            LimitScope::Job(id) => self.job_of(tenant, id).map(drop),
            LimitScope::Target(id) => self.target_of(tenant, id).map(drop),
            LimitScope::Credential(id) => self.credential_of(tenant, id).map(drop),
            LimitScope::Run(_) => scope.check_settable(),
        }
    }

    fn change_limit(
        &mut self,
        tenant: TenantId,
        scope: LimitScope,
        change: impl FnOnce(&mut LimitRow),
    ) -> Result<LimitRecord> {
        self.scope_exists(tenant, scope)?;
        let (id, none) = (self.next_id(), LimitRecord::none(scope));
        let row = self.limits.entry((tenant, scope));
        let row = row.or_insert(LimitRow { id, record: none, next_start: None });
        change(row);
        let record = row.record.clone();
        if record.limit.is_none() && record.paused.is_none() {
            self.limits.remove(&(tenant, scope));
        }
        self.notices.push(Notice::Ready);
        Ok(record)
    }
}
