//! Which tasks use which credential, recorded before it is opened for them.
//!
//! Tasks that were claimed together ask together: what comes while others are being written is written next, one record for each
//! credential.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Inner, noted::CREDENTIAL_USED};
use crate::{
    Result,
    audit::Entry,
    id::{CredentialId, TenantId},
    store::Claimed,
};

/// How many tasks one record lists.
const TASKS_MAX: usize = 200;

/// The uses that are about to be recorded.
#[derive(Default)]
pub(crate) struct Uses {
    gathering: Mutex<Arc<Batch>>,
    /// One batch is written at a time; the next gathers meanwhile.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Batch {
    uses: Mutex<BTreeMap<(TenantId, CredentialId), Vec<Value>>>,
    written: OnceCell<()>,
}

impl Uses {
    /// Records that a task uses a credential; returns when that is durable.
    ///
    /// # Errors
    ///
    /// Those of the store. The credential is not to be opened then.
    pub(super) async fn record(
        &self,
        inner: &Inner,
        claimed: &Claimed,
        credential: CredentialId,
    ) -> Result<()> {
        let batch = {
            let gathering = lock(&self.gathering);
            let used = json!({"run": claimed.lease.run.get(), "task": claimed.lease.task.get()});
            lock(&gathering.uses).entry((claimed.tenant, credential)).or_default().push(used);
            Arc::clone(&gathering)
        };
        let written = batch.written.get_or_try_init(|| async {
            let _alone = self.writing.lock().await;
            // Tasks that were claimed together are about to ask.
            tokio::task::yield_now().await;
            {
                let mut gathering = lock(&self.gathering);
                if Arc::ptr_eq(&gathering, &batch) {
                    *gathering = Arc::default();
                }
            }
            // Kept until they are written: where this fails, the next of those who wait tries again.
            let uses = lock(&batch.uses).clone();
            let mut entries = Vec::new();
            for ((tenant, credential), tasks) in uses {
                for tasks in tasks.chunks(TASKS_MAX) {
                    let (action, kind) = CREDENTIAL_USED;
                    let entry = Entry::by(tenant, None, "worker", action, kind).about(credential.get());
                    entries.push(inner.staged(entry.with("tasks", tasks.to_vec())));
                }
            }
            inner.store.append_audit(entries).await
        });
        written.await.copied()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is whole after every statement, so a panic elsewhere does not spoil it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
