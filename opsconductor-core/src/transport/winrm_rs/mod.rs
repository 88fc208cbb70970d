//! WinRM through the `winrm-rs` crate: a second connector on the same seam, for hosts that prefer it.
//!
//! [`transport::winrm`](super) is the one that OpsConductor is made with. This one exists so that nobody depends on a
//! single client, and to compare the two. It keeps the promises of the seam as far as the crate lets it, and
//! `transport_suite!` holds it to them; what it cannot promise it does not declare.
//!
//! The crate declares a newer Rust than OpsConductor does: a build with this feature needs that, or
//! `--ignore-rust-version`.
//!
//! | what is missing | why | what a caller gets |
//! |---|---|---|
//! | `copy`, `fetch` | the crate starts a PowerShell per 2,000 bytes and writes a file in place, so a lost connection leaves a part of it | `Unsupported` |
//! | `reattach` | every client has a session id of its own, which Windows binds a shell to, and none can be given | `Unsupported` |
//! | warm sessions | a shell borrows its client, and a client is bound to its directory and variables | each session opens a shell, each command with an environment opens another |
//! | SPNEGO, Kerberos, client certificates | NTLM goes bare under the Negotiate scheme; the rest needs system libraries or files | `InvalidInput` for `winrm_ca_pem`; a pin (`winrm_cert_sha256`) works |
//! | the number of a WSManFault | the crate gives the fault's text alone | errors without a code; a full host is not waited for |
//! | a code page for `cmd` | the crate's option stands where the host does not read it | `chcp 65001` goes before the command, in its 8,191 characters |
//! | telling a broken handshake from a refused one | now and then a handshake is spread over two connections, and the host refuses it as it refuses a wrong password | when a session is opened, `Auth`; later `Transport`, outcome unknown |
//! | exit codes above 2,147,483,647 | the crate reads them as signed numbers of 32 bits | an error of the shell layer, outcome unknown |
//!
//! The metadata members `winrm_use_https`, `winrm_validate_cert`, `winrm_cert_sha256` and `domain` mean what they mean to
//! `transport::winrm`. The host is given as it stands, so an address has to be written the way a URL keeps it.

mod command;
mod connector;
mod error;
mod keeper;
mod script;
mod session;
mod target;

pub use connector::WinrmRsConnector;
