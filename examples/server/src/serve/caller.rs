//! Who calls: the bearer token of a request.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use opsconductor_core::{Secret, engine::Scoped};

use super::{Shared, refusal::Refusal};

/// The engine as whoever sent the request may use it.
pub(super) struct Caller {
    pub(super) ops: Scoped,
    /// Looked at again while a stream is open.
    pub(super) token: Secret<String>,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| Secret::from(token.trim()));
        let token = token.ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "this takes a token; send Authorization: Bearer <access_token>",
            )
        })?;
        let scope = app.engine.verify_access(token.expose()).await?;
        Ok(Self { ops: app.engine.scope(scope), token })
    }
}
