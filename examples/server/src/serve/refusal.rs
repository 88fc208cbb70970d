//! Errors as they are told: `application/problem+json` (RFC 9457), and the one place that maps a kind to a status.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use opsconductor_core::{Error, ErrorKind, Problem};
use serde_json::json;

/// An answer that says why not.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    detail: String,
    problems: Vec<Problem>,
    retry_after: Option<Duration>,
}

pub(super) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), problems: Vec::new(), retry_after: None }
    }

    /// What was sent does not fit, at `pointer`.
    pub(super) fn unfit(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let problems = vec![Problem::new(pointer, detail.clone())];
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }
}

/// The status that tells of a kind.
fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::Canceled | ErrorKind::LeaseLost => StatusCode::CONFLICT,
        ErrorKind::InvalidInput | ErrorKind::InvalidJob | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
        ErrorKind::InvalidParameters | ErrorKind::Template => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Busy | ErrorKind::StoreUnavailable | ErrorKind::Vault => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Auth | ErrorKind::Transport => StatusCode::BAD_GATEWAY,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = status_of(error.kind());
        // What the database says is for the log alone.
        let is_ours = matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::Vault)
            || status.is_server_error();
        let detail = if is_ours && error.kind() != ErrorKind::Busy {
            tracing::warn!(error = %error.report(), "a request failed");
            match error.kind() {
                ErrorKind::StoreUnavailable => "the store is away or busy; try again".to_owned(),
                ErrorKind::Vault => {
                    "a sealed record cannot be made or opened with the keys of this server".to_owned()
                }
                _ => "the server failed; its log says why".to_owned(),
            }
        } else {
            error.to_string()
        };
        let retry_after = match error.kind() {
            ErrorKind::Busy | ErrorKind::StoreUnavailable | ErrorKind::Throttled => {
                Some(error.retry_after().unwrap_or(Duration::from_secs(1)))
            }
            _ => None,
        };
        Self { status, detail, problems: error.problems().to_vec(), retry_after }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.problems.is_empty() {
            body["problems"] = json!(self.problems);
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, body.to_string()).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
        }
        response
    }
}
