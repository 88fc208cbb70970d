//! What stores that stand around another have in common: they pass through what they do not change.

mod accounts;
mod audit;
mod catalog;
mod custody;
mod feed;
mod history;
mod notifications;
mod promises;

use opsconductor_core::{
    Result,
    id::{RunId, TenantId},
    store::{Listing, RunRecord},
};

/// What a store that stands around another changes about what is read from it; nothing unless it says so.
pub(crate) trait Reading {
    /// What comes before the call of this name.
    fn before(&self, _call: &'static str) -> Result<()> {
        Ok(())
    }

    /// The tenant that a run is looked for in.
    fn home(&self, tenant: TenantId, _run: RunId) -> TenantId {
        tenant
    }

    /// A run.
    fn shown(&self, run: RunRecord) -> RunRecord {
        run
    }

    /// A list of runs, each as it is shown.
    fn listed(&self, list: Listing<RunRecord>) -> Listing<RunRecord> {
        list
    }

    /// The event after which events are read.
    fn after(&self, after: u64) -> u64 {
        after
    }
}
