//! Access tokens: JWTs under HMAC-SHA256, made and read by the little code that this takes.
//!
//! No JWT crate is used. The well-known one lets a process have one provider of cryptography for all who use it, which a library
//! must not choose for its host; and it reads whatever algorithm, header and claims there are, where this reads one form and
//! refuses every other. A key id means one key, and a key one algorithm, so that no header can choose how it is checked.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;

use super::random;
use crate::{
    Error, ErrorKind, Result, Secret,
    clock::Timestamp,
    id::{TenantId, UserId},
};

/// How far the clocks of those who make and those who check tokens may be apart.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The longest life of an access token. One that says it lives longer is refused, whoever signed it.
pub const ACCESS_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The longest token that is looked at.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// The one algorithm.
const ALGORITHM: &str = "HS256";

/// What the header calls the token.
const HEADER_TYPE: &str = "JWT";

/// What the claims call it, so that no other token of ours passes for one.
const TYPE: &str = "access";

/// Whom it is for.
const AUDIENCE: &str = "opsconductor";

/// A key that signs tokens.
#[derive(Debug, Clone)]
pub struct SigningKey {
    id: String,
    bytes: Secret<[u8; SigningKey::LEN]>,
}

impl SigningKey {
    /// How many bytes it has.
    pub const LEN: usize = 32;

    /// A new key with a new id.
    ///
    /// # Errors
    ///
    /// `Internal` when the system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self { id: super::hex(&random::<8>()?), bytes: Secret::new(random()?) })
    }

    /// The key with this id and these bytes.
    ///
    /// # Errors
    ///
    /// `Vault` when they are not as many as a key has.
    pub fn from_parts(id: impl Into<String>, bytes: &[u8]) -> Result<Self> {
        let wrong = |_| Error::new(ErrorKind::Vault, "a signing key has another length than it should");
        Ok(Self { id: id.into(), bytes: Secret::new(bytes.try_into().map_err(wrong)?) })
    }

    /// The id that tokens name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bytes, to be sealed.
    pub(crate) fn expose(&self) -> &[u8; Self::LEN] {
        self.bytes.expose()
    }

    /// A signature of `parts`, one after the other.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.bytes.expose()).expect("HMAC takes a key of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub user: UserId,
    /// The tenant of that account.
    pub tenant: TenantId,
    /// The account's token version when the token was made: with another one the token has ended.
    pub token_version: i32,
    /// The token's own id.
    pub id: String,
    /// When it was made, in seconds.
    pub issued_at: Timestamp,
    /// When it ends, in seconds.
    pub expires_at: Timestamp,
}

impl Claims {
    /// Claims of a new token that is made at `now` and lives for `life`, both cut to seconds.
    ///
    /// # Errors
    ///
    /// `Internal` when the system gives no random bytes; `InvalidInput` for a life longer than [`ACCESS_LIFE_MAX`].
    pub fn new(
        user: UserId,
        tenant: TenantId,
        token_version: i32,
        now: Timestamp,
        life: Duration,
    ) -> Result<Self> {
        if life > ACCESS_LIFE_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "an access token lives for a day at most"));
        }
        let issued_at = seconds(now.timestamp());
        let expires_at = issued_at + Duration::from_secs(life.as_secs());
        Ok(Self { user, tenant, token_version, id: super::hex(&random::<16>()?), issued_at, expires_at })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    iss: String,
    aud: String,
    sub: String,
    typ: String,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(rename = "ten")]
    tenant: i64,
    #[serde(rename = "ver")]
    token_version: i32,
}

/// The token of these claims under `key`, from `issuer`, which is the deployment's name.
pub fn sign(key: &SigningKey, issuer: &str, claims: &Claims) -> Result<Secret<String>> {
    let header = Header { alg: ALGORITHM.into(), typ: HEADER_TYPE.into(), kid: key.id.clone() };
    let body = Body {
        iss: issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: claims.user.to_string(),
        typ: TYPE.to_owned(),
        jti: claims.id.clone(),
        iat: claims.issued_at.timestamp(),
        nbf: claims.issued_at.timestamp(),
        exp: claims.expires_at.timestamp(),
        tenant: claims.tenant.get(),
        token_version: claims.token_version,
    };
    let mut text = format!("{}.{}", encoded(&header)?, encoded(&body)?);
    let signature = key.mac(&[text.as_bytes()]).finalize().into_bytes();
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(Secret::new(text))
}

/// The id of the key that a token names, as far as it is one of ours. Nothing of the token is checked yet.
///
/// # Errors
///
/// `Unauthenticated`.
pub fn key_id(token: &str) -> Result<String> {
    Ok(Parts::of(token).ok_or_else(refused)?.header.kid)
}

/// What a token says, once `key`, which must have the id that it names, has shown that it is ours, it is from `issuer`, and
/// it lives at `now`.
///
/// # Errors
///
/// `Unauthenticated`. Whatever the reason, it is the same error.
pub fn verify(token: &str, key: &SigningKey, issuer: &str, now: Timestamp) -> Result<Claims> {
    let parts = Parts::of(token).filter(|parts| parts.header.kid == key.id).ok_or_else(refused)?;
    // In constant time. Nothing of what is signed is read before.
    let signature = URL_SAFE_NO_PAD.decode(parts.signature).map_err(|_| refused())?;
    key.mac(&[parts.signed.as_bytes()]).verify_slice(&signature).map_err(|_| refused())?;
    let body: Body = decoded(parts.body).ok_or_else(refused)?;
    let leeway = LEEWAY.as_secs() as i64;
    let (now, life_max) = (now.timestamp(), ACCESS_LIFE_MAX.as_secs() as i64);
    let is_ours = body.iss == issuer && body.aud == AUDIENCE && body.typ == TYPE && !body.jti.is_empty();
    let lives = body.nbf <= now.saturating_add(leeway)
        && body.iat <= now.saturating_add(leeway)
        && body.exp > now.saturating_sub(leeway)
        && body.exp > body.iat
        && body.exp.saturating_sub(body.iat) <= life_max;
    if !is_ours || !lives {
        return Err(refused());
    }
    Ok(Claims {
        user: body.sub.parse().map_err(|_| refused())?,
        tenant: TenantId::new(body.tenant),
        token_version: body.token_version,
        id: body.jti,
        issued_at: seconds(body.iat),
        expires_at: seconds(body.exp),
    })
}

/// What everyone is told whose token is not good, whatever the reason.
pub(crate) fn refused() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the token is not valid, or is not valid any more")
}

/// A token taken apart.
struct Parts<'a> {
    header: Header,
    /// What the signature is of.
    signed: &'a str,
    body: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, body) = signed.split_once('.')?;
        let header: Header = decoded(header)?;
        let is_known = header.alg == ALGORITHM && header.typ == HEADER_TYPE && !body.contains('.');
        is_known.then_some(Self { header, signed, body, signature })
    }
}

fn encoded(part: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(part)
        .map_err(|error| Error::new(ErrorKind::Internal, "a token has no JSON form").with_source(error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// Without padding, without bits to spare, each member once and none unknown.
fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn seconds(since_1970: i64) -> Timestamp {
    Timestamp::from_timestamp(since_1970, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
