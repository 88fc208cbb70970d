//! People's accounts.

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use opsconductor_core::{
    Secret,
    engine::{AccountChange, NewAccount, UserInfo},
    id::UserId,
    tenant::Role,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{At, Body, Page},
    refusal::{Answer, Refusal},
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{id}", get(one).put(update).delete(remove))
        .route("/users/{id}/roles", post(set_role))
}

#[derive(Deserialize)]
struct NewUser {
    email: String,
    username: String,
    password: String,
    role: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    email: Option<String>,
    username: Option<String>,
    password: Option<String>,
    role: Option<String>,
}

#[derive(Deserialize)]
struct NewRole {
    role: String,
}

fn shown(user: &UserInfo) -> Value {
    json!({
        "id": user.id, "email": user.email, "username": user.name, "role": user.role,
        "created_at": user.created_at, "token_version": user.token_version,
    })
}

fn role(text: &str) -> Answer<Role> {
    Ok(text.parse::<Role>()?)
}

async fn create(caller: Caller, Body(new): Body<NewUser>) -> Answer<(StatusCode, Json<Value>)> {
    let role = new.role.as_deref().map_or(Ok(Role::Viewer), role)?;
    let account = NewAccount { name: new.username, email: new.email, role };
    let user = caller.ops.users().create(account, &Secret::from(new.password)).await?;
    Ok((StatusCode::CREATED, Json(shown(&user))))
}

async fn list(caller: Caller, Page(page): Page) -> Answer<Json<Value>> {
    let users = caller.ops.users().list(page).await?;
    let items: Vec<_> = users.items.iter().map(shown).collect();
    Ok(Json(json!({"users": items, "total": users.total})))
}

async fn one(caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    Ok(Json(shown(&caller.ops.users().get(UserId::new(id)).await?)))
}

async fn update(caller: Caller, At(id): At<i64>, Body(change): Body<Change>) -> Answer<Json<Value>> {
    let (users, id) = (caller.ops.users(), UserId::new(id));
    // What may be refused comes first, so that less is done by halves.
    let mut user = users.get(id).await?;
    if let Some(wanted) = change.role.as_deref().map(role).transpose()?
        && wanted != user.role
    {
        user = users.set_role(id, wanted).await?;
    }
    if change.username.is_some() || change.email.is_some() {
        user = users.update(id, AccountChange { name: change.username, email: change.email }).await?;
    }
    if let Some(password) = change.password {
        user = users.set_password(id, &Secret::from(password)).await?;
    }
    Ok(Json(shown(&user)))
}

async fn remove(caller: Caller, At(id): At<i64>) -> Answer<Json<Value>> {
    let id = UserId::new(id);
    if caller.ops.scope().actor.user_id() == Some(id) {
        // Whether or not the caller might remove others.
        caller.ops.users().get(id).await?;
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "the own account cannot be deleted"));
    }
    caller.ops.users().delete(id).await?;
    Ok(Json(json!({"message": "User deleted successfully"})))
}

async fn set_role(caller: Caller, At(id): At<i64>, Body(given): Body<NewRole>) -> Answer<Json<Value>> {
    let role = role(&given.role)?;
    caller.ops.users().set_role(UserId::new(id), role).await?;
    Ok(Json(json!({"message": format!("Role {role} assigned successfully")})))
}
