//! Runs, their steps and their output.

use axum::{
    Json, Router,
    body::{Body as Stream, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use opsconductor_core::{
    engine::{Answer as Decision, LogPiece, LogPlace, LogQuery, Run},
    id::{JobId, RunId, TaskId},
    run::{RunStatus, plan::RunPlan},
    store::{Page as Part, RunFilter, RunRecord, TaskRecord},
    transport,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, At, Body, Page},
    refusal::{Answer, Refusal},
};

/// How many steps are read at a time.
const STEPS_AT_ONCE: u32 = 500;

/// The most pieces of output in an answer.
const CHUNKS_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/runs", get(list))
        .route("/runs/{id}", get(one))
        .route("/runs/{id}/steps", get(steps))
        .route("/runs/{id}/steps/{step}/decision", post(decide))
        .route("/runs/{id}/cancel", post(cancel))
        .route("/runs/{id}/retry", post(retry))
        .route("/runs/{id}/logs", get(logs))
        .route("/runs/{id}/logs.txt", get(text))
        .route("/approvals", get(approvals))
}

pub(super) fn shown(run: &RunRecord) -> Value {
    json!({
        "id": run.id, "job_id": run.job, "job_version": run.job_version, "status": run.status,
        "requested_by": run.requested_by, "parameters": run.parameters, "queued_at": run.queued_at,
        "started_at": run.started_at, "finished_at": run.finished_at, "correlation_id": run.correlation_id,
        "parent_run_id": run.parent, "labels": run.labels,
    })
}

#[derive(Deserialize)]
struct Which {
    job_id: Option<JobId>,
    status: Option<String>,
}

async fn list(caller: Caller, Page(page): Page, Asked(which): Asked<Which>) -> Answer<Json<Value>> {
    let status = which.status.as_deref().map(str::parse::<RunStatus>).transpose();
    let status = status
        .map_err(|_| Refusal::unfit("", "a status is queued, running, succeeded, failed or canceled"))?;
    let runs = caller.ops.runs().list(RunFilter { job: which.job_id, status }, page).await?;
    let items: Vec<_> = runs.items.iter().map(shown).collect();
    Ok(Json(json!({"runs": items, "total": runs.total})))
}

async fn found(caller: &Caller, id: i64) -> Answer<Run> {
    Ok(caller.ops.runs().get(RunId::new(id)).await?)
}

async fn one(caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    Ok(Json(shown(&found(&caller, id).await?.record().await?)))
}

async fn steps(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let run = found(&caller, id).await?;
    let (store, tenant) = (app.engine.store(), caller.ops.scope().tenant);
    let plan = store.run_plan(tenant, run.id()).await?;
    let mut all = Vec::new();
    loop {
        let page = Part { skip: all.len() as u64, limit: STEPS_AT_ONCE };
        let list = store.tasks(tenant, run.id(), page).await?;
        let is_last = list.items.is_empty() || page.skip + list.items.len() as u64 >= list.total;
        all.extend(list.items.into_iter().map(|task| step(&plan, task)));
        if is_last {
            return Ok(Json(Value::Array(all)));
        }
    }
}

/// A task as it is shown. What the plan says of it stands among its metrics, but for the command.
fn step(plan: &RunPlan, task: TaskRecord) -> Value {
    let planned = plan.step(task.step);
    let field = |name: &str| planned.and_then(|planned| planned.fields.get(name)).cloned();
    let shell = field("shell").unwrap_or(Value::Null);
    let mut metrics = task.metrics;
    metrics.insert(
        "target".to_owned(),
        json!(task.target.and_then(|id| plan.target(id)).map(|target| &target.name)),
    );
    metrics.insert("shell".to_owned(), shell.clone());
    if let Some(path) = field("destPath") {
        metrics.entry("dest_path").or_insert(path);
    }
    if let Some(size) = metrics.get("bytes").or_else(|| metrics.get("size")).cloned() {
        metrics.entry("content_size").or_insert(size);
    }
    json!({
        "id": task.id, "job_run_id": task.run, "idx": task.step, "type": task.kind, "target_id": task.target,
        "step": planned.map(|planned| &planned.id), "status": task.status, "shell": shell,
        "timeoutsec": planned.map(|planned| planned.timeout_sec), "exit_code": task.exit_code,
        "stdout": task.stdout, "stderr": task.stderr, "metrics": metrics, "attempt": task.attempt,
        "reason": task.reason, "started_at": task.started_at, "finished_at": task.finished_at,
    })
}

