//! [`Pauses`]: parts of the queue in which nothing may start for a while.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    Result,
    store::{LimitScope, Store},
    tenant::DEFAULT_TENANT,
};
use tokio::task::JoinHandle;

use super::{Chance, again};
use crate::history::{Part, Paused};

/// Pauses, one at a time.
#[derive(Default)]
pub(super) struct Pauses {
    present: Option<JoinHandle<Result<Paused>>>,
    past: Vec<JoinHandle<Result<Paused>>>,
    kept: Vec<Paused>,
}

impl Pauses {
    /// Begins one, unless one holds.
    pub(super) fn begin(&mut self, store: &Arc<dyn Store>, chance: &mut Chance) -> bool {
        if self.present.as_ref().is_some_and(|present| !present.is_finished()) {
            return false;
        }
        // Under limits and under none.
        let part = match chance.below(4) {
            0 => Part::Job("again".to_owned()),
            1 => Part::Job("wide".to_owned()),
            2 => Part::Target("host-1".to_owned()),
            _ => Part::Target("host-4".to_owned()),
        };
        let lasts = chance.millis(200..900);
        self.past.extend(self.present.take());
        self.present = Some(tokio::spawn(hold(Arc::clone(store), part, lasts)));
        true
    }

    /// Waits until none holds.
    ///
    /// # Errors
    ///
    /// When the store was away for too long.
    pub(super) async fn end(&mut self) -> std::result::Result<(), String> {
        self.past.extend(self.present.take());
        for pause in self.past.drain(..) {
            let paused = pause.await.map_err(|error| error.to_string())?;
            self.kept.push(paused.map_err(|error| error.report())?);
        }
        Ok(())
    }

    /// Those that there were.
    pub(super) fn kept(self) -> Vec<Paused> {
        self.kept
    }
}

async fn hold(store: Arc<dyn Store>, part: Part, lasts: Duration) -> Result<Paused> {
    let scope = again(|| scope(&*store, &part)).await?;
    again(|| store.pause(DEFAULT_TENANT, scope, "for a while")).await?;
    let from = now();
    tokio::time::sleep(lasts).await;
    let to = now();
    again(|| store.resume(DEFAULT_TENANT, scope)).await?;
    Ok(Paused { part, from, to })
}

async fn scope(store: &dyn Store, part: &Part) -> Result<LimitScope> {
    Ok(match part {
        Part::Job(name) => LimitScope::Job(store.job_by_name(DEFAULT_TENANT, name).await?.id),
        Part::Target(name) => {
            let found = store.targets_by_name(DEFAULT_TENANT, std::slice::from_ref(name)).await?;
            LimitScope::Target(found.first().expect("the hosts are written down").id)
        }
    })
}

/// Microseconds since 1970, by the clock that the store on this machine has too.
fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
