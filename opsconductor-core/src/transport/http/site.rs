//! Where requests go: a scheme, a host and a port, and what is trusted there.

use std::{sync::Arc, time::Duration};

use super::guard::NamedBy;
use crate::{
    Error, Result,
    transport::{
        Endpoint,
        metadata::{flag, host_name, invalid, text},
        tls::{Trust, TrustBase},
    },
};

/// What the names of this transport's members of metadata begin with.
pub(super) const METADATA: &str = "http";

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// One origin.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// A name or an address, without brackets.
    pub(super) name: String,
    pub(super) port: u16,
    /// `None` is plain HTTP.
    pub(super) trust: Option<Trust>,
    pub(super) named_by: NamedBy,
    /// Whether requests show a credential to whoever is on the way, without leave to do so.
    pub(super) exposes_credential: bool,
}

impl Site {
    pub(super) fn is_https(&self) -> bool {
        self.trust.is_some()
    }

    /// Whether both are the same scheme, host and port.
    pub(super) fn is_same_origin(&self, https: bool, name: &str, port: u16) -> bool {
        self.is_https() == https && self.port == port && self.name.eq_ignore_ascii_case(name)
    }

    /// Host and port as they stand in a URL and in the header `Host`.
    pub(super) fn authority(&self) -> String {
        let name = if self.name.contains(':') { format!("[{}]", self.name) } else { self.name.clone() };
        if self.port == default_port(self.is_https()) { name } else { format!("{name}:{}", self.port) }
    }
}

/// The port of a scheme.
pub(super) fn default_port(https: bool) -> u16 {
    if https { HTTPS_PORT } else { HTTP_PORT }
}

/// A target of this protocol, read from its endpoint.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) target: String,
    pub(super) site: Site,
    /// Empty, or beginning with `/` and not ending in it.
    pub(super) base_path: String,
    pub(super) connect_timeout: Duration,
    /// What is trusted at other hosts.
    pub(super) elsewhere: Arc<TrustBase>,
}

impl Host {
    /// `has_account` says whether requests carry a credential.
    pub(super) fn new(endpoint: &Endpoint, has_account: bool, base: &Arc<TrustBase>) -> Result<Self> {
        let allow_plain = flag(endpoint, "http_allow_plain_credentials")?.unwrap_or(false);
        let name = host_name(endpoint)?;
        let https = flag(endpoint, "http_use_https")?.unwrap_or(endpoint.port == HTTPS_PORT);
        let trust = if https { Some(Trust::of(endpoint, METADATA, base)?) } else { None };
        let base_path = text(endpoint, "http_base_path")?.unwrap_or_default().trim_end_matches('/');
        let well_formed = (base_path.is_empty() || base_path.starts_with('/'))
            && !base_path.starts_with("//")
            && base_path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&byte));
        if !well_formed {
            let message =
                "the metadata member http_base_path must be a path that begins with `/` and has no query";
            return Err(invalid(endpoint, message));
        }
        Ok(Self {
            target: endpoint.target.clone(),
            site: Site {
                name,
                port: endpoint.port,
                trust,
                named_by: NamedBy::Target,
                exposes_credential: has_account && !https && !allow_plain,
            },
            base_path: base_path.to_owned(),
            connect_timeout: endpoint.connect_timeout,
            elsewhere: Arc::clone(base),
        })
    }

    /// `path` below the base path.
    pub(super) fn path(&self, path: &str) -> String {
        let slash = if self.base_path.is_empty() && !path.starts_with('/') { "/" } else { "" };
        format!("{}{slash}{path}", self.base_path)
    }

    /// How a conversation with it is protected, for people.
    pub(super) fn protection(&self) -> &'static str {
        match &self.site.trust {
            None => "HTTP",
            Some(trust) if trust.is_unchecked() => "HTTPS, certificate not checked",
            Some(_) => "HTTPS",
        }
    }

    /// Adds which host an error is about.
    pub(super) fn about(&self, error: Error) -> Error {
        error.with("target", &self.target).with("host", self.site.authority())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::Host;
    use crate::{Result, transport::Endpoint};

    fn host(port: u16, metadata: &Value) -> Result<Host> {
        let mut endpoint = Endpoint::new("api", "API.example", port);
        endpoint.metadata = metadata.as_object().unwrap().clone();
        Host::new(&endpoint, true, &Arc::default())
    }

    #[test]
    fn port_443_means_https_unless_the_metadata_says_otherwise() {
        let https = |port, metadata| host(port, &metadata).unwrap().site.is_https();
        assert!(!https(80, json!({})) && https(443, json!({})));
        assert!(https(8443, json!({"http_use_https": true})));
        assert!(!https(443, json!({"http_use_https": false})));
    }

    #[test]
    fn paths_go_below_the_base_path() {
        let plain = host(80, &json!({})).unwrap();
        assert_eq!([plain.path(""), plain.path("?a=1"), plain.path("/x")], ["/", "/?a=1", "/x"]);
        let based = host(80, &json!({"http_base_path": "/api/v1/"})).unwrap();
        assert_eq!(
            [based.path(""), based.path("?a=1"), based.path("/x")],
            ["/api/v1", "/api/v1?a=1", "/api/v1/x"]
        );
    }

    #[test]
    fn metadata_of_the_wrong_form_are_named() {
        for (member, value) in [
            ("http_use_https", json!("yes")),
            ("http_validate_cert", json!(1)),
            ("http_ca_pem", json!("no certificate")),
            ("http_cert_sha256", json!("12:34")),
            ("http_base_path", json!("api")),
            ("http_base_path", json!("//evil.example")),
            ("http_base_path", json!("/a?b")),
            ("http_base_path", json!("/a b")),
            ("http_allow_plain_credentials", json!("yes")),
        ] {
            let error = host(443, &json!({member: value})).unwrap_err();
            assert!(error.to_string().contains(member), "{error}");
        }
    }

    #[test]
    fn the_port_of_the_scheme_is_not_named() {
        let authority = |port, metadata| host(port, &metadata).unwrap().site.authority();
        assert_eq!(authority(443, json!({})), "API.example");
        assert_eq!(authority(8443, json!({"http_use_https": true})), "API.example:8443");
    }
}
