//! Where a session goes.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, vault::credential::CredentialKind};

/// The protocol of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// Windows Remote Management.
    Winrm,
    /// Secure Shell.
    Ssh,
    /// Plain HTTP or HTTPS.
    Http,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Winrm, Self::Ssh, Self::Http];

    /// The port when none is given.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Winrm => 5985,
            Self::Ssh => 22,
            Self::Http => 80,
        }
    }

    /// The type of the credentials that its targets take.
    pub fn credential_kind(self) -> CredentialKind {
        match self {
            Self::Winrm => CredentialKind::Winrm,
            Self::Ssh => CredentialKind::Ssh,
            Self::Http => CredentialKind::ApiKey,
        }
    }

    /// The name as it stands in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Winrm => "winrm",
            Self::Ssh => "ssh",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "winrm" => Ok(Self::Winrm),
            "ssh" => Ok(Self::Ssh),
            "http" => Ok(Self::Http),
            _ => {
                Err(Error::new(ErrorKind::InvalidInput, "a protocol is winrm, ssh or http")
                    .with("given", text))
            }
        }
    }
}

/// A host as a connector needs it: the address and the target's metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// The target's name, for messages.
    pub target: String,
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The target's metadata; each connector documents which members it reads.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// How long to wait for a name, a connection and each handshake together.
    pub connect_timeout: Duration,
}

impl Endpoint {
    /// An endpoint without metadata, with 10 s to connect.
    pub fn new(target: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self {
            target: target.into(),
            host: host.into(),
            port,
            metadata: serde_json::Map::new(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}
