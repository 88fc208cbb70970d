//! [`Credential`]: what a credential holds when it is opened, its kinds, and its form as JSON.

mod members;

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use self::members::{Member, Members};
use crate::vault::envelope::SECRET_BYTES_MAX;
use crate::{Error, ErrorKind, Problem, Result, Secret};

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// An account for WinRM: `{username, password, domain?, transport?}`, or a client certificate:
    /// `{transport: "certificate", certificate, private_key}`.
    Winrm,
    /// An account for SSH: `{username, password? | private_key?, passphrase?, certificate?}`.
    Ssh,
    /// A key for an HTTP service: `{api_key, header?}`.
    ApiKey,
}

impl CredentialKind {
    /// The name in the store and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Winrm => "winrm",
            Self::Ssh => "ssh",
            Self::ApiKey => "api_key",
        }
    }

    const fn members(self) -> &'static [Member] {
        match self {
            Self::Winrm => &[
                Member::Optional("username"),
                Member::Optional("password"),
                Member::Optional("domain"),
                Member::Optional("transport"),
                Member::Optional("certificate"),
                Member::Optional("private_key"),
            ],
            Self::Ssh => &[
                Member::Required("username"),
                Member::Optional("password"),
                Member::Optional("private_key"),
                Member::Optional("passphrase"),
                Member::Optional("certificate"),
            ],
            Self::ApiKey => &[Member::Required("api_key"), Member::Optional("header")],
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialKind {
    type Err = Error;

    /// Reads a name; `winrm_ntlm`, which scripts for the Python system send, is `winrm`.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "winrm" | "winrm_ntlm" => Ok(Self::Winrm),
            "ssh" => Ok(Self::Ssh),
            "api_key" => Ok(Self::ApiKey),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                "there is no credential of this type: the types are winrm, ssh and api_key",
            )),
        }
    }
}

/// An opened credential.
///
/// ```
/// use opsconductor_core::vault::credential::{Credential, CredentialKind};
///
/// let data = br#"{"username": "Administrator", "password": "hunter2"}"#;
/// let credential = Credential::parse(CredentialKind::Winrm, data)?;
/// assert!(!format!("{credential:?}").contains("hunter2"));
/// # Ok::<(), opsconductor_core::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Credential {
    /// For WinRM.
    Winrm {
        /// The account: `user`, `DOMAIN\user` or `user@realm`.
        username: String,
        /// The password.
        password: Secret<String>,
        /// The domain, when it is not part of the user name.
        domain: Option<String>,
        /// `negotiate` (default), `ntlm`, `kerberos` or `basic`. The connector refuses what it does not know.
        transport: Option<String>,
    },
    /// For WinRM, with a client certificate, which the host maps to one of its users. In JSON it is a credential of the
    /// kind `winrm` with the transport `certificate`.
    WinrmCertificate {
        /// The certificate, in PEM form; behind it those that lead to an authority the host knows, where it needs them.
        certificate: String,
        /// Its private key, in PEM form and not encrypted.
        private_key: Secret<String>,
    },
    /// For SSH: a password, a private key, or both.
    Ssh {
        /// The account.
        username: String,
        /// The password.
        password: Option<Secret<String>>,
        /// The private key, in PEM or OpenSSH form; or the public key (`ssh-ed25519 AAAA…`) of one that the worker's SSH
        /// agent holds.
        private_key: Option<Secret<String>>,
        /// What the private key is encrypted with.
        passphrase: Option<Secret<String>>,
        /// The OpenSSH certificate of the key, as it stands in a file `…-cert.pub`.
        certificate: Option<String>,
    },
    /// For an HTTP service.
    ApiKey {
        /// The key.
        api_key: Secret<String>,
        /// The header that carries it, when it is not `Authorization`, where it goes as a bearer token.
        header: Option<String>,
    },
}

