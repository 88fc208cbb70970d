//! What a user wants to be told of the own runs.

use axum::{Json, Router, routing::get};
use opsconductor_core::{id::UserId, notify::Preferences};

use super::{
    Shared,
    caller::Caller,
    input::{At, Body},
    refusal::Answer,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/users/{id}/notifications", get(show).put(set))
}

async fn show(caller: Caller, At(id): At<i64>) -> Answer<Json<Preferences>> {
    Ok(Json(caller.ops.users().notification_preferences(UserId::new(id)).await?))
}

async fn set(caller: Caller, At(id): At<i64>, Body(wants): Body<Preferences>) -> Answer<Json<Preferences>> {
    caller.ops.users().set_notification_preferences(UserId::new(id), &wants).await?;
    Ok(Json(wants))
}
