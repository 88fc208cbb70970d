//! Logging in, tokens, logging out.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use opsconductor_core::{Secret, engine::TokenPair};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::Body,
    refusal::{Answer, Refusal},
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login", post(login))
        .route("/refresh", post(refresh))
        .route("/logout", post(logout))
        .route("/revoke-all", post(revoke_all))
        .route("/verify", get(verify))
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

fn shown(pair: &TokenPair) -> Json<Value> {
    Json(json!({
        "access_token": pair.access_token.expose(),
        "refresh_token": pair.refresh_token.expose(),
        "token_type": "bearer",
        "expires_in": pair.expires_in.as_secs(),
    }))
}

async fn login(State(app): State<Shared>, Body(given): Body<Login>) -> Answer<Json<Value>> {
    let logged_in = app.engine.login(&given.username, &Secret::from(given.password)).await?;
    Ok(shown(&logged_in.tokens().await?))
}

async fn refresh(State(app): State<Shared>, Body(given): Body<Refresh>) -> Answer<Json<Value>> {
    Ok(shown(&app.engine.refresh(&Secret::from(given.refresh_token)).await?))
}

async fn logout(State(app): State<Shared>, Body(given): Body<Refresh>) -> Answer<Json<Value>> {
    app.engine.logout(&Secret::from(given.refresh_token)).await?;
    Ok(Json(json!({"message": "Logged out"})))
}

async fn revoke_all(caller: Caller) -> Answer<Json<Value>> {
    let own = own(&caller)?;
    caller.ops.users().revoke_all(own).await?;
    Ok(Json(json!({"message": "All tokens have been revoked"})))
}

async fn verify(caller: Caller) -> Answer<Json<Value>> {
    let user = caller.ops.users().get(own(&caller)?).await?;
    let role = caller.ops.scope().actor.role();
    Ok(Json(json!({
        "valid": true,
        "user": {"id": user.id, "username": user.name, "email": user.email, "role": role},
    })))
}

fn own(caller: &Caller) -> Answer<opsconductor_core::id::UserId> {
    let none = || Refusal::new(axum::http::StatusCode::FORBIDDEN, "this takes an account");
    caller.ops.scope().actor.user_id().ok_or_else(none)
}
