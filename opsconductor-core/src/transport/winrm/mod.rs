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
//! | `kerberos` | a ticket of the realm, with the feature `kerberos`; see below |
//! | `basic` | the password itself; over HTTPS alone |
//! | `certificate` | a client certificate and its key, with no password; over HTTPS alone |
//!
//! Over plain HTTP every message is sealed with the keys of the logon; a body in plain text is never sent, and never
//! accepted. Over HTTPS a logon by NTLM is bound to the channel (`tls-server-end-point`). A logon belongs to one TCP
//! connection and is tried once: a refused credential is an error at once, so nothing locks an account.
//! A user is written `user`, `DOMAIN\user` or `user@realm`.
//!
//! Connections that want to log on to a host with the same credential at the same time take turns for the message that
//! shows the password, and once it is refused, none of them tries again, nor does anything that cleans up after them: a
//! wrong password counts once. For [a while](WinrmSettings::refused_logon_pause) after that, whoever connects with the same
//! credential is refused without a try; a probe tries at once, and when it succeeds, so may everyone. With `basic`, where each request shows the
//! password, requests that are under way when it is changed may count as well.
//!
//! A certificate is a [`Credential::WinrmCertificate`](crate::vault::credential::Credential::WinrmCertificate). The host
//! maps it to one of its users, and must ask for it in the TLS handshake: `netsh http update sslcert …
//! clientcertnegotiation=enable` on its HTTPS binding. Asking later, by renegotiation, which is Windows' default, is not
//! supported.
//!
//! # Kerberos
//!
//! With the feature `kerberos`, the transport `kerberos` logs on with a ticket: the realm is what stands after the user's
//! `@`, or the domain. The realm's key distribution centre is asked over TCP; where it is, the target's metadata say as
//! `kerberos_kdc`, and otherwise the realm's own name is the host to ask, as in every Active Directory. Nothing is looked up
//! in DNS service records, and no centre is taken from a `krb5.conf`; one that is there may map a domain to its realm
//! (`[domain_realm]`). The ticket is for `HTTP/` and the target's host, unless `kerberos_spn` says otherwise, as it must
//! where the host is an IP address. Each connection gets its ticket anew; tickets of other realms, delegation and keytabs
//! are not supported, and the ciphers are AES with SHA-1. Over HTTPS the logon is not bound to the channel, so a host whose
//! `CbtHardeningLevel` is `Strict` refuses it: use HTTP there, where Kerberos seals every message itself.
//!
//! # Certificates of hosts
//!
//! A certificate that does not validate is refused before anything is sent, with a sentence that says why (expired, not
//! valid yet, another name, an unknown authority, not the pinned one) and what to set.
//!
//! # Metadata of a target
//!
//! | member | meaning |
//! |---|---|
//! | `winrm_use_https` | HTTPS or not; by default port 5986 means HTTPS |
//! | `winrm_validate_cert` | `false` accepts any certificate; default `true` |
//! | `winrm_ca_pem` | certificates, in PEM form, that are trusted beside the platform's roots |
//! | `winrm_cert_sha256` | the fingerprint of the one certificate that is accepted, whatever its name and date |
//! | `kerberos_kdc` | the realm's key distribution centre: `host`, `host:port`, or a list of these to be asked in turn |
//! | `kerberos_spn` | the service that the ticket is for; `HTTP/` and the host by default |
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
//! # When something breaks
//!
//! A connection that breaks while a command runs is opened anew, for [`WinrmSettings::reconnect_max`], and output goes on;
//! what may have been lost in between is announced ([`Observer::gap`](super::Observer::gap)). A host that restarts takes
//! its commands along: their outcome is unknown. Nothing is sent twice that may have been received and would act twice. A
//! PowerShell script carries its length, and the bootstrap runs it whole or says that it did not: then, and only then, it
//! is sent anew. A cmd command acts when it is started, so a start that is in doubt ends with its outcome unknown.
//!
//! The handle of a command ([`Session::reattach`](super::Session::reattach)) names its shell and its id on the host.
//! Another process with the same credential goes on with it. A cmd command has its id only once it has been started; in
//! between, the handle names the shell alone, and whoever comes after can do no more than delete that.
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
//! # What has not met Windows
//!
//! Nothing here has been run against a real Windows host yet: it is built from the published protocols and proved
//! against an independent simulated host. Where the documents leave room, it relies on this, and a first trial should
//! look here first: that a host keeps the name we give a shell when we create it (else a shell whose answer was lost stays
//! until its idle time-out); that the end of the input may be said a second time; that another connection of the same
//! user may receive from a command, and what of its output is lost with a connection; that a cmd command without
//! input that hears of its end after half a second does nothing else in between; the numbers and words of faults, of a refused
//! client certificate above all; `[IO.File]::Replace` and the flush under Windows PowerShell 3 to 5.1; and every speed.

mod account;
mod attend;
mod bootstrap;
mod channel_binding;
mod client_certificate;
mod clixml;
mod collect;
mod connection;
mod connector;
mod copy;
pub mod danger;
mod dial;
mod failure;
mod fetch;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handshake;
mod host;
#[cfg(feature = "kerberos")]
mod kerberos;
mod lane;
mod launch;
mod link;
mod listen;
mod operations;
mod pool;
mod probe;
mod process;
mod reattach;
mod remote;
mod run;
mod sealing;
mod security;
mod session;
mod settings;
mod shell;
mod sink;
mod soap;
mod start;
mod stop;
mod transfer;

use super::{limits, local, logon};

pub use connector::{WinrmConnector, WinrmConnectorBuilder};
pub use settings::WinrmSettings;