async fn cancel(caller: Caller, At(id): At<i64>) -> Answer<(StatusCode, Json<Value>)> {
    let run = caller.ops.runs().cancel(RunId::new(id)).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&run))))
}

async fn retry(caller: Caller, At(id): At<i64>) -> Answer<(StatusCode, Json<Value>)> {
    let again = found(&caller, id).await?.retry().await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&again.record().await?))))
}

#[derive(Deserialize)]
struct Word {
    approve: bool,
    note: Option<String>,
    target: Option<String>,
}

async fn decide(
    caller: Caller,
    At((id, step)): At<(i64, String)>,
    Body(word): Body<Word>,
) -> Answer<(StatusCode, Json<Value>)> {
    let run = found(&caller, id).await?;
    let answer = Decision { approve: word.approve, note: word.note };
    run.decide(&step, word.target.as_deref(), answer).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&run.record().await?))))
}

async fn approvals(caller: Caller, Page(page): Page) -> Answer<Json<Value>> {
    let open = caller.ops.approvals().list(page).await?;
    Ok(Json(json!({"approvals": open.items, "total": open.total})))
}

#[derive(Deserialize)]
struct WhichOutput {
    step: Option<String>,
    target: Option<String>,
    stream: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    q: Option<String>,
}

impl WhichOutput {
    fn query(&self) -> Answer<LogQuery> {
        let stream = match self.stream.as_deref() {
            None => None,
            Some("stdout") => Some(transport::Stream::Stdout),
            Some("stderr") => Some(transport::Stream::Stderr),
            Some(_) => return Err(Refusal::unfit("", "a stream is stdout or stderr")),
        };
        let after = self.after.as_deref().map(place).transpose()?;
        Ok(LogQuery { step: self.step.clone(), target: self.target.clone(), stream, after })
    }
}

/// A place as `next` gave it.
fn place(text: &str) -> Answer<LogPlace> {
    let mut parts = text.split('.');
    let read = (|| {
        let task = TaskId::new(parts.next()?.parse().ok()?);
        let place = LogPlace { task, attempt: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? };
        parts.next().is_none().then_some(place)
    })();
    read.ok_or_else(|| Refusal::unfit("", "after is what an answer before had as next"))
}

fn place_text(place: LogPlace) -> String {
    format!("{}.{}.{}", place.task, place.attempt, place.seq)
}

fn chunk(piece: &LogPiece) -> Value {
    json!({
        "step": piece.step, "target": piece.target, "attempt": piece.place.attempt, "seq": piece.place.seq,
        "stream": piece.stream.as_str(), "at": piece.at, "text": piece.text,
    })
}

async fn logs(caller: Caller, At(id): At<i64>, Asked(which): Asked<WhichOutput>) -> Answer<Json<Value>> {
    let run = found(&caller, id).await?;
    let limit = which.limit.unwrap_or(100).clamp(1, CHUNKS_MAX);
    let mut last = which.after.clone();
    let mut chunks = Vec::new();
    if let Some(text) = which.q.as_deref() {
        for line in run.search(text, which.query()?, limit).await? {
            last = Some(place_text(line.place));
            chunks.push(json!({
                "step": line.step, "target": line.target, "attempt": line.place.attempt, "seq": line.place.seq,
                "stream": line.stream.as_str(), "at": line.at, "text": line.line,
            }));
        }
    } else {
        let mut log = run.log(which.query()?).await?;
        while chunks.len() < limit
            && let Some(piece) = log.next().await?
        {
            last = Some(place_text(piece.place));
            chunks.push(chunk(&piece));
        }
    }
    Ok(Json(json!({"chunks": chunks, "next": last})))
}

/// The whole output as it came, read as fast as it is taken.
async fn text(caller: Caller, At(id): At<i64>, Asked(which): Asked<WhichOutput>) -> Answer<Response> {
    let log = found(&caller, id).await?.log(which.query()?).await?;
    let pieces = futures_util::stream::try_unfold(log, |mut log| async move {
        Ok::<_, opsconductor_core::Error>(log.next().await?.map(|piece| (Bytes::from(piece.text), log)))
    });
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, Stream::from_stream(pieces)).into_response())
}
