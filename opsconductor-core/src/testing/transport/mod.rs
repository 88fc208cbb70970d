//! The conformance suite of [`Connector`] and [`Session`](crate::transport::Session).
//!
//! ```text
//! struct Windows;
//!
//! #[async_trait]
//! impl TransportBuilder for Windows {
//!     async fn start(&self) -> Arc<dyn TestHost> { … }
//! }
//!
//! opsconductor_core::transport_suite!(Windows);
//! ```
//!
//! One case per sentence of the [seam](crate::transport), for a connector of any protocol. What the commands look like
//! is told by [`Dialect`]s; what became of the host is told by [`TestHost`], as far as it can be seen. A promise that
//! belongs to a [capability](crate::transport::Capabilities) which the connector does not declare is checked the other
//! way round: the call answers `Unsupported`, and nothing was sent.
//!
//! The user of the macro needs tokio with `macros` and `rt-multi-thread`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub mod cases;
mod dialect;
mod fixture;
mod folder;
mod recorder;
mod running;
mod suite;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    transport::{Connector, Endpoint},
    vault::credential::Credential,
};

pub use dialect::{Cmd, Dialect, Powershell, Sh};
pub use fixture::{Fixture, Said};
pub use folder::LocalFolder;
pub use recorder::{Heard, Recorder};
pub use running::Running;
pub use suite::{Case, all};

/// Starts hosts for the suite: a fresh one for each case.
#[async_trait]
pub trait TransportBuilder: Send + Sync {
    /// A host that listens, with one account. It ends when the answer is dropped.
    async fn start(&self) -> Arc<dyn TestHost>;
}

/// A host under test, the way to it, and what can be seen of it. An observation that is `None` cannot be made; the
/// cases then do without it.
pub trait TestHost: Send + Sync {
    /// A connector that shares nothing with those given before, as if it were of another process.
    fn connector(&self) -> Arc<dyn Connector>;

    /// Where the host is. Its target's name has to be one that no message would hold by chance.
    fn endpoint(&self) -> Endpoint;

    /// A credential that the host takes.
    fn credential(&self) -> Credential;

    /// A credential of the same user that the host refuses.
    fn wrong_credential(&self) -> Credential;

    /// The user of both credentials.
    fn user(&self) -> String;

    /// What commands are written in: every kind of shell that the connector runs.
    fn dialects(&self) -> Vec<Arc<dyn Dialect>>;

    /// How many commands were started so far.
    fn commands_started(&self) -> Option<u64> {
        None
    }

    /// How many commands run now.
    fn commands_running(&self) -> Option<u64> {
        None
    }

    /// How often a logon failed so far.
    fn failed_logons(&self) -> Option<u64> {
        None
    }

    /// How many sessions, shells or the like are open now: what a client can forget to close.
    fn sessions_open(&self) -> Option<u64> {
        None
    }

    /// How much longer than it should anything may take here: the machine may be slow or busy. Only what is never done is
    /// waited for so long.
    fn leeway(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Cuts every connection at once, and leaves the host running. `false` when it cannot be done.
    fn break_connections(&self) -> bool {
        false
    }

    /// The host's files, when they can be looked at from outside.
    fn files(&self) -> Option<&dyn HostFiles> {
        None
    }
}

/// The files of a host, as its owner sees them.
pub trait HostFiles: Send + Sync {
    /// What a file holds; `None` when there is none.
    fn read(&self, path: &str) -> Option<Vec<u8>>;

    /// Makes a file, or replaces what it holds.
    fn write(&self, path: &str, content: &[u8]);

    /// The names of what is in a directory.
    fn list(&self, directory: &str) -> Vec<String>;

    /// The path of `name` below `directory`.
    fn join(&self, directory: &str, name: &str) -> String;

    /// A directory that is there and that nothing else writes to.
    fn directory(&self) -> String;

    /// File names that are allowed and that a careless client would trip over.
    fn odd_names(&self) -> Vec<String>;
}

impl fmt::Debug for dyn TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestHost")
    }
}
