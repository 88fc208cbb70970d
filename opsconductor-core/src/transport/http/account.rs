//! The header that carries a credential.

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::fields::is_ours;
use crate::{Error, ErrorKind, Result, vault::credential::Credential};

/// A header that says who we are.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl Account {
    /// The header for `credential`: the one that it names with the bare key, or `Authorization` with `Bearer` before the
    /// key, unless the key brings a scheme of its own.
    pub(super) fn new(credential: &Credential) -> Result<Self> {
        let refuse = |message| Err(Error::new(ErrorKind::InvalidInput, message));
        let Credential::ApiKey { api_key, header } = credential else {
            return refuse("a target of the protocol http takes a credential of the type api_key");
        };
        let name = match header.as_deref().map(HeaderName::try_from) {
            None => AUTHORIZATION,
            Some(Ok(name)) if !is_ours(name.as_str()) => name,
            Some(_) => return refuse("the credential's header is not one that can carry a key"),
        };
        let key = api_key.expose().trim();
        let bearer = Zeroizing::new(format!("Bearer {key}"));
        let text = if name == AUTHORIZATION && !key.contains(' ') { bearer.as_str() } else { key };
        let Ok(mut value) = HeaderValue::from_str(text) else {
            return refuse("the credential's key holds what no header can carry, such as a line break");
        };
        // So that hyper shows nothing of it in its own diagnostics.
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::Account;
    use crate::{Secret, vault::credential::Credential};

    fn header(key: &str, header: Option<&str>) -> crate::Result<(String, String)> {
        let credential = Credential::ApiKey { api_key: Secret::from(key), header: header.map(str::to_owned) };
        let account = Account::new(&credential)?;
        Ok((account.name.to_string(), account.value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_key_goes_where_the_credential_says() {
        let both = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(header("k1", None).unwrap(), both("authorization", "Bearer k1"));
        assert_eq!(header("k1", Some("Authorization")).unwrap(), both("authorization", "Bearer k1"));
        assert_eq!(header("Basic eA==", None).unwrap(), both("authorization", "Basic eA=="));
        assert_eq!(header("k1", Some("X-API-Key")).unwrap(), both("x-api-key", "k1"));
    }

    #[test]
    fn a_key_that_cannot_be_sent_is_refused_without_being_shown() {
        for (key, name) in [("k\r\nX-Evil: 1", None), ("k", Some("Host")), ("k", Some("Content-Length"))] {
            let error = header(key, name).unwrap_err();
            assert!(!error.report().contains("Evil"), "{error}");
        }
        let other = Credential::winrm("ada", Secret::from("hunter2"));
        assert!(Account::new(&other).is_err_and(|error| !error.report().contains("hunter2")));
    }
}
