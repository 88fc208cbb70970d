//! What requests bring: bodies, ids, pages of lists.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use opsconductor_core::store;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::refusal::Refusal;

/// The most rows of a list that are given at once.
const LIMIT_MAX: u32 = 1_000;

/// A body in JSON that fits `T`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_json = says_json(request.headers());
        let bytes = read(request, state).await?;
        if !is_json {
            return Err(not_json());
        }
        Ok(Self(parse(&bytes)?))
    }
}

/// A body that may be left out.
pub(super) struct MaybeBody<T>(pub(super) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for MaybeBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_json = says_json(request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        if !is_json {
            return Err(not_json());
        }
        Ok(Self(parse(&bytes)?))
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state).await.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large; 2 MiB are taken")
        }
        _ => Refusal::new(StatusCode::BAD_REQUEST, "the body was cut off or cannot be read"),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // The error names places and types, and no value but one of the wrong type, which is left out.
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            let said = error.to_string();
            let said = said.strip_prefix("invalid type: ").map_or(said.clone(), |rest| {
                format!("wrong type; {}", rest.split_once("expected ").map_or(rest, |(_, expected)| expected))
            });
            Refusal::unfit("", format!("the body does not fit: {said}"))
        }
        _ => Refusal::unfit(
            "",
            format!("the body is no JSON, at line {}, column {}", error.line(), error.column()),
        ),
    })
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

fn not_json() -> Refusal {
    Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body is taken as application/json; say so in Content-Type",
    )
}

/// What a path names.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(named) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::unfit("", "an id is an integer of 64 bits"))?;
        Ok(Self(named))
    }
}

/// What a query says.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(asked) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| Refusal::unfit("", "the query does not fit: a value is of the wrong type"))?;
        Ok(Self(asked))
    }
}

/// Tells a member that is null from one that is not there.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Which part of a list is wanted.
pub(super) struct Page(pub(super) store::Page);

#[derive(Deserialize)]
struct Part {
    skip: Option<u64>,
    limit: Option<u32>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        part(parts, state, 100).await.map(Self)
    }
}

/// The same where less is given unless more is asked for.
pub(super) struct ShortPage(pub(super) store::Page);

impl<S: Send + Sync> FromRequestParts<S> for ShortPage {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        part(parts, state, 10).await.map(Self)
    }
}

async fn part<S: Send + Sync>(parts: &mut Parts, state: &S, usual: u32) -> Result<store::Page, Refusal> {
    let Asked(Part { skip, limit }) = Asked::from_request_parts(parts, state).await?;
    Ok(store::Page { skip: skip.unwrap_or(0), limit: limit.unwrap_or(usual).min(LIMIT_MAX) })
}
