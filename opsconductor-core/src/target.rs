//! Targets: the hosts that steps act on.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::{CredentialId, TargetId},
    transport::Protocol,
};

/// A host as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// What it is; the id and the time are the store's.
    #[serde(flatten)]
    pub spec: TargetSpec,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A host as a person describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetSpec {
    /// Its name, unique in the tenant.
    pub name: String,
    /// A host name or an IP address.
    pub hostname: String,
    /// The protocol it is reached by.
    pub protocol: Protocol,
    /// The TCP port.
    pub port: u16,
    /// The credential that opens it; only `http` targets may do without.
    pub credential_ref: Option<CredentialId>,
    /// Free labels, such as `role:web`.
    pub tags: Vec<String>,
    /// What the transport needs to know beyond the address.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Targets that come before this one.
    pub depends_on: Vec<TargetId>,
}

impl TargetSpec {
    /// A Windows host on the default port, without tags or metadata.
    pub fn winrm(name: impl Into<String>, hostname: impl Into<String>, credential: CredentialId) -> Self {
        Self::over(Protocol::Winrm, name.into(), hostname.into(), credential)
    }

    /// A Unix host on the default port, without tags or metadata.
    pub fn ssh(name: impl Into<String>, hostname: impl Into<String>, credential: CredentialId) -> Self {
        Self::over(Protocol::Ssh, name.into(), hostname.into(), credential)
    }

    fn over(protocol: Protocol, name: String, hostname: String, credential: CredentialId) -> Self {
        Self {
            name,
            hostname,
            protocol,
            port: protocol.default_port(),
            credential_ref: Some(credential),
            tags: Vec::new(),
            metadata: serde_json::Map::new(),
            depends_on: Vec::new(),
        }
    }

    /// An HTTP service on the default port, without a credential, tags or metadata.
    pub fn http(name: impl Into<String>, hostname: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hostname: hostname.into(),
            protocol: Protocol::Http,
            port: Protocol::Http.default_port(),
            credential_ref: None,
            tags: Vec::new(),
            metadata: serde_json::Map::new(),
            depends_on: Vec::new(),
        }
    }

    /// The same host, opened by another credential.
    #[must_use]
    pub fn with_credential(mut self, credential: CredentialId) -> Self {
        self.credential_ref = Some(credential);
        self
    }

    /// The same host on another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The same host with one more tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The same host with one more member of metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}
