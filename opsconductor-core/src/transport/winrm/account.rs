//! Whom a session logs on as.

use std::fmt;

use super::client_certificate::ClientCertificate;
use crate::{Error, ErrorKind, Result, Secret, transport::Endpoint, vault::credential::Credential};

/// How a connection is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    /// NTLM inside SPNEGO, as Windows' own client does it.
    Negotiate,
    /// NTLM bare, for hosts and proxies that take nothing around it.
    Ntlm,
    /// The password itself, which only TLS may carry.
    Basic,
    /// A client certificate, which only TLS can ask for.
    Certificate,
    /// A ticket of the realm.
    #[cfg(feature = "kerberos")]
    Kerberos,
}

impl Scheme {
    fn parse(transport: Option<&str>) -> Result<Self> {
        match transport.map(str::trim).map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "negotiate") => Ok(Self::Negotiate),
            Some("ntlm") => Ok(Self::Ntlm),
            Some("basic") => Ok(Self::Basic),
            #[cfg(feature = "kerberos")]
            Some("kerberos") => Ok(Self::Kerberos),
            #[cfg(not(feature = "kerberos"))]
            Some("kerberos") => Err(Error::new(
                ErrorKind::InvalidInput,
                "this program was built without Kerberos: build it with the feature kerberos, or use negotiate",
            )),
            Some("certificate") => Err(Error::new(
                ErrorKind::InvalidInput,
                "a logon by certificate needs a certificate and its private key, not a password",
            )),
            Some(other) => Err(Error::new(
                ErrorKind::InvalidInput,
                "the credential's transport is not known to WinRM: use negotiate, ntlm, kerberos, certificate or basic",
            )
            .with("transport", other)),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Negotiate => "negotiate (NTLM)",
            Self::Ntlm => "NTLM",
            Self::Basic => "basic",
            Self::Certificate => "client certificate",
            #[cfg(feature = "kerberos")]
            Self::Kerberos => "Kerberos",
        }
    }
}

/// What proves who we are.
#[derive(Clone)]
pub(super) enum Proof {
    Password(Secret<String>),
    Certificate(ClientCertificate),
}

/// Who logs on, with what, and how that is presented.
#[derive(Clone)]
pub(super) struct Account {
    /// The user without the domain; a user principal name stays whole. Empty where the host finds the user itself.
    pub(super) user: String,
    /// The NetBIOS domain; empty for a local account or a user principal name.
    pub(super) domain: String,
    pub(super) proof: Proof,
    pub(super) scheme: Scheme,
}

impl Account {
    /// Reads the credential. A domain in the user name wins over the credential's, and that over the target's.
    pub(super) fn new(credential: &Credential, endpoint: &Endpoint) -> Result<Self> {
        let (username, password, domain, transport) = match credential {
            Credential::Winrm { username, password, domain, transport } => {
                (username.trim(), password, domain.as_deref(), transport.as_deref())
            }
            Credential::WinrmCertificate { certificate, private_key } => {
                let certificate = ClientCertificate::parse(certificate, private_key).map_err(|why| {
                    Error::new(ErrorKind::InvalidInput, why).with("target", &endpoint.target)
                })?;
                let proof = Proof::Certificate(certificate);
                let scheme = Scheme::Certificate;
                return Ok(Self { user: String::new(), domain: String::new(), proof, scheme });
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "the credential is not one for WinRM: give the target a winrm credential",
                )
                .with("target", &endpoint.target));
            }
        };
        let scheme = Scheme::parse(transport).map_err(|error| error.with("target", &endpoint.target))?;
        let metadata = crate::transport::metadata::text(endpoint, "domain")?;
        let (user, domain) = split(username, domain.or(metadata));
        // Kerberos names a user within a realm; what stands after the last @ is the realm.
        #[cfg(feature = "kerberos")]
        let (user, domain) = match user.rsplit_once('@') {
            Some((user, realm)) if scheme == Scheme::Kerberos => {
                (user.to_owned(), realm.to_ascii_uppercase())
            }
            _ if scheme == Scheme::Kerberos => (user, domain.to_ascii_uppercase()),
            _ => (user, domain),
        };
        let refuse = |message: &str| {
            Err(Error::new(ErrorKind::InvalidInput, message)
                .with("target", &endpoint.target)
                .with("user", username))
        };
        if user.is_empty() {
            return refuse("the credential has no user name");
        }
        if user.contains('\\') || domain.contains(['\\', '@']) {
            return refuse(r"the user name is not understood: write user, DOMAIN\user or user@realm");
        }
        #[cfg(feature = "kerberos")]
        if scheme == Scheme::Kerberos && (domain.is_empty() || domain == ".") {
            return refuse("Kerberos needs a realm: write user@REALM, or give the credential's domain");
        }
        if scheme == Scheme::Basic && user.contains(':') {
            return refuse("a user name with a colon cannot be used with basic authentication");
        }
        Ok(Self { user, domain, proof: Proof::Password(password.clone()), scheme })
    }

    /// The password; empty where a certificate stands for it.
    pub(super) fn password(&self) -> &str {
        match &self.proof {
            Proof::Password(password) => password.expose(),
            Proof::Certificate(_) => "",
        }
    }

    /// What tells one proof from another. It may be the secret itself.
    pub(super) fn identifying(&self) -> &[u8] {
        match &self.proof {
            Proof::Password(password) => password.expose().as_bytes(),
            Proof::Certificate(certificate) => &certificate.fingerprint,
        }
    }

    /// The user as people write it.
    pub(super) fn display(&self) -> String {
        if let Proof::Certificate(certificate) = &self.proof {
            return certificate.to_string();
        }
        if self.domain.is_empty() { self.user.clone() } else { format!("{}\\{}", self.domain, self.user) }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.display())
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

