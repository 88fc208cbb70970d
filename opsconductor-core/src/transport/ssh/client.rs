//! Our side of a connection, as the library calls it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use russh::{
    Names,
    client::{Handler, Session},
    keys::PublicKeyOrCertificate,
};
use tokio_util::sync::DropGuard;

use super::host_key::HostKeys;
use crate::Error;

/// Judges the host's key, and notes what the host says of itself.
pub(super) struct Client {
    pub(super) keys: HostKeys,
    /// The software at the other end, as it says itself.
    pub(super) software: Arc<OnceLock<String>>,
    /// Goes with the connection, and tells whoever waits for its end.
    pub(super) _gone: DropGuard,
}

/// Why a connection did not come about.
pub(super) enum Broken {
    Ssh(russh::Error),
    /// The host is not the one it should be.
    HostKey(Error),
}

impl From<russh::Error> for Broken {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(error) => write!(f, "{error}"),
            Self::HostKey(error) => write!(f, "{error}"),
        }
    }
}

impl Handler for Client {
    type Error = Broken;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        self.keys.check(key).await.map(|()| true).map_err(Broken::HostKey)
    }

    async fn kex_done(&mut self, _: Option<&[u8]>, _: &Names, session: &mut Session) -> Result<(), Broken> {
        let said = String::from_utf8_lossy(session.remote_sshid());
        let software = said.strip_prefix("SSH-2.0-").unwrap_or(&said).chars();
        // A host may call itself anything; people read this.
        let software: String = software.filter(|c| !c.is_control()).take(100).collect();
        // Keys are exchanged again now and then; it has been said.
        let _ = self.software.set(software);
        Ok(())
    }
}
