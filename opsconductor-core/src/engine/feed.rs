//! What happens in a tenant, over all its runs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{RunEvent, Runs, events::named, sequencer};
use crate::{
    ErrorKind, Result,
    auth::policy::{Action, Resource},
    id::RunId,
    run::plan::RunPlan,
    store::StepCounts,
};

/// Something that happened in a tenant.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TenantEvent {
    /// Its number among all events of the tenant, from 1.
    pub seq: u64,
    /// The run.
    pub run: RunId,
    /// What happened to it.
    pub event: RunEvent,
}

impl Runs<'_> {
    /// At most `limit` events of all runs that come after the event with number `seq` in the tenant, in order; none when there are no
    /// more. Of two runs the events stand in the order in which they were found to be committed, so a follower that asks with the
    /// last number it has seen misses nothing and sees nothing twice.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn events_after(&self, seq: u64, limit: usize) -> Result<Vec<TenantEvent>> {
        self.at.authorize(Action::Read, Resource::Run)?;
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        sequencer::number_all(&self.at.inner).await?;
        let found = store.tenant_events(tenant, seq, limit).await?;
        let mut plans: HashMap<RunId, Option<Arc<RunPlan>>> = HashMap::new();
        let mut events = Vec::with_capacity(found.len());
        for one in found {
            let run = one.event.run;
            // The start and the end of a run need no names.
            let plan = match (one.event.step, plans.get(&run)) {
                (None, _) => None,
                (Some(_), Some(plan)) => plan.clone(),
                (Some(_), None) => {
                    let plan = match store.run_plan(tenant, run).await {
                        Ok(plan) => Some(plan),
                        // It was removed between the two looks.
                        Err(error) if error.kind() == ErrorKind::NotFound => None,
                        Err(error) => return Err(error),
                    };
                    plans.insert(run, plan.clone());
                    plan
                }
            };
            events.push(TenantEvent { seq: one.seq, run, event: named(plan.as_deref(), one.event) });
        }
        Ok(events)
    }

    /// The number of the last event in the tenant: what comes after it is new.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn last_event(&self) -> Result<u64> {
        self.at.authorize(Action::Read, Resource::Run)?;
        sequencer::number_all(&self.at.inner).await?;
        self.at.inner.store.last_tenant_event(self.at.scope.tenant).await
    }

    /// How the steps of the tenant stand: those that wait and run now, and those that ended within `since` from now.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn step_counts(&self, since: Duration) -> Result<StepCounts> {
        self.at.authorize(Action::Read, Resource::Run)?;
        self.at.inner.store.step_counts(self.at.scope.tenant, since).await
    }
}
