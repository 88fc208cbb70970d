//! WinRM: commands and files on Windows hosts, over HTTP (sealed) and HTTPS.
//!
//! ```no_run
//! # async fn example() -> opsconductor_core::Result<()> {
//! use opsconductor_core::{
//!     Secret,
//!     transport::{Connector, Endpoint, winrm::WinrmConnector},
//!     vault::credential::Credential,
//! };
//!
//! let connector = WinrmConnector::new();
//! let credential = Credential::Winrm {
//!     username: r"CORP\ops".into(),
//!     password: Secret::from("…"),
//!     domain: None,
//!     transport: None,
//! };
//! let report = connector.probe(&Endpoint::new("web-1", "web-1.corp.example", 5985), &credential).await;
//! println!("{}", report.message);
//! # Ok(()) }
//! ```
//!
//! # Authentication
//!
//! | credential's `transport` | what happens |
//! |---|---|
//! | none, `negotiate` | NTLM inside SPNEGO, as Windows' own client does it |
//! | `ntlm` | NTLM bare, under the same HTTP scheme |
//! | `basic` | the password itself; over HTTPS alone |
//!
//! Over plain HTTP every message is sealed with the keys of the NTLM logon; a body in plain text is never sent, and
//! never accepted. Over HTTPS the logon is bound to the channel (`tls-server-end-point`). A logon belongs to one TCP
//! connection and is tried once: a refused credential is an error at once, so nothing locks an account.
//! A user is written `user`, `DOMAIN\user` or `user@realm`. Kerberos comes later.
//!
//! # Metadata of a target
//!
//! | member | meaning |
//! |---|---|
//! | `winrm_use_https` | HTTPS or not; by default port 5986 means HTTPS |
//! | `winrm_validate_cert` | `false` accepts any certificate; default `true` |
//! | `winrm_ca_pem` | certificates, in PEM form, that are trusted beside the platform's roots |
//! | `winrm_cert_sha256` | the fingerprint of the one certificate that is accepted, whatever its name and date |
//! | `domain` | the domain of a user who has none |
//!
//! # Commands
//!
//! PowerShell is started with a short bootstrap that reads the script from standard input, so a script may have 2 MiB,
//! and a command has its name on the host before anything that acts is sent. `exit N` is the exit code; else 1 after a
//! terminating error, else 0. A cmd command is one line of 8,191 characters at most. A command with an environment or a
//! directory of its own gets a shell of its own. Output is UTF-8 wherever the program can be brought to it, and is
//! handed over as bytes, as it comes.
//!
//! # Files
//!
//! A copy writes `<destination>.<first 16 digits of the hash>.part` beside its destination, checks the SHA-256 of what is on
//! the disk, flushes it and puts it in place in one step, so that a destination has the old content or the new. What has
//! the content already is left alone. After a lost connection the host is asked how much is there, and the rest is sent;
//! a partial file stays after a cancel, a time-out or a connection lost for good, and the next copy of the same content to
//! the same place goes on from it, while one of another content removes it. The folder of a single file must be there;
//! below the destination of many files folders are made, and each file is put in place by itself. A fetch writes beside its
//! destination as well, and ends with an error when the file changed on the host while it was read. Content that becomes
//! smaller is packed. Needs Windows PowerShell 3 or later on the host.
//!
//! # Warm sessions
//!
//! A session that is dropped is kept, connection and shell, for the next one with the same host and credential; see
//! [`WinrmSettings`]. [`Connector::shutdown`](super::Connector::shutdown) deletes the shells that are kept;
//! [`Session::close`](super::Session::close) deletes that of one session.
//!
//! # Logs
//!
//! Spans and events name targets, ids and numbers, no commands, outputs or secrets. `sspi`, the library under it, traces
//! plaintext messages at `debug`; it is called with tracing turned off, and a host program does well to cap the target
//! `sspi` at `warn` besides.
//!
//! Nothing here has been run against a real Windows host yet: it is built from the published protocols and proved
//! against an independent simulated host.

mod account;
mod bootstrap;
mod clixml;
mod collect;
mod connection;
mod connector;
mod copy;
pub mod danger;
mod dial;
mod fetch;
mod host;
mod lane;
mod launch;
mod local;
mod operations;
mod pool;
mod probe;
mod process;
mod run;
mod sealing;
mod security;
mod session;
mod settings;
mod shell;
mod soap;
mod stop;
mod tls;
mod transfer;

pub use connector::{WinrmConnector, WinrmConnectorBuilder};
pub use settings::WinrmSettings;
