//! The audit record.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use opsconductor_core::{audit::Chained, id::UserId, store::AuditFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, Page},
    refusal::Answer,
};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/verify", get(verify))
        .route("/audit/export", get(export))
}

#[derive(Deserialize)]
struct Which {
    actor_id: Option<UserId>,
    actor: Option<String>,
    action: Option<String>,
    resource_type: Option<String>,
    resource_id: Option<i64>,
}

fn shown(chained: &Chained) -> Value {
    let record = &chained.record;
    json!({
        "seq": record.seq, "at": record.at, "actor": record.actor, "actor_id": record.actor_id, "action": record.action,
        "resource_type": record.resource_type, "resource_id": record.resource_id, "outcome": record.outcome.as_str(),
        "ip": record.ip, "user_agent": record.user_agent, "details": record.details, "hash": chained.hash.to_string(),
    })
}

async fn list(caller: Caller, Page(page): Page, Asked(which): Asked<Which>) -> Answer<Json<Value>> {
    let filter = AuditFilter {
        actor: which.actor_id,
        actor_name: which.actor,
        action: which.action,
        resource_type: which.resource_type,
        resource_id: which.resource_id,
        ..AuditFilter::default()
    };
    let list = caller.ops.audit().list(&filter, page).await?;
    let records: Vec<_> = list.items.iter().map(shown).collect();
    Ok(Json(json!({"records": records, "total": list.total})))
}

async fn verify(caller: Caller) -> Answer<Json<Value>> {
    let report = caller.ops.audit().verify(&[]).await?;
    let problems: Vec<_> = report
        .findings
        .iter()
        .map(|one| json!({"fault": one.fault.as_str(), "seq": one.seq, "message": one.message}))
        .collect();
    let checkpoint = json!({"size": report.head.size, "hash": report.head.hash.to_string()});
    Ok(Json(json!({
        "ok": report.is_ok(), "records": report.records, "problems": problems, "checkpoint": checkpoint,
    })))
}

async fn export(caller: Caller) -> Answer<Response> {
    let export = caller.ops.audit().export().await?;
    let lines = futures_util::stream::try_unfold(export, |mut export| async move {
        Ok::<_, opsconductor_core::Error>(export.next().await?.map(|(lines, _)| (Bytes::from(lines), export)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}
