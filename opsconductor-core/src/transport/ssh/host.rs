//! One host as this connector sees it: address, trust, account, the way to it. Read once from endpoint and credential.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

use super::{account::Account, connector::Jumps, settings::SshSettings};
use crate::{
    Error, ErrorKind, Result,
    transport::{Endpoint, logon::Logon},
};

/// A host, and all that is needed to open a connection to it.
pub(super) struct Host {
    /// The target's name, for messages.
    pub(super) target: String,
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) account: Account,
    /// Fingerprints, one of which the host's key must have; none, and the known hosts say who it is.
    pub(super) pins: Vec<String>,
    /// Known hosts of the target's own, in OpenSSH's form.
    pub(super) known_hosts: Option<String>,
    /// The host through which it is reached.
    pub(super) jump: Option<Arc<Self>>,
    pub(super) connect_timeout: Duration,
    pub(super) settings: Arc<SshSettings>,
    /// What is known of the logon, shared by all who log on here with this account.
    pub(super) logon: Arc<Logon>,
}

impl Host {
    pub(super) fn new(
        endpoint: &Endpoint,
        account: Account,
        settings: &Arc<SshSettings>,
        jumps: &Jumps,
    ) -> Result<Self> {
        let name = host_name(&endpoint.host)
            .ok_or_else(|| invalid(endpoint, "the host name is not one: write a name or an IP address"))?;
        let jump = match text(endpoint, "ssh_jump")? {
            Some(jump) => Some(Arc::new(through(endpoint, jump, &account, settings, jumps)?)),
            None => None,
        };
        Ok(Self {
            target: endpoint.target.clone(),
            name,
            port: endpoint.port,
            pins: pins(endpoint, "ssh_host_key_sha256")?,
            known_hosts: text(endpoint, "ssh_known_hosts")?.map(str::to_owned),
            account,
            jump,
            connect_timeout: endpoint.connect_timeout,
            settings: Arc::clone(settings),
            logon: Arc::default(),
        })
    }

    /// Host and port as people write them.
    pub(super) fn authority(&self) -> String {
        if self.name.contains(':') {
            format!("[{}]:{}", self.name, self.port)
        } else {
            format!("{}:{}", self.name, self.port)
        }
    }

    /// How a conversation with it is authenticated, for people.
    pub(super) fn protection(&self) -> String {
        let trust = if self.pins.is_empty() { "known host" } else { "pinned host key" };
        match &self.jump {
            Some(jump) => format!("{} over SSH, {trust}, through {}", self.account.means(), jump.authority()),
            None => format!("{} over SSH, {trust}", self.account.means()),
        }
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

/// The host that `jump`, `[user@]host[:port]`, names.
fn through(
    endpoint: &Endpoint,
    jump: &str,
    account: &Account,
    settings: &Arc<SshSettings>,
    jumps: &Jumps,
) -> Result<Host> {
    let malformed = || invalid(endpoint, "the metadata member ssh_jump must be `[user@]host[:port]`");
    let (user, address) = match jump.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, jump),
    };
    let (name, port) = match address.rsplit_once(':') {
        // More than one colon without brackets is an address of IPv6.
        Some((name, _)) if name.contains(':') && !name.ends_with(']') => (address, 22),
        Some((name, port)) => (name, port.parse().map_err(|_| malformed())?),
        None => (address, 22),
    };
    let name = host_name(name).ok_or_else(malformed)?;
    let account = match (jumps.get(&(name.to_ascii_lowercase(), port)), user) {
        (Some(credential), None) => Account::new(credential, endpoint)?,
        (Some(credential), Some(user)) => Account::new(credential, endpoint)?.as_user(user),
        (None, Some("")) => return Err(malformed()),
        (None, Some(user)) => account.as_user(user),
        (None, None) => account.clone(),
    };
    Ok(Host {
        target: endpoint.target.clone(),
        name,
        port,
        account,
        pins: pins(endpoint, "ssh_jump_host_key_sha256")?,
        known_hosts: text(endpoint, "ssh_known_hosts")?.map(str::to_owned),
        jump: None,
        connect_timeout: endpoint.connect_timeout,
        settings: Arc::clone(settings),
        logon: Arc::default(),
    })
}

