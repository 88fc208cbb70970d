//! The state that a store shows in the end.

use std::sync::Arc;

use opsconductor_core::{
    Result,
    id::TenantId,
    store::{AttemptRecord, Page, RunFilter, RunRecord, Store},
};

use super::{SeenAttempt, SeenEvent, SeenRun, SeenTask};

/// How many runs are listed at a time.
const PAGE: u32 = 1000;

/// More than a run of these tests has of anything.
const ALL: Page = Page { skip: 0, limit: 10_000 };

/// How many runs are read at a time.
const AT_ONCE: usize = 4;

/// Every run of `tenant`.
///
/// # Errors
///
/// Those of the store.
pub async fn read_runs(store: &Arc<dyn Store>, tenant: TenantId) -> Result<Vec<SeenRun>> {
    let mut records = Vec::new();
    loop {
        let page = Page { skip: records.len() as u64, limit: PAGE };
        let list = store.list_runs(tenant, RunFilter::default(), page).await?;
        if list.items.is_empty() {
            break;
        }
        records.extend(list.items);
    }
    let mut runs = Vec::with_capacity(records.len());
    for part in records.chunks(AT_ONCE) {
        let reading: Vec<_> = part
            .iter()
            .map(|record| {
                let (store, record) = (Arc::clone(store), record.clone());
                tokio::spawn(async move { read_run(&*store, tenant, record).await })
            })
            .collect();
        for run in reading {
            runs.push(run.await.expect("reading a run does not panic")?);
        }
    }
    Ok(runs)
}

/// One run, with all that is known of it.
///
/// # Errors
///
/// Those of the store.
pub async fn read_run(store: &dyn Store, tenant: TenantId, record: RunRecord) -> Result<SeenRun> {
    let plan = store.run_plan(tenant, record.id).await?;
    let mut tasks = Vec::new();
    for task in store.tasks(tenant, record.id, ALL).await?.items {
        let attempts = match task.attempt {
            0 => Vec::new(),
            _ => store.attempts(tenant, record.id, task.id).await?,
        };
        let target = task.target.and_then(|id| plan.target(id));
        tasks.push(SeenTask {
            id: task.id.get(),
            step: task.step,
            target: target.map(|target| target.name.clone()).unwrap_or_default(),
            status: task.status,
            reason: task.reason,
            idempotent: plan.step(task.step).is_some_and(|step| step.idempotent),
            attempt: task.attempt,
            attempts: attempts.iter().map(seen).collect(),
        });
    }
    let events = store.events(tenant, record.id, 0, 100_000).await?;
    let events = events.iter().map(|event| SeenEvent {
        seq: event.seq,
        kind: event.kind.as_str(),
        task: event.task.map(|task| task.get()),
    });
    Ok(SeenRun {
        id: record.id.get(),
        job: plan.job_name.clone(),
        key: record.idempotency_key,
        turn: record.concurrency_key,
        status: record.status,
        finished_at: record.finished_at.map(|at| at.timestamp_micros()),
        tasks,
        events: events.collect(),
    })
}

fn seen(attempt: &AttemptRecord) -> SeenAttempt {
    SeenAttempt {
        number: attempt.attempt,
        started_at: attempt.started_at.timestamp_micros(),
        finished_at: attempt.finished_at.timestamp_micros(),
    }
}
