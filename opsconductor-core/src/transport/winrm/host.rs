//! One host as this connector sees it: address, protection, account. Read once from endpoint and credential.

use std::{fmt, sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;

#[cfg(feature = "kerberos")]
use super::kerberos::Route;
use super::{
    account::{Account, Scheme},
    logon::Logon,
    settings::WinrmSettings,
    soap::escape::escape,
    tls::{Trust, TrustBase},
};
use crate::{Error, ErrorKind, Result, transport::Endpoint};

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
        let name = endpoint.host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        let well_formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
        if name.is_empty() || !well_formed {
            return Err(invalid(endpoint, "the host name is not one: write a name or an IP address"));
        }
        let https = flag(endpoint, "winrm_use_https")?.unwrap_or(endpoint.port == HTTPS_PORT);
        let trust = if https { Some(trust(endpoint, base)?) } else { None };
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

fn trust(endpoint: &Endpoint, base: &TrustBase) -> Result<Trust> {
    if let Some(pin) = text(endpoint, "winrm_cert_sha256")? {
        let digest = fingerprint(pin).ok_or_else(|| {
            invalid(endpoint, "the metadata member winrm_cert_sha256 must be 64 hexadecimal digits")
        })?;
        return Ok(Trust::Pinned(digest));
    }
    if flag(endpoint, "winrm_validate_cert")? == Some(false) || base.accept_any {
        return Ok(Trust::Any);
    }
    let mut authorities = base.authorities.clone();
    if let Some(pem) = text(endpoint, "winrm_ca_pem")? {
        let own = certificates(pem.as_bytes()).map_err(|reason| {
            invalid(endpoint, "the metadata member winrm_ca_pem is not a certificate in PEM form")
                .with("reason", reason)
        })?;
        authorities.extend(own);
    }
    Ok(Trust::Authorities(authorities))
}

/// Every certificate of a PEM text; one at least.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("it holds no certificate".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(error.to_string()),
    }
}

/// A SHA-256 fingerprint, with or without colons.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
    let mut out = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(out)
}

fn flag(endpoint: &Endpoint, name: &str) -> Result<Option<bool>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be true or false"))),
    }
}

/// A metadata member that is text.
pub(super) fn text<'a>(endpoint: &'a Endpoint, name: &str) -> Result<Option<&'a str>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be text"))),
    }
}

pub(super) fn invalid(endpoint: &Endpoint, message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("target", &endpoint.target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{Host, fingerprint};
    use crate::{
        ErrorKind, Result, Secret,
        transport::{
            Endpoint,
            winrm::{account::Account, settings::WinrmSettings, tls::TrustBase},
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

    #[test]
    fn a_fingerprint_may_have_colons() {
        let plain = "00ff".repeat(16);
        let colons = ["00:FF"; 16].join(":");
        assert_eq!(fingerprint(&plain).unwrap(), fingerprint(&colons).unwrap());
        assert_eq!(fingerprint("zz"), None);
    }
}
