//! Targets.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use opsconductor_core::{
    auth::policy::{Action, Resource, authorize},
    id::{CredentialId, TargetId},
    target::TargetSpec,
    transport::Protocol,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, At, Body, Page, given},
    refusal::Answer,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/targets", get(list).post(create))
        .route("/targets/{id}", get(one).put(update).delete(remove))
        .route("/targets/{id}/test", post(test))
        .route("/targets/{id}/test-winrm", post(test_winrm))
        .route("/targets/by-name/{name}", delete(remove_named))
}

#[derive(Deserialize)]
struct NewTarget {
    name: String,
    hostname: String,
    #[serde(default)]
    protocol: Option<Protocol>,
    port: Option<u16>,
    credential_ref: Option<CredentialId>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    depends_on: Vec<TargetId>,
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    hostname: Option<String>,
    protocol: Option<Protocol>,
    port: Option<u16>,
    /// Not there: it stays. Null: there is none.
    #[serde(default, deserialize_with = "given")]
    credential_ref: Option<Option<CredentialId>>,
    tags: Option<Vec<String>>,
    metadata: Option<Map<String, Value>>,
    depends_on: Option<Vec<TargetId>>,
}

#[derive(Deserialize)]
struct Tagged {
    tag: Option<String>,
}

async fn name_of(app: &Shared, caller: &Caller, id: i64) -> Answer<TargetSpec> {
    // Whoever may list them may know that it is there.
    caller.ops.targets().list(&[], opsconductor_core::store::Page { skip: 0, limit: 1 }).await?;
    Ok(app.engine.store().target(caller.ops.scope().tenant, TargetId::new(id)).await?.spec)
}

async fn create(caller: Caller, Body(new): Body<NewTarget>) -> Answer<(StatusCode, Json<Value>)> {
    let protocol = new.protocol.unwrap_or(Protocol::Winrm);
    let spec = TargetSpec {
        name: new.name,
        hostname: new.hostname,
        protocol,
        port: new.port.unwrap_or_else(|| protocol.default_port()),
        credential_ref: new.credential_ref,
        tags: new.tags,
        metadata: new.metadata,
        depends_on: new.depends_on,
    };
    Ok((StatusCode::CREATED, Json(json!(caller.ops.targets().create(spec).await?))))
}

async fn list(caller: Caller, Page(page): Page, Asked(asked): Asked<Tagged>) -> Answer<Json<Value>> {
    let tags: Vec<String> = asked.tag.into_iter().collect();
    let list = caller.ops.targets().list(&tags, page).await?;
    Ok(Json(json!({"targets": list.items, "total": list.total})))
}

async fn one(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let spec = name_of(&app, &caller, id).await?;
    Ok(Json(json!(caller.ops.targets().get(&spec.name).await?)))
}

async fn update(
    State(app): State<Shared>,
    caller: Caller,
    At(id): At<i64>,
    Body(change): Body<Change>,
) -> Answer<Json<Value>> {
    let old = name_of(&app, &caller, id).await?;
    let name = old.name.clone();
    let spec = TargetSpec {
        name: change.name.unwrap_or(old.name),
        hostname: change.hostname.unwrap_or(old.hostname),
        protocol: change.protocol.unwrap_or(old.protocol),
        port: change.port.unwrap_or(old.port),
        credential_ref: change.credential_ref.unwrap_or(old.credential_ref),
        tags: change.tags.unwrap_or(old.tags),
        metadata: change.metadata.unwrap_or(old.metadata),
        depends_on: change.depends_on.unwrap_or(old.depends_on),
    };
    Ok(Json(json!(caller.ops.targets().update(&name, spec).await?)))
}

async fn remove(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?.name;
    remove_named(caller, At(name)).await
}

async fn remove_named(caller: Caller, At(name): At<String>) -> Answer<Json<Value>> {
    caller.ops.targets().delete(&name).await?;
    Ok(Json(json!({"message": "Target deleted successfully"})))
}

async fn test(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?.name;
    tried(&caller, &name).await
}

/// The same for WinRM alone.
async fn test_winrm(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let spec = name_of(&app, &caller, id).await?;
    if spec.protocol == Protocol::Winrm {
        return tried(&caller, &spec.name).await;
    }
    // Who may not test one is told so whatever it speaks.
    authorize(caller.ops.scope(), Action::Execute, Resource::Target)?;
    let message =
        format!("the target speaks {}, not winrm; POST /targets/{id}/test tests any", spec.protocol);
    Ok(Json(json!({"test": {"status": "error", "details": {"message": message}}, "note": message})))
}

async fn tried(caller: &Caller, name: &str) -> Answer<Json<Value>> {
    let report = caller.ops.targets().test(name).await?;
    let mut details = json!(report.details);
    details["message"] = json!(report.message);
    details["layer"] = json!(report.layer);
    let status = if report.ok { "success" } else { "error" };
    Ok(Json(json!({"test": {"status": status, "details": details}, "note": report.message})))
}
