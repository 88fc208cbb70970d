//! Signatures of webhooks, by the [Standard Webhooks](https://www.standardwebhooks.com/) scheme: HMAC-SHA256 over id, time and
//! body, as `webhook-signature: v1,BASE64`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result, Secret};

/// What a secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";

/// Bytes of a secret that is made here; others may have 24 to 64.
const SECRET_LEN: usize = 32;

/// A new secret.
///
/// # Errors
///
/// `Internal` when the machine has no randomness to give.
pub fn generate() -> Result<Secret<String>> {
    let mut key = Zeroizing::new([0_u8; SECRET_LEN]);
    getrandom::fill(key.as_mut_slice())
        .map_err(|_| Error::new(ErrorKind::Internal, "the machine gives no random bytes"))?;
    let encoded = Zeroizing::new(STANDARD.encode(key.as_slice()));
    Ok(Secret::from(format!("{SECRET_PREFIX}{}", encoded.as_str())))
}

/// The key within a secret.
fn key(secret: &Secret<String>) -> Result<Zeroizing<Vec<u8>>> {
    let encoded = secret.expose().strip_prefix(SECRET_PREFIX).unwrap_or(secret.expose());
    let key = STANDARD.decode(encoded).map(Zeroizing::new).ok().filter(|key| (24..=64).contains(&key.len()));
    key.ok_or_else(|| {
        let message = "a secret of webhooks is whsec_ and 24 to 64 bytes in base64";
        Error::new(ErrorKind::InvalidInput, message)
    })
}

/// Refuses what is no secret of webhooks.
///
/// # Errors
///
/// `InvalidInput`.
pub fn check_secret(secret: &Secret<String>) -> Result<()> {
    key(secret).map(drop)
}

/// What goes into `webhook-signature`: one signature for each secret, so that a receiver may have either while one is replaced.
///
/// # Errors
///
/// `InvalidInput` for what is no secret.
pub fn sign(secrets: &[Secret<String>], id: &str, timestamp: i64, body: &[u8]) -> Result<String> {
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        signatures.push(format!(
            "v1,{}",
            STANDARD.encode(mac(secret, id, timestamp, body)?.finalize().into_bytes())
        ));
    }
    Ok(signatures.join(" "))
}

/// Whether one of the signatures is that of `secret`, for receivers and tests.
///
/// # Errors
///
/// `InvalidInput` for what is no secret.
pub fn verify(
    secret: &Secret<String>,
    id: &str,
    timestamp: i64,
    body: &[u8],
    signatures: &str,
) -> Result<bool> {
    let expected = mac(secret, id, timestamp, body)?;
    let given = signatures.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
    // Compared in a time that tells nothing.
    Ok(given.into_iter().any(|given| expected.clone().verify_slice(&given).is_ok()))
}

fn mac(secret: &Secret<String>, id: &str, timestamp: i64, body: &[u8]) -> Result<Hmac<Sha256>> {
    let key = key(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key)
        .map_err(|_| Error::new(ErrorKind::Internal, "HMAC takes keys of any length"))?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// The vector of the specification.
    #[test]
    fn the_published_vector_comes_out() {
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed =
            sign(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let holds = |id: &str, at, body: &[u8], given: &str| verify(&secret, id, at, body, given).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert!(holds(id, 1_614_265_330, body, &format!("v1,AAAA v2,x {signed}")));
        assert!(!holds("msg_q", 1_614_265_330, body, &signed));
        assert!(!holds(id, 1_614_265_331, body, &signed));
        assert!(!holds(id, 1_614_265_330, b"{}", &signed));
        assert!(!holds(id, 1_614_265_330, body, ""));
    }

    #[test]
    fn a_secret_is_new_each_time_and_signs_beside_the_one_before() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(one.expose() != other.expose() && one.expose().starts_with(SECRET_PREFIX));
        let both = sign(&[one, other], "msg_1", 1, b"x").unwrap();
        assert_eq!(both.split(' ').count(), 2);
        for bad in ["", "whsec_", "whsec_AAAA", "whsec_not base64"] {
            assert!(check_secret(&Secret::from(bad)).is_err(), "{bad}");
        }
    }
}
