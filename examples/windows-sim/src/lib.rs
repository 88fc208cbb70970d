//! A simulated Windows host: a WinRM endpoint over a scripted machine.
//!
//! It is the independent counterpart the WinRM client is proved against and shares no code with it: its NTLM is an acceptor
//! written from MS-NLMP, its SPNEGO and its WS-Management are its own. `pywinrm` and `pypsrp` drive it in `interop/`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use windows_sim::WindowsHost;
//!
//! let host = WindowsHost::builder("WEB-1").user("Administrator", "a password").http("127.0.0.1:0").start().await?;
//! assert!(host.http_addr().is_some());
//! assert_eq!(host.counters().plaintext_bodies, 0);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
// A library speaks through results and `tracing`, never on its host's terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod machine;

mod account;
mod authority;
mod builder;
mod command;
mod connection;
mod counters;
mod fault;
mod host;
mod inventory;
mod journal;
mod lines;
mod link;
mod negotiation;
mod ntlm;
mod operation;
mod outcome;
mod quota;
mod reply;
mod seal;
mod server;
mod shell;
mod soap;
mod spnego;
mod tls;
mod windows_host;

pub use account::Logons;
pub use authority::{CertificateAuthority, Identity};
pub use builder::HostBuilder;
pub use counters::Counters;
pub use fault::{Fault, FaultPlan, FaultSpecError, PlannedFault};
pub use journal::Executed;
pub use ntlm::ChannelBinding;
pub use quota::Quotas;
pub use soap::action::Action;
pub use windows_host::WindowsHost;
