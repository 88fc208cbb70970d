//! The WinRM connector against the simulated Windows host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod copy;
mod exec;
mod faults;
mod lockout;
mod logon;
mod matrix;
mod output;
mod powershell;
mod probe;
mod reattach;
mod stop;
mod support;
mod tls;
mod warm;
