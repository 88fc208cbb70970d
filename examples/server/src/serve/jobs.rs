//! Jobs: saved, looked at, run.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use opsconductor_core::{
    ErrorKind, JobSpec,
    engine::{JobOptions, RunOptions},
    id::JobId,
    store::JobRecord,
};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, At, Body, MaybeBody, Page},
    refusal::{Answer, Refusal},
    runs,
};

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/jobs", get(list).post(create))
        .route("/jobs/validate", post(validate))
        .route("/jobs/{id}", get(one).put(update).delete(remove))
        .route("/jobs/{id}/run", post(run))
        .route("/jobs/{id}/plan", post(plan))
        .route("/job-schema.json", get(schema))
}

#[derive(Deserialize)]
struct NewJob {
    name: String,
    version: Option<i32>,
    definition: Box<RawValue>,
    is_active: Option<bool>,
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    version: Option<i32>,
    definition: Option<Box<RawValue>>,
    is_active: Option<bool>,
}

#[derive(Deserialize)]
struct Definition {
    definition: Box<RawValue>,
}

#[derive(Deserialize)]
struct ActiveOnly {
    active_only: Option<bool>,
}

fn shown(job: &JobRecord) -> Value {
    json!({
        "id": job.id, "name": job.name, "version": job.version, "definition": job.definition,
        "created_by": job.created_by, "is_active": job.is_active, "created_at": job.created_at,
    })
}

/// A job with the names that a run has to be given values for.
fn with_required(app: &Shared, job: &JobRecord) -> Value {
    let valid = JobSpec::from_value(job.definition.clone()).validate(app.engine.step_kinds());
    let mut whole = shown(job);
    // One that holds no more, such as after a step kind was left out, cannot be run in any case.
    whole["required_parameters"] =
        json!(valid.map(|job| job.required_parameters().to_vec()).unwrap_or_default());
    whole
}

async fn create(
    State(app): State<Shared>,
    caller: Caller,
    Body(new): Body<NewJob>,
) -> Answer<(StatusCode, Json<Value>)> {
    let options = JobOptions {
        name: Some(new.name),
        version: Some(new.version.unwrap_or(1)),
        is_active: new.is_active,
    };
    let job = caller.ops.jobs().create_with(&JobSpec::parse(new.definition.get())?, options).await?;
    Ok((StatusCode::CREATED, Json(with_required(&app, &job))))
}

async fn list(caller: Caller, Page(page): Page, Asked(asked): Asked<ActiveOnly>) -> Answer<Json<Value>> {
    let jobs = caller.ops.jobs().list(asked.active_only.unwrap_or(true), page).await?;
    let items: Vec<_> = jobs.items.iter().map(shown).collect();
    Ok(Json(json!({"jobs": items, "total": jobs.total})))
}

async fn one(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    Ok(Json(with_required(&app, &caller.ops.jobs().by_id(JobId::new(id)).await?)))
}

async fn update(
    State(app): State<Shared>,
    caller: Caller,
    At(id): At<i64>,
    Body(change): Body<Change>,
) -> Answer<Json<Value>> {
    let jobs = caller.ops.jobs();
    let old = jobs.by_id(JobId::new(id)).await?;
    let job = match (change.definition, change.is_active) {
        // What is put out of use need not hold any more.
        (None, Some(is_active)) if change.name.is_none() && change.version.is_none() => {
            jobs.set_active(&old.name, is_active).await?
        }
        (definition, is_active) => {
            let spec = match definition {
                Some(definition) => JobSpec::parse(definition.get())?,
                None => JobSpec::from_value(old.definition),
            };
            let options =
                JobOptions { name: change.name, version: Some(change.version.unwrap_or(1)), is_active };
            jobs.update_with(&old.name, &spec, options).await?
        }
    };
    Ok(Json(with_required(&app, &job)))
}

async fn remove(caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = caller.ops.jobs().by_id(JobId::new(id)).await?.name;
    caller.ops.jobs().delete(&name).await?;
    Ok(Json(json!({"message": "Job deleted successfully"})))
}

/// Parameters come bare or as `{"parameters": {...}}`.
fn parameters(body: Option<Value>) -> Answer<Map<String, Value>> {
    match body {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(mut given)) => match given.get("parameters") {
            Some(Value::Object(_)) if given.len() == 1 => Ok(given
                .remove("parameters")
                .and_then(|inner| inner.as_object().cloned())
                .unwrap_or_default()),
            Some(Value::Null) if given.len() == 1 => Ok(Map::new()),
            _ => Ok(given),
        },
        Some(_) => Err(Refusal::unfit("", "the parameters are an object")),
    }
}

fn header(headers: &HeaderMap, name: &'static str) -> Answer<Option<String>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.to_str().ok().filter(|value| (1..=KEY_BYTES_MAX).contains(&value.len()));
    let wrong = || {
        Refusal::new(StatusCode::BAD_REQUEST, format!("{name} has 1 to {KEY_BYTES_MAX} visible characters"))
    };
    value.map(|value| Some(value.to_owned())).ok_or_else(wrong)
}

async fn run(
    caller: Caller,
    At(id): At<i64>,
    headers: HeaderMap,
    MaybeBody(body): MaybeBody<Value>,
) -> Answer<(StatusCode, Json<Value>)> {
    let options = RunOptions {
        idempotency_key: header(&headers, "Idempotency-Key")?,
        correlation_id: header(&headers, "X-Correlation-Id")?,
        ..RunOptions::default()
    };
    let jobs = caller.ops.jobs();
    let name = jobs.name_of(JobId::new(id)).await?;
    let run = jobs.run(&name, parameters(body)?, options).await?;
    Ok((StatusCode::CREATED, Json(runs::shown(&run.record().await?))))
}

async fn validate(caller: Caller, Body(given): Body<Definition>) -> Answer<Json<Value>> {
    let problems = match JobSpec::parse(given.definition.get()) {
        Ok(spec) => caller.ops.jobs().validate(&spec).await?,
        Err(error) if error.kind() == ErrorKind::InvalidJob => error.problems().to_vec(),
        Err(error) => return Err(error.into()),
    };
    Ok(Json(json!({"valid": problems.is_empty(), "problems": problems})))
}

async fn plan(caller: Caller, At(id): At<i64>, MaybeBody(body): MaybeBody<Value>) -> Answer<Json<Value>> {
    let jobs = caller.ops.jobs();
    let name = jobs.name_of(JobId::new(id)).await?;
    Ok(Json(json!(jobs.plan(&name, parameters(body)?).await?)))
}

async fn schema(State(app): State<Shared>, _caller: Caller) -> Json<Value> {
    Json(app.engine.step_kinds().job_schema())
}
