#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "production";

fn now() -> Timestamp {
    seconds(1_767_225_600)
}

fn key() -> SigningKey {
    SigningKey::from_parts("0123456789abcdef", &[7; SigningKey::LEN]).unwrap()
}

fn claims() -> Claims {
    Claims::new(UserId::new(42), TenantId::new(3), 5, now(), Duration::from_secs(900)).unwrap()
}

fn check(token: &str) -> Result<Claims> {
    verify(token, &key(), ISSUER, now())
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": "0123456789abcdef"})
}

fn body() -> Value {
    let now = now().timestamp();
    json!({
        "iss": ISSUER, "aud": "opsconductor", "sub": "42", "typ": "access", "jti": "j",
        "iat": now, "nbf": now, "exp": now + 900, "ten": 3, "ver": 5
    })
}

/// Signed by our key, whatever it says.
fn signed(header: &str, body: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body));
    let signature = key().mac(&[text.as_bytes()]).finalize().into_bytes();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(mut object: Value, member: &str, value: Option<Value>) -> String {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(member.to_owned(), value),
        None => members.remove(member),
    };
    object.to_string()
}

fn is_refused(token: &str) {
    let error = check(token).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.report(), refused().report(), "{token}");
}

#[test]
fn what_was_signed_is_read() {
    let claims = claims();
    let token = sign(&key(), ISSUER, &claims).unwrap();
    assert_eq!(key_id(token.expose()).unwrap(), key().id());
    assert_eq!(check(token.expose()).unwrap(), claims);
    assert!(check(&signed(&header().to_string(), &body().to_string())).is_ok());
}

#[test]
fn the_signature_is_that_of_rfc_7515() {
    // Appendix A.1, whose header and claims we would not read.
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

#[test]
fn no_header_chooses_how_it_is_checked() {
    let body = body().to_string();
    for (member, value) in [
        ("alg", Some(json!("none"))),
        ("alg", Some(json!("None"))),
        ("alg", Some(json!("HS512"))),
        ("alg", Some(json!("RS256"))),
        ("alg", Some(json!("hs256"))),
        ("alg", None),
        ("kid", Some(json!("another"))),
        ("kid", Some(json!(""))),
        ("kid", None),
        ("typ", Some(json!("at+jwt"))),
        ("typ", None),
        ("jwk", Some(json!({"kty": "oct", "k": "AAAA"}))),
        ("crit", Some(json!(["exp"]))),
    ] {
        is_refused(&signed(&with(header(), member, value), &body));
    }
    is_refused(&signed(r#"{"alg":"none","alg":"HS256","typ":"JWT","kid":"0123456789abcdef"}"#, &body));
}

#[test]
fn every_claim_is_needed_and_has_to_hold() {
    let now = now().timestamp();
    for (claim, value) in [
        ("iss", json!("staging")),
        ("aud", json!("another")),
        ("aud", json!(["opsconductor"])),
        ("sub", json!("ann")),
        ("sub", json!(42)),
        ("typ", json!("refresh")),
        ("jti", json!("")),
        ("exp", json!(now - 30)),
        ("exp", json!(now + 86_401)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now + 31)),
        ("iat", json!(now + 31)),
        ("iat", json!(i64::MIN)),
        ("ver", json!(5.5)),
        ("admin", json!(true)),
    ] {
        is_refused(&signed(&header().to_string(), &with(body(), claim, Some(value))));
    }
    for claim in ["iss", "aud", "sub", "typ", "jti", "iat", "nbf", "exp", "ten", "ver"] {
        is_refused(&signed(&header().to_string(), &with(body(), claim, None)));
    }
    for (claim, value) in [("exp", now - 29), ("nbf", now + 30), ("iat", now + 30)] {
        let token = signed(&header().to_string(), &with(body(), claim, Some(json!(value))));
        // One whose end comes before its beginning never was good.
        assert_eq!(check(&token).is_ok(), claim != "exp", "{claim}");
    }
}

#[test]
fn a_token_ends_with_the_leeway() {
    let token = sign(&key(), ISSUER, &claims()).unwrap();
    let at = |second| verify(token.expose(), &key(), ISSUER, seconds(now().timestamp() + second));
    for (second, good) in
        [(-31, false), (-30, true), (0, true), (929, true), (930, false), (1_000_000, false)]
    {
        assert_eq!(at(second).is_ok(), good, "{second}");
    }
    assert!(verify(token.expose(), &key(), ISSUER, Timestamp::MAX_UTC).is_err());
    assert!(verify(token.expose(), &key(), ISSUER, Timestamp::MIN_UTC).is_err());
}

#[test]
fn what_is_no_token_is_refused() {
    let token = sign(&key(), ISSUER, &claims()).unwrap();
    let good = token.expose();
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    for text in [
        "".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        signed_part.to_owned(),
        format!("{signed_part}."),
        format!("{good}="),
        format!("{good}."),
        format!(".{good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{}{good}", "A".repeat(TOKEN_BYTES_MAX)),
    ] {
        is_refused(&text);
    }
}

#[test]
fn another_key_of_the_same_id_does_not_do() {
    let token = sign(&key(), ISSUER, &claims()).unwrap();
    let other = SigningKey::from_parts(key().id(), &[8; SigningKey::LEN]).unwrap();
    assert!(verify(token.expose(), &other, ISSUER, now()).is_err());
    assert!(SigningKey::from_parts("k", &[0; 31]).is_err());
    let (one, two) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    assert!(one.id() != two.id() && one.expose() != two.expose());
    assert!(!format!("{one:?}").contains(&format!("{:?}", one.expose())));
}

proptest! {
    #[test]
    fn a_token_that_was_altered_is_refused(at in any::<prop::sample::Index>(), other in any::<u8>()) {
        let mut bytes = sign(&key(), ISSUER, &claims()).unwrap().expose().clone().into_bytes();
        let at = at.index(bytes.len());
        let before = bytes[at];
        bytes[at] = other;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert_eq!(check(&text).is_ok(), before == other);
        }
    }

    #[test]
    fn a_token_that_was_cut_is_refused(keep in any::<prop::sample::Index>()) {
        let token = sign(&key(), ISSUER, &claims()).unwrap();
        let keep = keep.index(token.expose().len());
        prop_assert!(check(&token.expose()[..keep]).is_err());
    }

    #[test]
    fn no_text_is_too_odd(text in ".{0,300}") {
        prop_assert!(check(&text).is_err());
        let _ = key_id(&text);
    }
}
