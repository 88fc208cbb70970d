//! One host as this connector sees it: address, protection, account. Read once from endpoint and credential.

use std::{fmt, sync::Arc, time::Duration};

use hyper::header::HeaderValue;

#[cfg(feature = "kerberos")]
use super::kerberos::Route;
use super::{
    account::{Account, Scheme},
    logon::Logon,
    settings::WinrmSettings,
    soap::escape::escape,
};
use crate::{
    Error, Result,
    transport::{
        Endpoint,
        metadata::{flag, host_name, invalid},
        tls::{Trust, TrustBase},
    },
};

/// What the names of this transport's members of metadata begin with.
pub(super) const METADATA: &str = "winrm";

/// Where a host listens for HTTPS unless told otherwise.
const HTTPS_PORT: u16 = 5986;

/// A host, and all that is needed to open a connection to it.
pub(super) struct Host {
    /// The target's name, for messages.
    pub(super) target: String,
    pub(super) name: String,
    pub(super) port: u16,
    /// `None` is plain HTTP, where every message is sealed.
    pub(super) trust: Option<Trust>,
    pub(super) account: Account,
    /// The way to a ticket, for Kerberos.
    #[cfg(feature = "kerberos")]
    pub(super) route: Option<Route>,
    /// What is known of the logon, shared by all who log on here with this account.
    pub(super) logon: Arc<Logon>,
    pub(super) connect_timeout: Duration,
    pub(super) settings: Arc<WinrmSettings>,
    /// The `To` address, escaped for XML.
    pub(super) to: String,
    /// The `Host` header.
    pub(super) host_header: HeaderValue,
}

impl Host {
    pub(super) fn new(
        endpoint: &Endpoint,
        account: Account,
        settings: Arc<WinrmSettings>,
        base: &TrustBase,
    ) -> Result<Self> {
        let name = host_name(endpoint)?;
        let https = flag(endpoint, "winrm_use_https")?.unwrap_or(endpoint.port == HTTPS_PORT);
        let trust = if https { Some(Trust::of(endpoint, METADATA, base)?) } else { None };
        if trust.is_none() && account.scheme == Scheme::Certificate {
            return Err(invalid(
                endpoint,
                "a client certificate needs HTTPS: set winrm_use_https or the port of it",
            ));
        }
        if trust.is_none() && account.scheme == Scheme::Basic {
            return Err(invalid(
                endpoint,
                "basic authentication shows the password, so it needs HTTPS: set winrm_use_https or use ntlm",
            ));
        }
        #[cfg(feature = "kerberos")]
        let route = match account.scheme {
            Scheme::Kerberos => Some(Route::new(endpoint, &name, &account.domain)?),
            _ => None,
        };
        let mut host = Self {
            target: endpoint.target.clone(),
            name,
            port: endpoint.port,
            trust,
            account,
            #[cfg(feature = "kerberos")]
            route,
            logon: Arc::default(),
            connect_timeout: endpoint.connect_timeout,
            settings,
            to: String::new(),
            host_header: HeaderValue::from_static(""),
        };
        let scheme = if https { "https" } else { "http" };
        let to = format!("{scheme}://{}/wsman", host.authority());
        host.to = escape(&to).unwrap_or_default().into_owned();
        host.host_header = HeaderValue::try_from(host.authority())
            .map_err(|_| invalid(endpoint, "the host name cannot stand in a header"))?;
        Ok(host)
    }

    /// Host and port as they stand in a URL.
    pub(super) fn authority(&self) -> String {
        if self.name.contains(':') {
            format!("[{}]:{}", self.name, self.port)
        } else {
            format!("{}:{}", self.name, self.port)
        }
    }

    /// How a conversation with it is protected, for people.
    pub(super) fn protection(&self) -> String {
        let scheme = self.account.scheme.name();
        match &self.trust {
            None => format!("{scheme} over HTTP, sealed"),
            Some(trust) if trust.is_unchecked() => format!("{scheme} over HTTPS, certificate not checked"),
            Some(_) => format!("{scheme} over HTTPS"),
        }
    }

    /// Whether the host refused the credential. Nothing may try it again without a caller who asks for it.
    pub(super) fn logon_refused(&self) -> bool {
        self.logon.is_refused()
    }

    /// Notes that the host refused the credential, for all who share the logon.
    pub(super) fn set_logon_refused(&self) {
        self.logon.set_refused();
    }

    /// Adds which host an error is about.
    pub(super) fn about(&self, error: Error) -> Error {
        error.with("target", &self.target).with("host", self.authority())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("target", &self.target)
            .field("authority", &self.authority())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::Host;
    use crate::{
        ErrorKind, Result, Secret,
        transport::{
            Endpoint,
            tls::TrustBase,
            winrm::{account::Account, settings::WinrmSettings},
        },
        vault::credential::Credential,
    };

    fn host(port: u16, metadata: &Value, transport: Option<&str>) -> Result<Host> {
        let mut endpoint = Endpoint::new("web-1", "host", port);
        endpoint.metadata = metadata.as_object().unwrap().clone();
        let credential = Credential::Winrm {
            username: "ada".into(),
            password: Secret::from("x"),
            domain: None,
            transport: transport.map(Into::into),
        };
        let account = Account::new(&credential, &endpoint)?;
        Host::new(&endpoint, account, Arc::new(WinrmSettings::default()), &TrustBase::default())
    }

    #[test]
    fn the_port_means_https_unless_the_metadata_says_otherwise() {
        let https = |port, metadata| host(port, &metadata, None).unwrap().trust.is_some();
        assert!(!https(5985, json!({})));
        assert!(https(5986, json!({})));
        assert!(https(5985, json!({"winrm_use_https": true})));
        assert!(!https(5986, json!({"winrm_use_https": false})));
    }

    #[test]
    fn a_certificate_is_checked_unless_the_metadata_says_otherwise() {
        let protection = |metadata| host(5986, &metadata, None).unwrap().protection();
        assert_eq!(protection(json!({})), "negotiate (NTLM) over HTTPS");
        assert!(protection(json!({"winrm_validate_cert": false})).contains("not checked"));
    }

    #[test]
    fn basic_needs_tls() {
        assert_eq!(host(5985, &json!({}), Some("basic")).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(host(5986, &json!({}), Some("basic")).is_ok());
    }

    #[test]
    fn metadata_of_the_wrong_type_is_named() {
        for (member, value) in [
            ("winrm_use_https", json!("yes")),
            ("winrm_validate_cert", json!(1)),
            ("winrm_ca_pem", json!("not a certificate")),
            ("winrm_cert_sha256", json!("12:34")),
            ("domain", json!(["A"])),
        ] {
            let error = host(5986, &json!({member: value}), None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(member), "{error}");
        }
    }
}
