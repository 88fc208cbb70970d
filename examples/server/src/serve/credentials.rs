//! Credentials.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use opsconductor_core::{
    Error, ErrorKind,
    engine::CredentialInfo,
    id::CredentialId,
    vault::{Credential, credential::CredentialKind},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{At, Body, Page},
    refusal::Answer,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/credentials", get(list).post(create))
        .route("/credentials/{id}", get(one).delete(remove))
        .route("/credentials/{id}/decrypt", get(decrypt))
        .route("/credentials/{id}/rotate", post(rotate))
        .route("/credentials/by-name/{name}", delete(remove_named))
}

#[derive(Deserialize)]
struct NewCredential {
    name: String,
    credential_type: String,
    credential_data: Value,
}

fn shown(info: &CredentialInfo) -> Value {
    json!({
        "id": info.id, "name": info.name, "description": info.description, "credential_type": info.credential_type,
        "created_at": info.created_at, "updated_at": info.updated_at,
    })
}

fn kind(name: &str) -> Answer<CredentialKind> {
    let name = if name == "winrm_ntlm" { "winrm" } else { name };
    Ok(name.parse::<CredentialKind>()?)
}

/// The name of the credential with this id, for whoever may see credentials.
async fn name_of(app: &Shared, caller: &Caller, id: i64) -> Answer<String> {
    // Whoever may list them may know that it is there.
    caller.ops.credentials().list(opsconductor_core::store::Page { skip: 0, limit: 1 }).await?;
    Ok(app.engine.store().credential(caller.ops.scope().tenant, CredentialId::new(id)).await?.name)
}

async fn create(caller: Caller, Body(new): Body<NewCredential>) -> Answer<(StatusCode, Json<Value>)> {
    let credential = Credential::from_value(kind(&new.credential_type)?, new.credential_data)?;
    let info = caller.ops.credentials().create(&new.name, &credential).await?;
    Ok((StatusCode::CREATED, Json(shown(&info))))
}

async fn list(caller: Caller, Page(page): Page) -> Answer<Json<Value>> {
    let list = caller.ops.credentials().list(page).await?;
    let items: Vec<_> = list.items.iter().map(shown).collect();
    Ok(Json(json!({"credentials": items, "total": list.total})))
}

async fn one(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?;
    Ok(Json(shown(&caller.ops.credentials().get(&name).await?)))
}

async fn decrypt(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?;
    let credential = caller.ops.credentials().reveal(&name).await?;
    let mut whole = shown(&caller.ops.credentials().get(&name).await?);
    whole["credential_data"] = serde_json::from_slice(credential.to_bytes().expose())
        .map_err(|source| Error::new(ErrorKind::Internal, "a credential is no JSON").with_source(source))?;
    Ok(Json(whole))
}

async fn rotate(
    State(app): State<Shared>,
    caller: Caller,
    At(id): At<i64>,
    Body(data): Body<Value>,
) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?;
    let present = caller.ops.credentials().get(&name).await?;
    let data = match data.get("payload") {
        Some(payload) => payload.clone(),
        None => data,
    };
    let credential = Credential::from_value(kind(&present.credential_type)?, data)?;
    let info = caller.ops.credentials().rotate(&name, &credential).await?;
    Ok(Json(json!({"message": "Credential rotated successfully", "rotated_at": info.updated_at})))
}

async fn remove(State(app): State<Shared>, caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let name = name_of(&app, &caller, id).await?;
    remove_named(caller, At(name)).await
}

async fn remove_named(caller: Caller, At(name): At<String>) -> Answer<Json<Value>> {
    caller.ops.credentials().delete(&name).await?;
    Ok(Json(json!({"message": "Credential deleted successfully"})))
}
