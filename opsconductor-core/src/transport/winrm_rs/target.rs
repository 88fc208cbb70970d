//! Where a session goes and as whom, checked before anything is sent.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use winrm_rs::{AuthMethod, EncryptionMode, WinrmClient, WinrmConfig, WinrmCredentials};

use super::error::{Received, explain};
use crate::{Error, ErrorKind, Result, Secret, transport::Endpoint, vault::credential::Credential};

/// How long the host may hold a request for output: a command may stay silent for longer, and is asked again.
const OPERATION: Duration = Duration::from_secs(20);

/// What one envelope may hold.
pub(super) const ENVELOPE_BYTES_MAX: u32 = 500 * 1024;

pub(super) struct Target {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) connect_timeout: Duration,
    user: String,
    domain: String,
    password: Secret<String>,
    basic: bool,
    tls: Option<Trust>,
}

/// Which certificates are accepted.
enum Trust {
    Platform,
    Pinned(String),
    Any,
}

impl Target {
    pub(super) fn new(endpoint: &Endpoint, credential: &Credential) -> Result<Self> {
        let Credential::Winrm { username, password, domain, transport } = credential else {
            return Err(invalid(
                endpoint,
                "the credential is not one for WinRM: give the target a winrm credential",
            ));
        };
        let https = flag(endpoint, "winrm_use_https")?.unwrap_or(endpoint.port == 5986);
        let basic = match transport.as_deref().map(str::trim) {
            None | Some("" | "ntlm" | "negotiate") => false,
            Some("basic") if https => true,
            Some("basic") => return Err(invalid(endpoint, "basic authentication needs HTTPS")),
            Some(_) => return Err(invalid(endpoint, "this connector knows the transports ntlm and basic")),
        };
        if endpoint.metadata.contains_key("winrm_ca_pem") {
            return Err(invalid(
                endpoint,
                "this connector takes no winrm_ca_pem: use winrm_cert_sha256, or the platform's roots",
            ));
        }
        let validate = flag(endpoint, "winrm_validate_cert")?.unwrap_or(true);
        let trust = match text(endpoint, "winrm_cert_sha256")? {
            Some(pin) => Trust::Pinned(pin.to_owned()),
            None if validate => Trust::Platform,
            None => Trust::Any,
        };
        let metadata = text(endpoint, "domain")?;
        let (user, domain) = match username.trim().split_once('\\') {
            Some((domain, user)) => (user, domain),
            None => (username.trim(), domain.as_deref().or(metadata).unwrap_or_default()),
        };
        if user.is_empty() {
            return Err(invalid(endpoint, "the credential has no user name"));
        }
        Ok(Self {
            name: endpoint.target.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            connect_timeout: endpoint.connect_timeout,
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: password.clone(),
            basic,
            tls: https.then_some(trust),
        })
    }

    /// A client whose shells have these variables and start in this directory.
    pub(super) fn client(
        &self,
        environment: &BTreeMap<String, String>,
        directory: Option<&str>,
    ) -> Result<WinrmClient> {
        let mut config = if self.tls.is_some() { WinrmConfig::https() } else { WinrmConfig::http() };
        config.port = Some(self.port);
        config.connect_timeout_secs = self.connect_timeout.as_secs().max(1);
        config.operation_timeout_secs = OPERATION.as_secs();
        config.max_envelope_size = ENVELOPE_BYTES_MAX;
        config.accept_invalid_certs = matches!(self.tls, Some(Trust::Any));
        config.working_directory = directory.map(str::to_owned);
        config.env_vars = environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if self.basic {
            config.auth_method = AuthMethod::Basic;
        } else {
            // Over HTTPS the crate would otherwise log on anew for every request, and now and then that goes wrong.
            config.encryption = EncryptionMode::Always;
        }
        let password = self.password.expose().as_str();
        let credentials = WinrmCredentials::new(self.user.as_str(), password, self.domain.as_str());
        let builder = WinrmClient::builder(config).credentials(credentials);
        let builder = match &self.tls {
            Some(Trust::Pinned(pin)) => builder.pin_server_certificate_sha256(pin),
            Some(Trust::Platform) => builder.platform_roots(true),
            _ => builder,
        };
        builder.build().map_err(|error| {
            let message = "the winrm-rs client cannot be set up for this target";
            self.about(Error::new(ErrorKind::InvalidInput, message).with_source(error))
        })
    }

    /// Whose conversation this is, in words for a report.
    pub(super) fn protection(&self) -> String {
        let scheme = if self.basic { "basic" } else { "NTLM" };
        let carrier = if self.tls.is_some() { "HTTPS" } else { "HTTP" };
        let sealed = if self.basic { "" } else { ", sealed" };
        format!("{scheme} over {carrier}{sealed} (winrm-rs)")
    }

    /// The error that a failure of the crate is, and whether the host may have received the request.
    pub(super) fn explain(&self, error: winrm_rs::WinrmError) -> (Error, Received) {
        let (error, received) = explain(error);
        (self.about(error), received)
    }

    /// Adds which host and user an error is about.
    pub(super) fn about(&self, error: Error) -> Error {
        let error = error.with("target", &self.name).with("host", format!("{}:{}", self.host, self.port));
        if self.domain.is_empty() {
            error.with("user", &self.user)
        } else {
            error.with("user", format!("{}\\{}", self.domain, self.user))
        }
    }
}

fn invalid(endpoint: &Endpoint, message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("target", &endpoint.target)
}

fn flag(endpoint: &Endpoint, name: &str) -> Result<Option<bool>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be true or false"))),
    }
}

fn text<'a>(endpoint: &'a Endpoint, name: &str) -> Result<Option<&'a str>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be text"))),
    }
}
