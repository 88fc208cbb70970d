//! The headers of a request.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use super::account::Account;
use crate::{Error, ErrorKind, Result, transport::HttpCall};

/// How we introduce ourselves, unless the step says otherwise.
const USER_AGENT: &str = concat!("opsconductor/", env!("CARGO_PKG_VERSION"));

/// Headers that belong to the connection or to the transport: no step and no credential sets them.
pub(super) fn is_ours(name: &str) -> bool {
    HttpCall::RESERVED_HEADERS.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// What may follow a redirect to another host: nothing of it says who we are.
const HARMLESS: [HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::USER_AGENT];

/// The headers of `call` with those that every request has; `host` is the value of `Host`.
pub(super) fn headers(call: &HttpCall, account: Option<&Account>, host: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(call.headers.len() + 6);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    for (name, value) in &call.headers {
        let invalid = |message: &str| Error::new(ErrorKind::InvalidInput, message).with("header", name);
        let key = HeaderName::try_from(name).map_err(|_| invalid("this is not the name of a header"))?;
        if is_ours(key.as_str()) {
            return Err(invalid("the transport sets this header itself: remove it from the step"));
        }
        if account.is_some_and(|account| account.name == key) {
            return Err(invalid("the target's credential sets this header: remove it from the step"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| {
            invalid("the value holds a line break or a character beyond ASCII, which no header can carry")
        })?;
        headers.insert(key, value);
    }
    if let Some(Account { name, value }) = account {
        headers.insert(name.clone(), value.clone());
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    set_host(&mut headers, host)?;
    Ok(headers)
}

/// Names the host that is asked.
pub(super) fn set_host(headers: &mut HeaderMap, host: &str) -> Result<()> {
    let value = HeaderValue::from_str(host)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the host name cannot stand in a header"))?;
    headers.insert(header::HOST, value);
    Ok(())
}

/// Takes away all that another host has no business to see.
pub(super) fn strip(headers: &mut HeaderMap) {
    let kept: Vec<_> = HARMLESS
        .into_iter()
        .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
        .collect();
    headers.clear();
    headers.extend(kept);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{headers, strip};
    use crate::{
        Secret,
        transport::{HttpCall, http::account::Account},
        vault::credential::Credential,
    };

    fn call(name: &str, value: &str) -> HttpCall {
        HttpCall { headers: vec![(name.to_owned(), value.to_owned())], ..HttpCall::new("GET", "/") }
    }

    #[test]
    fn no_header_smuggles_another() {
        for (name, value) in [
            ("X-A", "1\r\nX-B: 2"),
            ("X-A", "1\nX-B: 2"),
            ("X-A", "1\0"),
            ("X-A: 1\r\nX-B", "2"),
            ("", "1"),
            ("Host", "other"),
            ("content-length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
        ] {
            let error = headers(&call(name, value), None, "h").unwrap_err();
            assert!(!error.report().contains("X-B: 2") || name.contains("X-B"), "{error}");
        }
    }

    #[test]
    fn another_host_sees_nothing_that_says_who_we_are() {
        let credential = Credential::ApiKey { api_key: Secret::from("k1"), header: Some("X-Key".into()) };
        let account = Account::new(&credential).unwrap();
        assert!(headers(&call("x-key", "mine"), Some(&account), "h").is_err());
        let mut sent = headers(&call("Cookie", "id=1"), Some(&account), "h").unwrap();
        assert!(sent.contains_key("x-key") && sent.contains_key("cookie") && sent["host"] == "h");
        strip(&mut sent);
        assert_eq!(sent.len(), 3, "{:?}", sent.keys());
        assert!(!sent.contains_key("x-key") && !sent.contains_key("cookie") && !sent.contains_key("host"));
    }
}
