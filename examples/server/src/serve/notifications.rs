//! Who was told of runs, and the mail server.

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use opsconductor_core::{
    ErrorKind, Secret,
    engine::{Password, Scoped, SmtpInfo},
    id::RunId,
    notify::{Channel, NewNotification, Notification, SmtpSecurity, SmtpSettings},
    store::NotificationFilter,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Shared,
    caller::Caller,
    input::{Asked, Body, ShortPage, given},
    refusal::Answer,
};

/// What is shown in place of a password, and keeps it when it is sent back.
const MASK: &str = "********";

/// The port of a mail server that is told none.
const SMTP_PORT: u16 = 587;

/// The port where TLS begins with the first byte.
const SMTPS_PORT: u16 = 465;

/// As the main listener has them.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/notifications", get(list).post(create))
        .route("/notification/status", get(status))
        .route("/notification/worker/start", post(start))
        .route("/notification/worker/stop", post(stop))
        .merge(smtp("/notification"))
        .merge(smtp(""))
}

/// As the service of its own had them.
pub(super) fn service() -> Router<Shared> {
    Router::new()
        .route("/notifications", get(list).post(create))
        .route("/status", get(open_status))
        .route("/worker/start", post(start))
        .route("/worker/stop", post(stop))
        .merge(smtp(""))
}

fn smtp(below: &str) -> Router<Shared> {
    Router::new()
        .route(&format!("{below}/smtp/settings"), get(settings).post(set))
        .route(&format!("{below}/smtp/test"), post(test))
}

#[derive(Deserialize)]
struct Which {
    job_run_id: Option<RunId>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct New {
    job_run_id: RunId,
    channel: Channel,
    dest: String,
    #[serde(default)]
    payload: Map<String, Value>,
}

fn shown(one: &Notification) -> Value {
    json!({
        "id": one.id, "job_run_id": one.run, "channel": one.channel, "dest": one.dest, "payload": one.payload,
        "status": one.status, "sent_at": one.sent_at, "retries": one.retries, "error": one.error,
    })
}

async fn list(caller: Caller, ShortPage(page): ShortPage, Asked(which): Asked<Which>) -> Answer<Json<Value>> {
    let status = which.status.as_deref().map(str::parse).transpose()?;
    let filter = NotificationFilter { run: which.job_run_id, status };
    let list = caller.ops.notifications().list(filter, page).await?;
    let items: Vec<_> = list.items.iter().map(shown).collect();
    Ok(Json(json!({"notifications": items, "total": list.total})))
}

async fn create(caller: Caller, Body(new): Body<New>) -> Answer<Json<Value>> {
    let New { job_run_id: run, channel, dest, payload } = new;
    let new = NewNotification { run, channel, dest, payload: Value::Object(payload), template: None };
    Ok(Json(shown(&caller.ops.notifications().create(new).await?)))
}

async fn standing(ops: &Scoped) -> Answer<Json<Value>> {
    let status = ops.notifications().status().await?;
    Ok(Json(json!({
        "worker_running": status.worker_running, "pending_notifications": status.pending_notifications,
        "failed_notifications": status.failed_notifications, "last_check": status.last_check,
    })))
}

async fn status(caller: Caller) -> Answer<Json<Value>> {
    standing(&caller.ops).await
}

/// Of the default tenant, for a monitor that has no token.
async fn open_status(State(app): State<Shared>) -> Answer<Json<Value>> {
    standing(&app.engine.local()).await
}

async fn start(caller: Caller) -> Answer<Json<Value>> {
    caller.ops.notifications().start().await?;
    Ok(Json(json!({"message": "Notification worker started successfully", "status": "running"})))
}

async fn stop(caller: Caller) -> Answer<Json<Value>> {
    caller.ops.notifications().stop().await?;
    Ok(Json(json!({"message": "Notification worker stopped successfully", "status": "stopped"})))
}

async fn settings(caller: Caller) -> Answer<Json<Value>> {
    Ok(Json(match caller.ops.smtp().settings().await? {
        Some(SmtpInfo { settings, has_password }) => json!({
            "host": settings.host, "port": settings.port, "username": settings.username,
            "password": has_password.then_some(MASK), "use_tls": settings.security != SmtpSecurity::None,
            "security": settings.security, "from_email": settings.from_email, "from_name": settings.from_name,
            "is_configured": true,
        }),
        None => json!({
            "host": null, "port": SMTP_PORT, "username": null, "password": null, "use_tls": true,
            "security": SmtpSecurity::Starttls, "from_email": null, "from_name": null, "is_configured": false,
        }),
    }))
}

/// A mail server as a client sets it.
#[derive(Deserialize)]
struct Server {
    host: String,
    port: Option<u16>,
    username: Option<String>,
    /// Not there: it stays. Null: there is none.
    #[serde(default, deserialize_with = "given")]
    password: Option<Option<String>>,
    use_tls: Option<bool>,
    /// Says more than `use_tls`, which is not looked at then.
    security: Option<SmtpSecurity>,
    from_email: String,
    from_name: Option<String>,
}

impl Server {
    fn security(&self, port: u16) -> SmtpSecurity {
        match (self.security, self.use_tls) {
            (Some(security), _) => security,
            (None, Some(false)) => SmtpSecurity::None,
            (None, _) if port == SMTPS_PORT => SmtpSecurity::Tls,
            (None, _) => SmtpSecurity::Starttls,
        }
    }
}

async fn set(caller: Caller, Body(server): Body<Server>) -> Answer<Json<Value>> {
    let smtp = caller.ops.smtp();
    let port = server.port.unwrap_or(SMTP_PORT);
    let security = server.security(port);
    let password = match server.password {
        None => Password::Keep,
        Some(None) => Password::Remove,
        Some(Some(password)) => match password.as_str() {
            MASK => Password::Keep,
            "" => Password::Remove,
            _ => Password::Set(Secret::from(password)),
        },
    };
    // Certificates that were set from the command line stay.
    let ca_pem = smtp.settings().await?.and_then(|old| old.settings.ca_pem);
    let username = server.username.filter(|name| !name.is_empty());
    let from_name = server.from_name.filter(|name| !name.is_empty());
    let settings = SmtpSettings {
        host: server.host,
        port,
        username,
        security,
        from_email: server.from_email,
        from_name,
        ca_pem,
    };
    smtp.set(settings, password).await?;
    Ok(Json(json!({"message": "SMTP settings saved successfully", "status": "success"})))
}

#[derive(Deserialize)]
struct Trial {
    test_email: String,
}

async fn test(caller: Caller, Body(trial): Body<Trial>) -> Answer<Json<Value>> {
    match caller.ops.smtp().test(&trial.test_email).await {
        Ok(()) => {
            Ok(Json(json!({"success": true, "message": format!("a mail was sent to {}", trial.test_email)})))
        }
        // That the mail server did not take it is the answer that was asked for.
        Err(error) if matches!(error.kind(), ErrorKind::Transport | ErrorKind::Auth | ErrorKind::Timeout) => {
            Ok(Json(json!({"success": false, "message": error.to_string()})))
        }
        Err(error) => Err(error.into()),
    }
}