fn split(username: &str, domain: Option<&str>) -> (String, String) {
    if let Some((domain, user)) = username.split_once('\\') {
        return (user.to_owned(), domain.to_owned());
    }
    // A user principal name carries its realm; a domain beside it would change who is meant.
    if username.contains('@') {
        return (username.to_owned(), String::new());
    }
    (username.to_owned(), domain.unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Account, Scheme};
    use crate::{ErrorKind, Secret, transport::Endpoint, vault::credential::Credential};

    fn account(username: &str, domain: Option<&str>, transport: Option<&str>) -> crate::Result<Account> {
        let credential = Credential::Winrm {
            username: username.into(),
            password: Secret::from("secret"),
            domain: domain.map(Into::into),
            transport: transport.map(Into::into),
        };
        let mut endpoint = Endpoint::new("web-1", "host", 5985);
        endpoint.metadata.insert("domain".into(), "META".into());
        Account::new(&credential, &endpoint)
    }

    #[test]
    fn the_domain_comes_from_the_nearest_place() {
        let of = |username, domain| {
            let account = account(username, domain, None).unwrap();
            (account.user, account.domain)
        };
        assert_eq!(of(r"CORP\ada", Some("OTHER")), ("ada".into(), "CORP".into()));
        assert_eq!(of(r".\ada", Some("OTHER")), ("ada".into(), ".".into()));
        assert_eq!(of("ada", Some("OTHER")), ("ada".into(), "OTHER".into()));
        assert_eq!(of("ada", None), ("ada".into(), "META".into()));
        assert_eq!(of("ada@corp.example", Some("OTHER")), ("ada@corp.example".into(), String::new()));
    }

    #[test]
    fn the_transport_chooses_the_scheme() {
        let of = |transport| account("ada", None, transport).unwrap().scheme;
        assert_eq!(of(None), Scheme::Negotiate);
        assert_eq!(of(Some("NTLM")), Scheme::Ntlm);
        assert_eq!(of(Some("basic")), Scheme::Basic);
        let certificate = account("ada", None, Some("certificate")).unwrap_err();
        assert!(certificate.to_string().contains("private key"), "{certificate}");
    }

    #[cfg(not(feature = "kerberos"))]
    #[test]
    fn kerberos_is_refused_where_it_is_not_built_in() {
        let error = account("ada@corp.example", None, Some("kerberos")).unwrap_err();
        assert!(error.to_string().contains("feature kerberos"), "{error}");
    }

    #[cfg(feature = "kerberos")]
    #[test]
    fn kerberos_takes_the_user_apart_from_the_realm() {
        let of = |username, domain| {
            let account = account(username, domain, Some("kerberos")).unwrap();
            (account.user, account.domain)
        };
        assert_eq!(of("ada@corp.example", Some("OTHER")), ("ada".into(), "CORP.EXAMPLE".into()));
        assert_eq!(of(r"corp\ada", None), ("ada".into(), "CORP".into()));
        assert_eq!(of("ada", Some("corp.example")), ("ada".into(), "CORP.EXAMPLE".into()));
        let error = account(r".\ada", None, Some("kerberos")).unwrap_err();
        assert!(error.to_string().contains("realm"), "{error}");
    }

    #[test]
    fn what_cannot_be_a_user_is_refused_and_nothing_prints_the_password() {
        for username in ["", "  ", r"A\b\c", r"CORP\"] {
            assert_eq!(
                account(username, None, None).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{username:?}"
            );
        }
        assert!(!format!("{:?}", account("ada", None, None).unwrap()).contains("secret"));
    }
}