fn host_name(text: &str) -> Option<String> {
    let name = text.trim().trim_start_matches('[').trim_end_matches(']');
    let well_formed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    (!name.is_empty() && well_formed && !name.starts_with('-')).then(|| name.to_owned())
}

/// Fingerprints: one, or a list.
fn pins(endpoint: &Endpoint, member: &str) -> Result<Vec<String>> {
    let all = match endpoint.metadata.get(member) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) if !all.is_empty() => all.iter().map(Value::as_str).collect(),
        Some(one) => Some(vec![one.as_str()]).and_then(|one| one.into_iter().collect()),
    };
    let malformed = || {
        let message = format!(
            "the metadata member {member} must be a fingerprint as ssh-keygen -l shows it, `SHA256:` and 43 characters, \
             or a list of these"
        );
        invalid(endpoint, &message)
    };
    let all: Option<Vec<&str>> = all;
    let all = all.ok_or_else(malformed)?;
    let one = |pin: &str| {
        let digits = pin.trim().strip_prefix("SHA256:")?.trim_end_matches('=');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        (digits.len() == 43 && digits.bytes().all(plain)).then(|| format!("SHA256:{digits}"))
    };
    all.into_iter().map(|pin| one(pin).ok_or_else(malformed)).collect()
}

/// A metadata member that is text.
fn text<'a>(endpoint: &'a Endpoint, name: &str) -> Result<Option<&'a str>> {
    match endpoint.metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(invalid(endpoint, &format!("the metadata member {name} must be text"))),
    }
}

fn invalid(endpoint: &Endpoint, message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("target", &endpoint.target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{Account, Host, Jumps, SshSettings};
    use crate::{ErrorKind, Result, Secret, transport::Endpoint, vault::credential::Credential};

    fn host(metadata: &Value, jumps: &Jumps) -> Result<Host> {
        let mut endpoint = Endpoint::new("web-1", "host", 22);
        endpoint.metadata = metadata.as_object().unwrap().clone();
        let account = Account::new(&credential("ada"), &endpoint)?;
        Host::new(&endpoint, account, &Arc::new(SshSettings::default()), jumps)
    }

    fn credential(user: &str) -> Credential {
        Credential::Ssh {
            username: user.into(),
            password: Some(Secret::from("x")),
            private_key: None,
            passphrase: None,
            certificate: None,
        }
    }

    #[test]
    fn a_jump_has_a_user_and_a_port_of_its_own() {
        let jump = |text: &str| {
            let host = host(&json!({"ssh_jump": text}), &Jumps::new()).unwrap();
            let jump = host.jump.unwrap();
            (jump.account.user.clone(), jump.authority())
        };
        assert_eq!(jump("gate"), ("ada".to_owned(), "gate:22".to_owned()));
        assert_eq!(jump("bob@gate:2222"), ("bob".to_owned(), "gate:2222".to_owned()));
        assert_eq!(jump("::1"), ("ada".to_owned(), "[::1]:22".to_owned()));
        assert_eq!(jump("[::1]:2222"), ("ada".to_owned(), "[::1]:2222".to_owned()));
        let jumps = Jumps::from([(("gate".to_owned(), 22), credential("eve"))]);
        let own = host(&json!({"ssh_jump": "gate"}), &jumps).unwrap();
        assert_eq!(own.jump.unwrap().account.user, "eve");
    }

    #[test]
    fn metadata_of_the_wrong_form_is_named() {
        for (member, value) in [
            ("ssh_jump", json!("gate:ssh")),
            ("ssh_jump", json!("@gate")),
            ("ssh_jump", json!("-oProxyCommand=x")),
            ("ssh_jump", json!(1)),
            ("ssh_host_key_sha256", json!("MD5:00:11")),
            ("ssh_host_key_sha256", json!([])),
            ("ssh_host_key_sha256", json!("SHA256:short")),
            ("ssh_known_hosts", json!(["x"])),
        ] {
            let error = host(&json!({member: value}), &Jumps::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(member), "{error}");
        }
        let pin = format!("SHA256:{}", "a".repeat(43));
        assert_eq!(host(&json!({"ssh_host_key_sha256": [pin]}), &Jumps::new()).unwrap().pins, [pin]);
    }
}
