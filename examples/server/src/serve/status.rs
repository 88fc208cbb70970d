//! How the server stands: health, readiness, the queue, workers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use opsconductor_core::{
    engine::Scoped,
    id::TenantId,
    store::{Page as Part, StepCounts},
};
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::Page,
    refusal::{Answer, Refusal},
};

/// What counts as of late.
const LATE: Duration = Duration::from_secs(24 * 3_600);

/// How long a count stands: it may be a look at many rows.
const COUNT_STANDS: Duration = Duration::from_secs(2);

/// The most tenants whose counts are remembered.
const TENANTS_MAX: usize = 256;

/// How often a worker looks for tasks that it was not told of, in seconds.
const POLL_SECONDS: u32 = 5;

const SERVICES: [(&str, &str); 7] = [
    ("/auth/health", "auth-service"),
    ("/users/health", "user-service"),
    ("/credentials/health", "credentials-service"),
    ("/targets/health", "targets-service"),
    ("/jobs/health", "jobs-service"),
    ("/scheduler/health", "scheduler"),
    ("/health", "auth-service"),
];

const PAGE: &str = "<!doctype html><html lang=en><title>OpsConductor</title><h1>OpsConductor</h1><p>The API is below /api.</p></html>";

/// What was counted last.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<TenantId, (Instant, StepCounts)>>);

pub(super) fn routes() -> Router<Shared> {
    let mut routes = Router::new()
        .route("/executor/health", get(executor_health))
        .route("/executor/status", get(executor_status))
        .route("/workers", get(workers));
    for (path, service) in SERVICES {
        routes = routes.merge(health(path, service));
    }
    routes
}

/// How a service says that it is there.
pub(super) fn health(path: &str, service: &'static str) -> Router<Shared> {
    Router::new().route(path, get(async move || Json(json!({"status": "healthy", "service": service}))))
}

/// As the service of its own had them.
pub(super) fn executor() -> Router<Shared> {
    Router::new().route("/health", get(executor_health)).route("/status", get(open_status))
}

pub(super) fn root() -> Router<Shared> {
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
}

async fn ready(State(app): State<Shared>) -> Response {
    match app.engine.store().list_workers(Part { skip: 0, limit: 1 }).await {
        Ok(_) => Json(json!({"status": "ready"})).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

async fn executor_health(State(app): State<Shared>) -> Json<Value> {
    Json(json!({
        "status": "healthy", "service": "executor-service",
        "worker_running": app.has_worker && !app.closing.is_cancelled(), "worker_enabled": app.has_worker,
    }))
}

async fn executor_status(State(app): State<Shared>, caller: Caller) -> Answer<Json<Value>> {
    standing(&app, &caller.ops).await
}

/// Of the default tenant, for a monitor that has no token.
async fn open_status(State(app): State<Shared>) -> Answer<Json<Value>> {
    standing(&app, &app.engine.local()).await
}

async fn standing(app: &Shared, ops: &Scoped) -> Answer<Json<Value>> {
    let tenant = ops.scope().tenant;
    let seen = app.status.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied();
    let counts = match seen.filter(|(at, _)| at.elapsed() < COUNT_STANDS) {
        Some((_, counts)) => counts,
        None => {
            let counts = ops.runs().step_counts(LATE).await?;
            let mut all = app.status.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= TENANTS_MAX {
                all.clear();
            }
            all.insert(tenant, (Instant::now(), counts));
            counts
        }
    };
    Ok(Json(json!({
        "worker_running": app.has_worker && !app.closing.is_cancelled(),
        "worker_enabled": app.has_worker,
        "poll_interval": POLL_SECONDS,
        "queue_stats": {
            "queued_steps": counts.queued, "running_steps": counts.running,
            "succeeded_steps": counts.succeeded, "failed_steps": counts.failed,
        },
    })))
}

async fn workers(caller: Caller, Page(page): Page) -> Answer<(StatusCode, Json<Value>)> {
    let list = caller.ops.workers().list(page).await?;
    let workers: Vec<_> = list
        .items
        .iter()
        .map(|worker| {
            json!({
                "id": worker.id, "host": worker.host, "process": worker.process, "version": worker.version,
                "concurrency": worker.concurrency, "running": worker.running, "state": worker.state,
                "started_at": worker.started_at, "seen_at": worker.seen_at,
            })
        })
        .collect();
    Ok((StatusCode::OK, Json(json!({"workers": workers, "total": list.total}))))
}
