//! SSH: commands and files on Unix hosts, over `russh`.
//!
//! ```no_run
//! # async fn example() -> opsconductor_core::Result<()> {
//! use opsconductor_core::{
//!     Secret,
//!     transport::{Connector, Endpoint, ssh::SshConnector},
//!     vault::credential::{Credential, CredentialKind},
//! };
//!
//! let connector = SshConnector::new()?;
//! let credential = Credential::parse(CredentialKind::Ssh, br#"{"username": "ops", "password": "hunter2"}"#)?;
//! let report = connector.probe(&Endpoint::new("db-1", "db-1.example", 22), &credential).await;
//! println!("{}", report.message);
//! # Ok(()) }
//! ```
//!
//! # Authentication
//!
//! A credential has a password, a private key, or both. Each is shown to a host once.
//!
//! | it has | what happens |
//! |---|---|
//! | `password` | the host is asked what it takes; then the method `password`, or a dialogue (`keyboard-interactive`) that asks one thing without showing it |
//! | `private_key` | the key, in the form of OpenSSH, PKCS#1, PKCS#8 or PuTTY, opened with the `passphrase` |
//! | `private_key` with a public key (`ssh-ed25519 AAAA…`) | the worker's agent signs, which [`SshSettings::agent`] must name |
//! | `certificate` | the key is shown with this OpenSSH certificate of it |
//! | a key and a password | the key, and the password where the host wants it besides or does not take the key |
//!
//! One session logs on at a time for a host and a credential. A credential that was refused is not shown again for
//! [a while](SshSettings::refused_logon_pause), whoever connects, but by a probe.
//!
//! # Who the host is
//!
//! A host whose key is not known is refused before anything is shown to it, with the key's fingerprint and the remedy.
//! Known is what stands in the [files of known hosts](SshSettings::known_hosts), in OpenSSH's form with its hashed names,
//! ports, patterns, `@cert-authority` and `@revoked`, or in the target's metadata. With [`HostKeyPolicy::AcceptNew`] the key
//! of a host that is in none of them is written to the first. A host that shows another key than the known one is always
//! refused. There is no switch to accept any key.
//!
//! # Metadata of a target
//!
//! | member | meaning |
//! |---|---|
//! | `ssh_host_key_sha256` | the fingerprint, or a list of them, that the host's key must have (`SHA256:…`, as `ssh-keygen -l` shows it); the known hosts are not asked then |
//! | `ssh_known_hosts` | lines of known hosts for this target, beside the files |
//! | `ssh_jump` | `[user@]host[:port]`: the host through which the target is reached, with the same credential unless [`SshConnectorBuilder::with_jump_credential`] names one. Its key is checked like any other |
//! | `ssh_jump_host_key_sha256` | the fingerprint of the jump host's key |
//!
//! # Commands
//!
//! Commands run in the host's `/bin/sh`, whatever the login shell is. Script, variables and input travel on standard input,
//! so none of them shows in a list of processes; the shell takes the script whole or does not run it. It needs `head -c` on
//! the host. With `sudo`, the password is the credential's: it is given to `sudo` on standard input when `sudo` asks with a
//! word that is random and ours, once. A cancel and a time-out send TERM to all processes of the command, by the protocol's
//! own message and by a command on a second channel, and KILL to those that stay. A process that a signal ended has the exit
//! code 128 and the signal's number, and the signal's name in [`ExecOutcome::signal`](super::ExecOutcome::signal).
//!
//! When the connection is lost after a command was sent, its outcome is unknown, and the command may go on: the host keeps
//! nothing that another worker could [go on with](super::Capabilities::reattach).
//!
//! # Files
//!
//! Files go over SFTP, many pieces on their way at a time. A copy is written beside its destination under a name of its own,
//! checked there by its SHA-256, brought to the disk and put in place in one step, so that a destination has the old content
//! or the new. What has the content already is left alone. A destination that is a link stays one, and what it leads to is
//! written. The permissions of a file that is replaced stay, unless the copy names others; its owner becomes the session's
//! user. A connection that is lost may leave the file `.oc….part` in the folder. The hash is computed on the host where it
//! has `sha256sum`, `shasum` or `openssl`; elsewhere the file is read back.
//!
//! # Connections
//!
//! Sessions with one host and one credential share a connection, [some](SshSettings::sessions_per_connection_max) on each,
//! and it is kept for the next ones until it has been idle for [a while](SshSettings::idle_timeout). They share its fate and
//! its pace: output that one of them does not take for long holds up the others.
//!
//! # Logs
//!
//! Spans and events of this module name targets, ids and numbers. `russh`, the library under it, writes what it does
//! through the `log` crate, at `debug` and below.

mod account;
mod authenticate;
mod client;
mod connector;
mod copy;
mod exec;
mod fetch;
mod hash;
mod host;
mod host_key;
mod known_hosts;
mod launch;
mod link;
mod pool;
mod preface;
mod probe;
mod remote;
mod session;
mod settings;
mod sftp;
mod stop;
mod transfer;

pub use connector::{SshConnector, SshConnectorBuilder};
pub use settings::{HostKeyPolicy, SshSettings};
