//! Configuration as code: what would be changed, and changing it.

use axum::{Json, Router, routing::post};
use opsconductor_core::config::Desired;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Shared, caller::Caller, input::Body, refusal::Answer};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/config/plan", post(plan)).route("/config/apply", post(apply))
}

#[derive(Deserialize)]
struct Wanted {
    /// As a file of `opsconductor apply`.
    config: Box<RawValue>,
    #[serde(default)]
    prune: bool,
}

impl Wanted {
    fn read(&self) -> Result<Desired, opsconductor_core::Error> {
        let mut desired = Desired::default();
        desired.add("", self.config.get())?;
        Ok(desired)
    }
}

async fn plan(caller: Caller, Body(wanted): Body<Wanted>) -> Answer<Json<Value>> {
    let changes = caller.ops.config().plan(&wanted.read()?, wanted.prune).await?;
    Ok(Json(json!({"changes": changes})))
}

async fn apply(caller: Caller, Body(wanted): Body<Wanted>) -> Answer<Json<Value>> {
    let changes = caller.ops.config().apply(&wanted.read()?, wanted.prune).await?;
    Ok(Json(json!({"changes": changes})))
}
