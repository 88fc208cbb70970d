//! How a step reaches a remote host: the [`Connector`] and [`Session`] seams.
//!
//! A connector speaks one protocol. The engine gives it an [`Endpoint`] and an opened
//! [`Credential`](crate::vault::credential::Credential) and gets a session, on which it runs one command or
//! moves files, one call at a time. Connectors keep their own pools; a session that is dropped gives its
//! connection back or closes it.
//!
//! What every connector promises, and `transport_suite!` checks:
//!
//! * [`Observer::dispatching`] is called, and has returned, before anything that could act is sent. When it
//!   fails, nothing is sent.
//! * Nothing that may have been received is sent a second time. An error after the dispatch whose effect is not
//!   known says so ([`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown)).
//! * Time-out and cancel stop the remote command before the call returns, or within [`STOP_GRACE`].
//! * A credential that the host refuses is tried once: `ErrorKind::Auth`, naming host and user.
//! * An exit code other than zero is a result, not an error.

mod call;
#[cfg(feature = "ssh")]
mod dial;
mod endpoint;
mod files;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "ssh", feature = "winrm"))]
#[cfg_attr(not(feature = "winrm"), allow(dead_code, reason = "WinRM uses all of it"))]
mod limits;
#[cfg(any(feature = "ssh", feature = "winrm"))]
#[cfg_attr(not(feature = "winrm"), allow(dead_code, reason = "WinRM uses all of it"))]
mod local;
#[cfg(any(feature = "ssh", feature = "winrm"))]
mod logon;
#[cfg(any(feature = "http", feature = "winrm"))]
mod metadata;
mod session;
#[cfg(any(feature = "ssh", feature = "winrm"))]
#[cfg_attr(not(feature = "winrm"), allow(dead_code, reason = "WinRM uses all of it"))]
mod source;
#[cfg(feature = "ssh")]
pub mod ssh;
#[cfg(any(feature = "http", feature = "ssh", feature = "winrm"))]
mod timings;
#[cfg(any(feature = "http", feature = "winrm"))]
mod tls;
#[cfg(feature = "winrm")]
pub mod winrm;
#[cfg(feature = "winrm-rs")]
pub mod winrm_rs;
#[cfg(any(feature = "http", feature = "winrm"))]
mod wire;

pub use call::{HttpAnswer, HttpCall};
pub use endpoint::{Endpoint, Protocol};
pub use files::{
    CopyEntry, CopyOutcome, CopyRequest, CopySource, CopyStatus, FetchOutcome, FetchRequest, FileSource,
};
pub use session::{
    Capabilities, Connector, Control, ExecOutcome, ExecRequest, Observer, ProbeDetails, ProbeReport,
    RemoteHandle, STOP_GRACE, Session, Shell, Stream, Sudo,
};