impl Credential {
    /// For WinRM: the account as `user`, `DOMAIN\\user` or `user@realm`.
    pub fn winrm(username: impl Into<String>, password: Secret<String>) -> Self {
        Self::Winrm { username: username.into(), password, domain: None, transport: None }
    }

    /// Reads the JSON object of a credential's data, as a person gives it or a record holds it. The values go straight
    /// into [`Secret`]s; no plain copy is left behind.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the data is not a JSON object or larger than a secret may be, and with every
    /// [problem](Error::problems) when members are unknown, missing, given twice, or not what they must be.
    pub fn parse(kind: CredentialKind, data: &[u8]) -> Result<Self> {
        if data.len() > SECRET_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the data of a credential is at most {SECRET_BYTES_MAX} bytes"),
            ));
        }
        Self::from_members(kind, Members::parse(kind.members(), data)?)
    }

    /// Takes the data of a credential as a JSON value that was read elsewhere. Its strings move into [`Secret`]s or are
    /// wiped.
    ///
    /// # Errors
    /// As [`Credential::parse`].
    pub fn from_value(kind: CredentialKind, data: serde_json::Value) -> Result<Self> {
        Self::from_members(kind, Members::take(kind.members(), data)?)
    }

    /// The JSON object that is sealed, in a buffer that is wiped: what [`Credential::parse`] reads.
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        let members = self.members();
        // Room for the worst escape of every byte, because a buffer that grows leaves a copy behind.
        let room: usize = members.iter().map(|(name, value)| name.len() + 6 + 6 * value.len()).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(room + 2));
        for (index, (name, value)) in members.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            write_text(&mut out, name);
            out.push(b':');
            write_text(&mut out, value);
        }
        out.push(b'}');
        Secret::new(std::mem::take(&mut *out))
    }

    /// What the credential is for.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Winrm { .. } | Self::WinrmCertificate { .. } => CredentialKind::Winrm,
            Self::Ssh { .. } => CredentialKind::Ssh,
            Self::ApiKey { .. } => CredentialKind::ApiKey,
        }
    }

    /// Everything in it that must never be seen, for a [`Redactor`](crate::run::redact::Redactor).
    pub fn secrets(&self) -> impl Iterator<Item = &Secret<String>> {
        let secrets = match self {
            Self::Winrm { password, .. } => [Some(password), None, None],
            Self::WinrmCertificate { private_key, .. } => [Some(private_key), None, None],
            Self::Ssh { password, private_key, passphrase, .. } => {
                [password.as_ref(), private_key.as_ref(), passphrase.as_ref()]
            }
            Self::ApiKey { api_key, .. } => [Some(api_key), None, None],
        };
        secrets.into_iter().flatten()
    }

    fn from_members(kind: CredentialKind, mut members: Members) -> Result<Self> {
        match kind {
            CredentialKind::Winrm => {
                check_winrm(&mut members);
                members.check_plain(&["username", "domain", "transport"]);
            }
            CredentialKind::Ssh => {
                members.check_plain(&["username"]);
                if !members.has("password") && !members.has("private_key") {
                    members.problem(Problem::new("", "give a `password` or a `private_key`"));
                }
                if members.has("passphrase") && !members.has("private_key") {
                    members.problem(Problem::new(
                        "/passphrase",
                        "belongs to a `private_key`, and there is none",
                    ));
                }
                if members.has("certificate") && !members.has("private_key") {
                    members.problem(Problem::new(
                        "/certificate",
                        "belongs to a `private_key`, and there is none",
                    ));
                }
            }
            CredentialKind::ApiKey => {
                members.check_plain(&["api_key"]);
                members.check_header_name("header");
            }
        }
        members.finish(&format!("the data of a {kind} credential"))?;
        let required = |value: Option<Secret<String>>| {
            value.ok_or_else(|| Error::new(ErrorKind::Internal, "a required member was not reported missing"))
        };
        let plain = |value: Secret<String>| value.expose().clone();
        Ok(match kind {
            CredentialKind::Winrm if is_certificate(&members) => Self::WinrmCertificate {
                certificate: plain(required(members.remove("certificate"))?),
                private_key: required(members.remove("private_key"))?,
            },
            CredentialKind::Winrm => Self::Winrm {
                username: plain(required(members.remove("username"))?),
                password: required(members.remove("password"))?,
                domain: members.remove("domain").map(plain),
                transport: members.remove("transport").map(plain),
            },
            CredentialKind::Ssh => Self::Ssh {
                username: plain(required(members.remove("username"))?),
                password: members.remove("password"),
                private_key: members.remove("private_key"),
                passphrase: members.remove("passphrase"),
                certificate: members.remove("certificate").map(plain),
            },
            CredentialKind::ApiKey => Self::ApiKey {
                api_key: required(members.remove("api_key"))?,
                header: members.remove("header").map(plain),
            },
        })
    }

    fn members(&self) -> Vec<(&'static str, &str)> {
        fn secret(value: &Option<Secret<String>>) -> Option<&str> {
            value.as_ref().map(|value| value.expose().as_str())
        }
        let all = match self {
            Self::Winrm { username, password, domain, transport } => [
                ("username", Some(username.as_str())),
                ("password", Some(password.expose().as_str())),
                ("domain", domain.as_deref()),
                ("transport", transport.as_deref()),
                ("", None),
            ],
            Self::WinrmCertificate { certificate, private_key } => [
                ("transport", Some(CERTIFICATE)),
                ("certificate", Some(certificate.as_str())),
                ("private_key", Some(private_key.expose().as_str())),
                ("", None),
                ("", None),
            ],
            Self::Ssh { username, password, private_key, passphrase, certificate } => [
                ("username", Some(username.as_str())),
                ("password", secret(password)),
                ("private_key", secret(private_key)),
                ("passphrase", secret(passphrase)),
                ("certificate", certificate.as_deref()),
            ],
            Self::ApiKey { api_key, header } => [
                ("api_key", Some(api_key.expose().as_str())),
                ("header", header.as_deref()),
                ("", None),
                ("", None),
                ("", None),
            ],
        };
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Winrm { username, .. } => {
                f.debug_struct("Winrm").field("username", username).finish_non_exhaustive()
            }
            Self::WinrmCertificate { .. } => f.debug_struct("WinrmCertificate").finish_non_exhaustive(),
            Self::Ssh { username, .. } => {
                f.debug_struct("Ssh").field("username", username).finish_non_exhaustive()
            }
            Self::ApiKey { header, .. } => {
                f.debug_struct("ApiKey").field("header", header).finish_non_exhaustive()
            }
        }
    }
}

