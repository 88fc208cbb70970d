//! Tokens that programs call with.

use std::time::Duration;

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{delete, get},
};
use opsconductor_core::{
    engine::TokenRequest,
    id::{ApiTokenId, UserId},
    tenant::Role,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, At, Body, Page},
    refusal::Answer,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/tokens", get(list).post(create)).route("/tokens/{id}", delete(revoke))
}

#[derive(Deserialize)]
struct New {
    name: String,
    /// The caller's own when it is not said.
    role: Option<String>,
    scopes: Option<Vec<String>>,
    /// In seconds.
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Whose {
    user_id: Option<UserId>,
}

async fn list(caller: Caller, Page(page): Page, Asked(whose): Asked<Whose>) -> Answer<Json<Value>> {
    let tokens = caller.ops.api_tokens();
    let list = match whose.user_id {
        Some(user) => tokens.of_user(user, page).await?,
        None => tokens.list(page).await?,
    };
    Ok(Json(json!({"tokens": list.items, "total": list.total})))
}

async fn create(caller: Caller, Body(new): Body<New>) -> Answer<(StatusCode, Json<Value>)> {
    let role = match new.role {
        Some(role) => role.parse::<Role>()?,
        None => caller.ops.scope().actor.role(),
    };
    let only =
        new.scopes.map(|all| all.iter().map(|one| one.parse()).collect::<Result<_, _>>()).transpose()?;
    let life = new.expires_in.map(Duration::from_secs);
    let made = caller.ops.api_tokens().create(TokenRequest { name: new.name, role, only, life }).await?;
    let mut shown = json!(made.info);
    shown["token"] = json!(made.token.expose());
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn revoke(caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    caller.ops.api_tokens().revoke(ApiTokenId::new(id)).await?;
    Ok(Json(json!({"message": "Token deleted successfully"})))
}