/// The transport that makes a WinRM credential one with a certificate.
const CERTIFICATE: &str = "certificate";

fn is_certificate(members: &Members) -> bool {
    members.get("transport").is_some_and(|text| text.trim().eq_ignore_ascii_case(CERTIFICATE))
}

/// A user with a password, or a certificate with its key, and nothing of the other.
fn check_winrm(members: &mut Members) {
    const USER: [&str; 3] = ["username", "password", "domain"];
    const KEY: [&str; 2] = ["certificate", "private_key"];
    let (needed, out_of_place, why) = if is_certificate(members) {
        (&KEY[..], &USER[..], "has no place beside a certificate, which the host itself maps to a user")
    } else {
        (&USER[..2], &KEY[..], "belongs to the transport `certificate`, and that is not the transport here")
    };
    needed.iter().for_each(|name| members.require(name));
    for name in out_of_place {
        if members.has(name) {
            members.problem(Problem::new(format!("/{name}"), why));
        }
    }
    members.check(
        &["certificate"],
        |text| text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY-----"),
        "must be certificates in PEM form and nothing else",
    );
    members.check(
        &["private_key"],
        |text| text.contains("PRIVATE KEY-----") && !text.contains("ENCRYPTED"),
        "must be a private key in PEM form that is not encrypted",
    );
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text can be written to memory");
}

#[cfg(test)]
mod tests;
